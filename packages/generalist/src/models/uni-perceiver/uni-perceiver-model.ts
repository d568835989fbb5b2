/**
 * A generalist: encoder and tokenizer as one model, with the features of candidate sets that evaluation keeps.
 */
import { ConfigError, createRandom, StateError, type Random } from '@polygate/core';
import {
  checkSequences,
  createUniPerceiver,
  modalitySettings,
  type Encoder,
  type EncoderConfig,
  type UniPerceiver,
} from '@polygate/encoder';
import { isMergedConfig } from '@polygate/encoder/merged';
import { resolveImageInput, text, visual, type ResolvedImageInput } from '@polygate/modalities';
import { copyParameters, type ParameterSet } from '@polygate/nn';
import {
  segmentRows,
  vocabularyCandidates,
  type CandidateSet,
  type DecoderOptions,
  type ScoredBatch,
  type ScoreOptions,
  type TaskBatch,
  type TaskTargets,
  type TextDecoder,
  type TextStart,
  type TrainedTask,
} from '@polygate/tasks';
import type { Tokenizer } from '@polygate/tokens';
import type { LossWeights } from '@polygate/training';
import * as tf from '@tensorflow/tfjs';
import { taskSegments } from '../../task-segments.ts';
import { DEFAULT_MAXIMUM_TOKENS, FIRST_ARCHITECTURE } from '../model-config.ts';
import type {
  ExportChoice,
  ExportedModel,
  Generalist,
  ModelEmbedding,
  ModelLoss,
  ModelLossOptions,
  ModelRouting,
  StartOptions,
  StartReport,
  TuningChoice,
} from '../model.ts';
import { createAdapter, type Adapter } from '../../tuning/adapter.ts';
import type { TuneSettings } from '../../tuning/registry.ts';
import { requireLoss } from '../known-losses.ts';
import { CachedDecoder } from './cached-decoder.ts';
import { describeEncoderOf } from './description.ts';
import { encodeCandidates, embedSequences } from './features.ts';
import { changesExperts, foldedEncoder, foldInto, lowRankExport } from './folded.ts';
import { mergedFacts, mergedParts } from './merged-parts.ts';
import { lossNames, needsWhole, taskLoss, taskWeights } from './loss.ts';
import { routingOf, routingRecords } from './routing.ts';
import { scoreBatch } from './scores.ts';
import { startEncoder } from './start.ts';
import type { UniPerceiverConfig } from './uni-perceiver-config.ts';

/** What a model is made of. */
export interface UniPerceiverParts<E extends Encoder = Encoder> {
  readonly encoder: E;
  readonly tokenizer: Tokenizer;
  /** What it is tuned by, on an encoder that stays as it is. @default none */
  readonly adapter?: Adapter;
  /** What is freed with the model beside its adapter; null where it only borrows. @default the encoder */
  readonly owned?: Disposable | null;
}

/**
 * Owns the encoder and all cached features; `dispose` frees them. The encoder is a {@link UniPerceiver} where it is
 * trained, and may be one with merged experts where it only predicts.
 */
export class UniPerceiverModel<E extends Encoder = Encoder> implements Generalist {
  readonly architecture = FIRST_ARCHITECTURE;
  readonly config: UniPerceiverConfig;
  readonly encoder: E;
  readonly losses = lossNames;
  readonly tokenizer: Tokenizer;
  readonly image: ResolvedImageInput;
  /** Every token as a candidate, shared by all tasks of the model. */
  readonly vocabulary: CandidateSet;
  readonly maximumTokens: number;
  readonly tasks: readonly TrainedTask[];
  readonly embedding: ModelEmbedding;
  readonly adapter: Adapter | undefined;
  /** Freed with the model, where it is its own. */
  readonly #owned: Disposable | undefined;
  readonly #features = new Map<string, { readonly targets: TaskTargets; readonly values: tf.Tensor2D }>();
  #disposed = false;

  /** Takes over adapter and encoder. Most callers want {@link createUniPerceiverModel} or `loadModel`. */
  constructor(config: UniPerceiverConfig, parts: UniPerceiverParts<E>) {
    const { encoder, tokenizer, adapter, owned = encoder } = parts;
    if (tokenizer.hash !== config.tokenizerHash) {
      throw new StateError(
        `generalist: expected the tokenizer of the model (sha256 ${config.tokenizerHash}), got one with sha256 ${tokenizer.hash}; use the tokenizer.json beside the weights`,
        { code: 'tokenizer-mismatch', fields: { expected: config.tokenizerHash, got: tokenizer.hash } },
      );
    }
    const { vocabularySize, maxPositions } = modalitySettings(encoder.config, text);
    if (vocabularySize !== tokenizer.size) {
      throw new ConfigError(
        `generalist: expected an encoder with the tokenizer's ${tokenizer.size} tokens, got ${vocabularySize}; set vocabularySize`,
      );
    }
    this.config = config;
    this.encoder = encoder;
    this.tokenizer = tokenizer;
    this.adapter = adapter;
    this.#owned = owned ?? undefined;
    this.image = resolveImageInput({
      ...config.image,
      patch: modalitySettings(encoder.config, visual).patch.size,
    });
    this.vocabulary = vocabularyCandidates(tokenizer, segmentRows.vocabulary);
    this.maximumTokens = Math.min(config.maximumTokens ?? DEFAULT_MAXIMUM_TOKENS, maxPositions);
    this.tasks = config.tasks ?? [];
    this.embedding = {
      width: encoder.config.width,
      maximumTokens: maxPositions,
      encode: (sequences, options = {}) => embedSequences(this, sequences, options),
    };
  }

  /** Those of the adapter, or all parameters of the encoder; either owns its own. */
  get parameters(): ParameterSet {
    return this.adapter?.parameters ?? this.encoder.parameters;
  }

  /** As {@link Generalist.base}. */
  get base(): ParameterSet | undefined {
    return this.adapter && this.encoder.parameters;
  }

  get isExported(): boolean {
    return isMergedConfig(this.encoder.config);
  }

  get routing(): ModelRouting | undefined {
    return routingOf(this.encoder);
  }

  get exports(): Generalist['exports'] {
    const { adapter } = this;
    return {
      merged: (choice) => this.#merged(choice),
      ...(adapter?.folds
        ? { folded: () => this.#withAdapter(foldedEncoder(this.encoder, adapter), this, adapter.rest) }
        : {}),
      ...(adapter?.lowRank ? { lowRank: () => lowRankExport(this.encoder, adapter) } : {}),
    };
  }

  /** Experts merged; an adapter that may be in weights is in theirs, another one stays beside them. */
  #merged(choice: ExportChoice): ExportedModel {
    const { adapter } = this;
    const isFolded = adapter?.folds === true;
    // What each expert has of its own must be there before they are merged.
    const whole =
      isFolded && changesExperts(this.encoder, adapter) ? foldedEncoder(this.encoder, adapter) : undefined;
    try {
      const { encoder, ...parts } = mergedParts({ ...this.#parts, encoder: whole ?? this.encoder }, choice);
      if (isFolded && !whole) foldInto(encoder.parameters, adapter);
      const settings = isFolded ? adapter.rest : adapter?.settings;
      return { model: this.#withAdapter(encoder, parts, settings), ...mergedFacts(encoder) };
    } finally {
      whole?.dispose();
    }
  }

  get #parts(): Pick<UniPerceiverModel, 'config' | 'tokenizer'> {
    const { config, tokenizer } = this;
    return { config, tokenizer };
  }

  /** A model of an encoder, which it takes over, with what is left of the adapter beside it. */
  #withAdapter<Other extends Encoder>(
    encoder: Other,
    { config: { adapter: _, ...config }, tokenizer }: Pick<UniPerceiverModel, 'config' | 'tokenizer'>,
    settings: TuneSettings | undefined,
  ): UniPerceiverModel<Other> {
    const base = modelWithEncoder(encoder, { config, tokenizer });
    const { adapter } = this;
    if (!settings || !adapter) return base;
    const tasks = config.tasks ?? [];
    const model = base.tuned({ settings, tasks, random: createRandom(0), owned: true });
    copyParameters(adapter.parameters, model.parameters);
    return model;
  }

  readonly partsAddUp = true;

  /** As {@link Generalist.exchanges}. */
  exchanges(batch: TaskBatch): boolean {
    return needsWhole(this, batch);
  }

  /** As {@link Generalist.replayKey}. Routers that decide on the host are told by the engine: they read. */
  replayKey({ loss }: TaskBatch): string {
    return loss;
  }

  /** As {@link Generalist.loss}; see `taskLoss`. */
  loss(batch: TaskBatch, options: ModelLossOptions): ModelLoss {
    requireLoss(this, batch);
    const { reports, ...loss } = taskLoss(this, batch, options);
    return { ...loss, records: routingRecords(this.encoder, batch.task, reports) };
  }

  /** As {@link Generalist.check}. */
  check({ inputs, targets }: TaskBatch): void {
    for (const sequences of [inputs, targets.sequences]) checkSequences(sequences, this.encoder.config);
  }

  /** As {@link Generalist.weights}; see `taskWeights`. */
  weights(batch: TaskBatch): LossWeights {
    return taskWeights(batch);
  }

  /** As `TaskModel.scores`. */
  scores(batch: ScoredBatch, options: ScoreOptions = {}): Promise<Float32Array> {
    return scoreBatch(this, batch, options);
  }

  /** As `TaskModel.decoder`. */
  decoder(start: TextStart, options: DecoderOptions = {}): TextDecoder | undefined {
    return this.encoder.refusesContinuation === undefined
      ? new CachedDecoder(this, start, options)
      : undefined;
  }

  /** Whether its encoder has weights for all segments of a task. */
  serves(task: Pick<TrainedTask, 'name' | 'family'>): boolean {
    const trained = this.tasks.find(({ name, family }) => name === task.name && family === task.family);
    return taskSegments(trained ?? task).every((segment) => this.encoder.serves(segment));
  }

  describe(): readonly (readonly [name: string, value: string])[] {
    return describeEncoderOf(this.encoder);
  }

  /** As {@link Generalist.tuned}. @throws as `createAdapter`; ConfigError for a model that has an adapter already */
  tuned({ settings, tasks, random, owned = false }: TuningChoice): UniPerceiverModel<E> {
    const { encoder, tokenizer, config } = this;
    if (this.adapter) {
      throw new ConfigError(
        `tune: expected a base without an adapter, got one that was tuned by ${this.adapter.settings.method}; tune the base that it was tuned on`,
        { code: 'base-adapted' },
      );
    }
    const adapter = createAdapter(settings, {
      encoder: encoder.config,
      base: encoder.parameters,
      tasks,
      random,
    });
    return new UniPerceiverModel(
      { ...config, tasks, adapter: settings },
      { encoder, tokenizer, adapter, owned: owned ? this : null },
    );
  }

  /** As {@link Generalist.startFrom}. The start has the same architecture. @throws as `startEncoder` */
  async startFrom(start: Generalist, options: StartOptions): Promise<StartReport> {
    if (this.adapter) {
      throw new ConfigError(
        'initialize: expected a model whose own weights are trained, got one with an adapter on a base; name the base as its start',
        { code: 'not-trainable' },
      );
    }
    const plan = await startEncoder(this.encoder, (start as UniPerceiverModel).encoder, options);
    this.clearCaches();
    return plan;
  }

  /**
   * Features of a whole candidate set, [C, D] of unit length, encoded once and kept until {@link clearCaches}; once for
   * each task where routers look at the task. Borrowed: do not dispose of them.
   * @param task that the candidates serve @default none
   * @throws StateError after `dispose`; ConfigError for a task that the model doesn't know
   */
  candidateFeatures(targets: TaskTargets, task?: string): tf.Tensor2D {
    if (this.#disposed) {
      throw new StateError('generalist: expected a live model, got one that was disposed; load it anew');
    }
    const byTask = this.encoder.routesByTask || this.adapter !== undefined;
    const key = byTask ? JSON.stringify([targets.key, task]) : targets.key;
    const cached = this.#features.get(key);
    // Two sets of one name but other content (a user's labels) replace each other.
    if (cached?.targets.sequences === targets.sequences) return cached.values;
    cached?.values.dispose();
    const sequences = this.adapter?.sequencesOf(task, targets) ?? targets.sequences;
    const values = tf.keep(encodeCandidates(this, sequences, { task }));
    this.#features.set(key, { targets, values });
    return values;
  }

  /** Drops cached features and merged experts. Call it when the parameters have changed. */
  clearCaches(): void {
    for (const { values } of this.#features.values()) values.dispose();
    this.#features.clear();
    this.encoder.clearMergedCache();
  }

  dispose(): void {
    if (this.#disposed) return;
    this.clearCaches();
    this.#disposed = true;
    this.adapter?.dispose();
    this.#owned?.[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/**
 * A model with fresh weights on the current engine.
 * @throws ConfigError, StateError when tokenizer and configuration don't belong together
 */
export const createUniPerceiverModel = (
  config: UniPerceiverConfig<EncoderConfig>,
  tokenizer: Tokenizer,
  random: Random,
): UniPerceiverModel<UniPerceiver> =>
  modelWithEncoder(createUniPerceiver(config.encoder, random), { config, tokenizer });

/** A model around an encoder, which it takes over; the encoder is freed when they don't fit. @throws as the constructor */
export const modelWithEncoder = <E extends Encoder>(
  encoder: E,
  parts: { readonly config: UniPerceiverConfig; readonly tokenizer: Tokenizer },
): UniPerceiverModel<E> => {
  const { config, tokenizer } = parts;
  try {
    return new UniPerceiverModel(config, { encoder, tokenizer });
  } catch (error) {
    encoder.dispose();
    throw error;
  }
};
