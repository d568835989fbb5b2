/**
 * A live adapter: the parameters that a method adds to a base, copies of those of the base that it trains, and what it does
 * in forwards and scores. It takes start values of the base and nothing else: the base's weights are never written.
 *
 * Parameters: what the method adds under `adapter.`, `adapter.replaced.NAME` for the base's parameter NAME,
 * `adapter.heads.TASK.{weight,bias,mix}` and `adapter.labels.TASK`.
 */
import { ConfigError, type Random } from '@polygate/core';
import type { EncoderAdapter } from '@polygate/encoder';
import type { SequenceBatch } from '@polygate/modalities';
import { allocateParameters, selectSpecs, type ParameterSet, type ParameterSpec } from '@polygate/nn';
import type { TaskTargets, TrainedTask } from '@polygate/tasks';
import * as tf from '@tensorflow/tfjs';
import { classColumns, classHead, headSpecs, type ClassHead } from './class-heads.ts';
import { fillLabels, labelSpecs, withLabelRoom } from './label-tokens.ts';
import { tuningMethodNamed, type TuneSettings } from './registry.ts';
import type {
  AdapterForm,
  LinearPlace,
  LowRankFactors,
  LowRankRule,
  TuningContext,
} from './tuning-method.ts';

const ADDED = 'adapter.';
const REPLACED = 'adapter.replaced.';

/** What an adapter consists of. */
export interface AdapterDescription {
  /** All its parameters, those that replace the base's last. */
  readonly specs: readonly ParameterSpec[];
  /** Names of the base's parameters that it has values of its own of. */
  readonly replaced: readonly string[];
  /** Tasks whose classes have a linear head, and those whose classes have a token. */
  readonly heads: readonly TrainedTask[];
  readonly labels: readonly TrainedTask[];
}

/** The adapter of a method. @throws ConfigError for one that trains the base's own weights */
const formOf = ({ method }: TuneSettings): AdapterForm<TuneSettings> => {
  const { adapter } = tuningMethodNamed(method);
  if (adapter) return adapter as AdapterForm<TuneSettings>;
  throw new ConfigError(
    `adapter: expected a method that leaves the base as it is, got "${method}", which trains the base's own weights; open what it trained as any run`,
    { code: 'no-adapter', fields: { method } },
  );
};

/** Whether an adapter may have values of its own of a parameter: linears of blocks, routers and temperatures are elsewhere. */
const isReplaceable = ({ name }: ParameterSpec): boolean =>
  !/^(?:blocks\.\d+\.(?:attention|ffn)\.|routers\.|temperature\.)/u.test(name);

/**
 * The parameters of an adapter, nothing allocated.
 * @throws ConfigError for settings that don't fit the base or the tasks
 */
export const describeAdapter = (settings: TuneSettings, context: TuningContext): AdapterDescription => {
  const { adds, replaces, heads = [], labels = [] } = formOf(settings).parts(settings, context);
  const { base, tasks, encoder } = context;
  const replaced = replaces ? selectSpecs(base, replaces, 'adapter') : [];
  const wrong =
    adds.find(({ name }) => !name.startsWith(ADDED)) ?? replaced.find((spec) => !isReplaceable(spec));
  if (wrong) {
    throw new ConfigError(
      `adapter of ${settings.method}: expected parameters under ${ADDED}, and of the base those that no linear, router or temperature has, got "${wrong.name}"; correct the method's parts`,
      { fields: { method: settings.method, name: wrong.name } },
    );
  }
  const of = (names: readonly string[]): readonly TrainedTask[] =>
    tasks.filter(({ name }) => names.includes(name));
  const specs: readonly ParameterSpec[] = [
    ...adds,
    ...of(heads).flatMap((task) => headSpecs(task, encoder.width)),
    ...of(labels).flatMap((task) => labelSpecs(task, encoder.width)),
    ...replaced.map((spec) => ({ ...spec, name: `${REPLACED}${spec.name}` })),
  ];
  if (specs.length === 0) {
    throw new ConfigError(
      `tune: expected something to train, got settings of ${settings.method} that add nothing; switch a part of it on`,
      { code: 'nothing-trained', fields: { method: settings.method } },
    );
  }
  return {
    specs,
    replaced: replaced.map(({ name }) => name),
    heads: of(heads),
    labels: of(labels),
  };
};

/** An adapter with its parameters. Owns them: `dispose` frees them. */
export class Adapter implements Disposable {
  readonly settings: TuneSettings;
  readonly parameters: ParameterSet;
  /** What forwards of the encoder take. */
  readonly encoder: EncoderAdapter;
  readonly #form: AdapterForm<TuneSettings>;
  readonly #heads: readonly TrainedTask[];
  readonly #labels: readonly TrainedTask[];

  /** Takes over `parameters`, those of `description`. Most callers want {@link createAdapter}. */
  constructor(
    settings: TuneSettings,
    {
      description,
      parameters,
    }: { readonly description: AdapterDescription; readonly parameters: ParameterSet },
  ) {
    const form = formOf(settings);
    this.#form = form;
    this.settings = settings;
    this.parameters = parameters;
    this.#heads = description.heads;
    this.#labels = description.labels;
    const replaced = new Set(description.replaced);
    this.encoder = {
      replaced: (name) => (replaced.has(name) ? parameters.get(`${REPLACED}${name}`) : undefined),
      begin: (context) => {
        const labels = fillLabels(parameters, context.batch);
        const forward = form.begin({ settings, parameters }, context);
        return labels ? { ...forward, embedded: (x) => labels(forward.embedded?.(x) ?? x) } : forward;
      },
    };
  }

  /** Whether it may go into the weights of its base. */
  get folds(): boolean {
    return this.#form.fold !== undefined;
  }

  /** What it adds to the weight of a linear, or beyond that to one expert of it; belongs to the enclosing tidy. */
  added(ref: LinearPlace): tf.Tensor2D | undefined {
    return this.#form.fold?.weight(this, ref);
  }

  /** Settings of the adapter that is left once it is in the weights of its base; undefined where none is. */
  get rest(): TuneSettings | undefined {
    return this.#heads.length + this.#labels.length > 0 ? this.#form.fold?.rest(this.settings) : undefined;
  }

  /** What it adds to linears as products, where it has nothing but these and values in place of parameters. */
  get lowRank(): (LowRankRule & { factors(ref: LinearPlace): LowRankFactors | undefined }) | undefined {
    const { lowRank } = this.#form;
    if (!lowRank || this.#heads.length + this.#labels.length > 0) return undefined;
    return { ...lowRank.rule(this.settings), factors: (ref) => lowRank.factors(this, ref) };
  }

  /** The head for the candidates of a batch; undefined where they are not classes that a head is for. */
  headOf(task: string | undefined, targets: TaskTargets): ClassHead | undefined {
    const head = this.#columnsOf(this.#heads, task, targets);
    return head && classHead(this.parameters, head.task, head.columns);
  }

  /** The sequences of candidates, with a token in front of the names of classes where these have one. */
  sequencesOf(task: string | undefined, targets: TaskTargets): SequenceBatch {
    const labels = this.#columnsOf(this.#labels, task, targets);
    return labels ? withLabelRoom(targets.sequences, labels.task.name, labels.columns) : targets.sequences;
  }

  dispose(): void {
    this.parameters.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** The task that candidates are classes of, with the place of each among them. */
  #columnsOf(
    tasks: readonly TrainedTask[],
    name: string | undefined,
    targets: TaskTargets,
  ): { readonly task: TrainedTask; readonly columns: Int32Array } | undefined {
    for (const task of tasks) {
      const columns = name === undefined || name === task.name ? classColumns(task, targets) : undefined;
      if (columns) return { task, columns };
    }
    return undefined;
  }
}

/**
 * An adapter on a base: what it adds is drawn by parameter name, what it replaces is copied from the base.
 * @throws as {@link describeAdapter}
 */
export const createAdapter = (
  settings: TuneSettings,
  {
    base,
    random,
    ...context
  }: Omit<TuningContext, 'base'> & { readonly base: ParameterSet; readonly random: Random },
): Adapter => {
  const description = describeAdapter(settings, { ...context, base: base.specs });
  const parameters = allocateParameters(description.specs, random);
  for (const name of description.replaced) {
    // A buffer of its own: `assign` alone shares the source's, which engines may update in place.
    const copy = tf.mul(base.get(name), 1);
    parameters.get(`${REPLACED}${name}`).assign(copy);
    copy.dispose();
  }
  return new Adapter(settings, { description, parameters });
};
