/**
 * An SM^4 as a model: the encoder of latents with a head for each task, and what it adapts of itself while it trains.
 *
 * B batch · M slots of a task · C width · O outputs of a head
 */
import { ConfigError, StateError, unknownName, type PartExchange, type Random } from '@polygate/core';
import {
  createRoutingTrace,
  describeLatentEncoder,
  LatentEncoder,
  type BlocksOptions,
  type LatentInputs,
  type RoutingTrace,
} from '@polygate/encoder';
import {
  resolveImageInput,
  tableSpec,
  type ResolvedImageInput,
  type SequenceBatch,
} from '@polygate/modalities';
import { allocateParameters, type ParameterSet, type ParameterSpec } from '@polygate/nn';
import {
  segmentRows,
  vocabularyCandidates,
  type CandidateSet,
  type ScoredBatch,
  type ScoreOptions,
  type TaskBatch,
  type TrainedTask,
} from '@polygate/tasks';
import type { Tokenizer } from '@polygate/tokens';
import type { ExtraState, LossWeights } from '@polygate/training';
import * as tf from '@tensorflow/tfjs';
import { requireLoss } from '../known-losses.ts';
import { DEFAULT_MAXIMUM_TOKENS } from '../model-config.ts';
import type {
  EpochEnd,
  Generalist,
  ModelLoss,
  ModelLossOptions,
  ModelRouting,
  StartOptions,
  StartReport,
} from '../model.ts';
import { routingRecordsOf } from '../routing-records.ts';
import { AdaptiveState, modalityLoss, type SavedState } from './adaptive-state.ts';
import { headLoss, headLosses } from './loss.ts';
import { sumEntries, type PaceEntry } from './learning-pace.ts';
import { absentSlots, slotTokens, TEXT_TABLE } from './slot-tokens.ts';
import type { Sm4Config } from './sm4-config.ts';
import { startSm4 } from './start.ts';
import { gatherRows, wholeOf } from '../whole-batch.ts';
import { applyHead, describeHead } from './task-heads.ts';
import { outputsOf, taskSlots } from './task-slots.ts';

/** Name of the architecture. */
export const SM4 = 'sm4';

/** Modalities of the slots of each task. */
const slotsOf = ({ tasks = [], image, sm4 }: Sm4Config): ReadonlyMap<string, readonly string[]> =>
  new Map(
    tasks.map((task) => {
      const sources = { image: { ...image, patch: sm4.patch }, vocabularySize: sm4.vocabularySize };
      return [task.name, taskSlots(task, sources).map(({ modality }) => modality)] as const;
    }),
  );

/** Whether a task shows tokens that are looked up. */
const looksUp = ({ tasks = [], image, sm4 }: Sm4Config): boolean => {
  const sources = { image: { ...image, patch: sm4.patch }, vocabularySize: sm4.vocabularySize };
  return tasks.some((task) => taskSlots(task, sources).some(({ shape }) => shape.vocabulary !== undefined));
};

/** All parameters of a model; nothing is allocated. @throws ConfigError for a configuration that makes none */
export const describeSm4 = (config: Sm4Config): readonly ParameterSpec[] => {
  const { encoder, sm4, tasks = [] } = config;
  const { width = 64 } = encoder;
  const slots = slotsOf(config);
  return [
    ...(looksUp(config) ? [tableSpec(TEXT_TABLE, sm4.vocabularySize, sm4.textWidth)] : []),
    ...describeLatentEncoder(encoder),
    ...tasks.flatMap((task) =>
      describeHead({
        task: task.name,
        inputs: width * (slots.get(task.name)?.length ?? 1),
        outputs: outputsOf(task),
      }),
    ),
  ];
};

/** What the routers of a forward did with each modality, by router. */
const paceEntries = ({ reports }: RoutingTrace): readonly PaceEntry[] =>
  reports.flatMap(({ group, block, linears, groups }) =>
    groups.map(({ task, modality, counts }) => ({
      ...{ task, modality, counts },
      site: `${group} ${block} ${linears.join(' ')}`,
    })),
  );

/** The auxiliary losses of a forward: their weighted sum, and means by name. Empty without routers of tokens. */
const auxiliaryOf = ({ losses }: RoutingTrace): Readonly<Record<string, tf.Scalar>> => {
  const [first] = losses;
  if (!first) return {};
  const mean = (scalars: readonly tf.Scalar[]): tf.Scalar => tf.div(tf.addN([...scalars]), scalars.length);
  const named = Object.keys(first.means).map(
    (name) => [name, mean(losses.flatMap(({ means }) => means[name] ?? []))] as const,
  );
  return { ...Object.fromEntries(named), auxiliary: mean(losses.map(({ weighted }) => weighted)) };
};

/** What a forward of a task is told. */
interface TaskForward extends Omit<ModelLossOptions, 'telemetry' | 'differentiable'> {
  readonly task: string;
  readonly routing?: RoutingTrace;
  /** Modality that is shown alone. @default all that the batch has */
  readonly alone?: string;
  /** The batch that these rows are a part of. @default they are all */
  readonly whole?: SequenceBatch;
}

/** Owns its parameters; `dispose` frees them. */
export class Sm4Model implements Generalist {
  readonly architecture = SM4;
  readonly config: Sm4Config;
  readonly parameters: ParameterSet;
  readonly losses = headLosses;
  readonly isExported = false;
  readonly tokenizer: Tokenizer;
  readonly image: ResolvedImageInput;
  readonly vocabulary: CandidateSet;
  readonly maximumTokens: number;
  readonly tasks: readonly TrainedTask[];
  readonly encoder: LatentEncoder;
  readonly extraState: ExtraState;
  readonly #slots: ReadonlyMap<string, readonly string[]>;
  readonly #adaptive: AdaptiveState;
  #disposed = false;

  /** @throws ConfigError for a configuration that makes no model; StateError for a tokenizer that is not the model's */
  constructor(
    config: Sm4Config,
    { tokenizer, random }: { readonly tokenizer: Tokenizer; readonly random: Random },
  ) {
    if (tokenizer.hash !== config.tokenizerHash) {
      throw new StateError(
        `sm4: expected the tokenizer of the model (sha256 ${config.tokenizerHash}), got one with sha256 ${tokenizer.hash}; use the tokenizer.json beside the weights`,
        { code: 'tokenizer-mismatch', fields: { expected: config.tokenizerHash, got: tokenizer.hash } },
      );
    }
    this.config = config;
    this.tokenizer = tokenizer;
    this.tasks = config.tasks ?? [];
    this.image = resolveImageInput({ ...config.image, patch: config.sm4.patch });
    this.vocabulary = vocabularyCandidates(tokenizer, segmentRows.vocabulary);
    this.maximumTokens = config.maximumTokens ?? DEFAULT_MAXIMUM_TOKENS;
    this.#slots = slotsOf(config);
    const { allocation, pace, topK } = config.sm4;
    const experts = Math.min(...(config.encoder.moe?.groups ?? []).map((group) => group.experts ?? 1));
    this.#adaptive = new AdaptiveState({
      allocation: Number.isFinite(experts) ? allocation : null,
      pace: Number.isFinite(experts) ? pace : null,
      experts,
      topK,
      tasks: this.#slots,
    });
    this.parameters = allocateParameters(describeSm4(config), random);
    this.encoder = new LatentEncoder(config.encoder, this.parameters);
    this.extraState = {
      save: () => this.#adaptive.save(),
      restore: (value) => this.#adaptive.restore(value as SavedState),
    };
  }

  /** Experts that tokens choose, by the options or by what was allocated. */
  #choices(options: Pick<ModelLossOptions, 'topK' | 'rowWeights' | 'training'>): BlocksOptions {
    const { topK, rowWeights, training } = options;
    const adaptive = this.#adaptive;
    return {
      topK: (group, key) => topK?.(group, key) ?? adaptive.expertsOf(key.task, key.modality),
      ...(training
        ? { rowWeights: (key) => rowWeights?.(key) ?? adaptive.paceOf(key.task, key.modality) }
        : {}),
    };
  }

  /** Outputs of a task's head, [B, O]. Call it inside a tidy. @throws ConfigError for a task without a head */
  #outputs(batch: SequenceBatch, { task, alone, whole = batch, ...options }: TaskForward): tf.Tensor2D {
    const slots = this.#slots.get(task);
    if (!slots) throw unknownName('task of the model', task, [...this.#slots.keys()]);
    const { parameters, config } = this;
    const { width } = this.encoder.config;
    const tokens = slotTokens(batch, { inputs: config.encoder.inputs, table: this.#table });
    if (tokens.length !== slots.length || tokens.some(({ modality }, at) => modality !== slots[at])) {
      throw new ConfigError(
        `task "${task}": expected inputs of ${slots.join(', ')}, got ${tokens.map(({ modality }) => modality).join(', ')}; a model has its heads by the inputs that it was made for`,
        { fields: { task, slots } },
      );
    }
    const { training = false, random, routing, exchange } = options;
    // What nobody of the batch has, or may be looked at, is left out as a whole.
    // Processes that share a batch leave out the same.
    const absent = absentSlots(whole);
    const shown = tokens.flatMap((each, at) =>
      (alone !== undefined && each.modality !== alone) || absent[at] === true ? [] : [at],
    );
    const vectors = new Map<number, tf.Tensor2D>();
    if (shown.length > 0) {
      const encoded = this.encoder.encode(
        shown.map((at) => tokens[at] as LatentInputs),
        {
          ...this.#choices(options),
          task,
          training,
          ...(random ? { random } : {}),
          ...(routing ? { routing } : {}),
          ...wholeOf(exchange, 'routers', batch.size / whole.size),
        },
      );
      shown.forEach((at, i) => vectors.set(at, encoded[i] as tf.Tensor2D));
    }
    const parts = slots.map((_, at) => vectors.get(at) ?? tf.zeros<tf.Rank.R2>([batch.size, width]));
    const momentum = config.sm4.momentum;
    const vectorsOfAll = gatherRows(
      parts.length === 1 ? (parts[0] as tf.Tensor2D) : tf.concat(parts, 1),
      exchange,
      'vectors',
    );
    // What follows the batch's moments follows those of the whole batch, which a rehearsal does not know.
    const follows = exchange?.isRehearsal !== true;
    return applyHead(vectorsOfAll, { parameters, task, training, momentum, follows });
  }

  get #table(): tf.Variable<tf.Rank.R2> | undefined {
    const { parameters } = this;
    return parameters.specs.some(({ name }) => name === TEXT_TABLE)
      ? (parameters.get(TEXT_TABLE) as tf.Variable<tf.Rank.R2>)
      : undefined;
  }

  /** As {@link Generalist.loss}. Outside training also by modality, where experts are allocated by it. */
  loss(batch: TaskBatch, options: ModelLossOptions): ModelLoss {
    requireLoss(this, batch);
    const { task, inputs } = batch;
    const { training, telemetry = false, exchange } = options;
    const { whole = batch } = exchange ? batch : {};
    const routing = training
      ? createRoutingTrace({ telemetry: telemetry || this.config.sm4.pace !== null })
      : undefined;
    const { loss, terms, ...metrics } = tf.tidy(() => {
      const outputs = this.#outputs(inputs, {
        ...{ ...options, task, whole: whole.inputs },
        ...(routing ? { routing } : {}),
      });
      // Of a rehearsal the rows are this part's alone.
      const head = headLoss(outputs, exchange?.isRehearsal ? batch : whole);
      const auxiliary = routing ? auxiliaryOf(routing) : {};
      const { auxiliary: weighted } = auxiliary;
      const result: Record<string, tf.Scalar> = {
        ...(head.accuracy ? { accuracy: head.accuracy } : {}),
        ...auxiliary,
        ...(training ? {} : this.#lossesAlone(batch, options)),
      };
      const summed = weighted
        ? { loss: tf.add(head.loss, weighted) as tf.Scalar, terms: { loss: head.loss, auxiliary: weighted } }
        : { loss: head.loss, terms: undefined };
      return { ...result, ...(summed as object) } as unknown as Record<string, tf.Scalar> & typeof summed;
    });
    if (routing) this.#observe(paceEntries(routing), exchange);
    return {
      loss,
      weight: inputs.size,
      ...(terms ? { terms } : {}),
      metrics,
      records: telemetry && routing ? routingRecordsOf(this.encoder.config.moe, task, routing.reports) : [],
    };
  }

  /** Takes what routers did with the whole batch. */
  #observe(entries: readonly PaceEntry[], exchange: PartExchange | undefined): void {
    const all = exchange ? sumEntries(entries, exchange.within('pace')) : entries;
    if (exchange?.isRehearsal !== true) this.#adaptive.observe(all);
  }

  /** Losses of a batch that shows one modality alone, where a number of experts hangs on them. */
  #lossesAlone(batch: TaskBatch, options: ModelLossOptions): Readonly<Record<string, tf.Scalar>> {
    const { allocation } = this.config.sm4;
    if (allocation?.loss !== 'alone' || options.differentiable || !this.#adaptive.isOpen) return {};
    const { task } = batch;
    const modalities = [...new Set(this.#slots.get(task))];
    return Object.fromEntries(
      modalities.map((modality) => {
        const outputs = this.#outputs(batch.inputs, { ...options, task, alone: modality });
        return [modalityLoss(modality), headLoss(outputs, batch).loss] as const;
      }),
    );
  }

  readonly partsAddUp = true;

  /** As {@link Generalist.exchanges}: a head norms the rows of a batch together. */
  exchanges(): boolean {
    return true;
  }

  /** As {@link Generalist.weights}. */
  weights({ inputs }: TaskBatch): LossWeights {
    return { loss: inputs.size, auxiliary: inputs.size };
  }

  /** As `TaskModel.scores`: outputs of the head, of classes by the names of the candidates. */
  async scores(
    { inputs, targets }: ScoredBatch,
    { task = inputs.task ?? '' }: ScoreOptions = {},
  ): Promise<Float32Array> {
    const { classes } = this.tasks.find(({ name }) => name === task) ?? {};
    const columns = Array.from(targets.ids, (id) => {
      const name = targets.names?.[id];
      const column = name === undefined || !classes ? id : classes.indexOf(name);
      if (column >= 0) return column;
      throw new ConfigError(
        `${SM4}: expected classes of "${task}" (${classes?.join(', ') ?? ''}), got "${name ?? ''}"; a head knows those that it was trained on`,
        { fields: { task, name } },
      );
    });
    const outputs = tf.tidy(() => {
      const all = this.#outputs(inputs, { task, training: false });
      return columns.every((column, at) => column === at) && columns.length === all.shape[1]
        ? all
        : tf.gather(all, tf.tensor1d(columns, 'int32'), 1);
    });
    try {
      return (await outputs.data()) as Float32Array;
    } finally {
      outputs.dispose();
    }
  }

  /** Algorithm 5: experts by the validation of the epoch, then the pace of the next one. */
  async endOfEpoch({ epoch, validate, record }: EpochEnd): Promise<void> {
    this.#adaptive.endEpoch(this.#adaptive.isOpen ? await validate() : {});
    await record({ kind: 'adaptation', values: { epoch, ...this.#adaptive.describe() } });
  }

  get routing(): ModelRouting | undefined {
    const { moe } = this.encoder.config;
    return moe && { groups: moe.groups, tasks: moe.tasks, modalities: moe.modalities, gates: () => [] };
  }

  /** As {@link Generalist.startFrom}: parameters of one name and shape are taken. */
  startFrom(start: Generalist, options: StartOptions): Promise<StartReport> {
    return startSm4(this, start, options);
  }

  /** Whether the task has a head here. */
  serves({ name }: Pick<TrainedTask, 'name'>): boolean {
    return this.#slots.has(name);
  }

  describe(): readonly (readonly [name: string, value: string])[] {
    const { width, latents, layers, inputs, moe } = this.encoder.config;
    const chosen = [...this.#slots].flatMap(([task, modalities]) =>
      [...new Set(modalities)].map((modality) => {
        const k = this.#adaptive.expertsOf(task, modality) ?? this.config.sm4.topK;
        return `${task} ${modality} ${k}`;
      }),
    );
    return [
      [
        'model',
        `${latents} latents of ${width} channels a modality, ${layers} ${layers === 1 ? 'block' : 'blocks'}`,
      ],
      ['modalities', Object.keys(inputs).join(', ')],
      ...(moe
        ? ([
            [
              'experts',
              moe.groups
                .map(({ name, experts, condition }) => `${name} ${experts} by ${condition}`)
                .join(', '),
            ],
            ['experts of a token', chosen.join(', ')],
          ] as const)
        : ([['experts', 'none']] as const)),
    ];
  }

  clearCaches(): void {
    this.encoder.clear();
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.encoder.clear();
    this.parameters.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
