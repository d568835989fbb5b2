/**
 * The words of a run: what the trainer is given and what it reports. The trainer knows no task, model or data format;
 * a batch is whatever a source hands out and the loss takes in.
 */
import type {
  Communicator,
  Random,
  Logger,
  MetricRecord,
  MetricSink,
  PartExchange,
  Progress,
} from '@polygate/core';
import type { Lock } from '@polygate/core/node';
import type { MovingAverage, Optimizer, ParameterSet, Schedule } from '@polygate/nn';
import type * as tf from '@tensorflow/tfjs';
import type { BestOptions } from './best-score.ts';
import type { CheckpointBase } from './checkpoint-state.ts';

/** What a source gets with each request. */
export interface BatchContext {
  /**
   * For masking, augmentation and negatives: `rowRandom(random, row, purpose)` depends on seed, source and the place of the
   * row's sample (cursor times batch size, plus the row) alone, other draws on seed, source and step.
   */
  readonly random: Random;
}

/** A task's supply of batches. */
export interface TrainSource<Batch> {
  /** Unique; cursors and metrics are kept under it. */
  readonly name: string;
  /** Relative chance of being drawn; all sources give one, or none does. @default from `size` */
  readonly weight?: number;
  /** Samples of a batch, for the places of samples that draws are keyed by. @default 1 */
  readonly batchSize?: number;
  /** Samples in the source, for the default weight. */
  readonly size?: number;
  /**
   * What the data are known by, such as a hash: a run is not resumed on other data. @default not checked
   */
  readonly data?: string;
  /** Factor of this task's loss in the gradient; reported losses are without it. @default 1 */
  readonly lossWeight?: number;
  /**
   * The batch at a cursor (0, 1, 2, ...), a pure function of it: after a resume the same cursor is asked again.
   * Called ahead of time while a step computes, so it should leave tensors alone and wait without blocking.
   */
  next(cursor: number, context: BatchContext): Promise<Batch> | Batch;
}

/** What the loss function gets with each batch. */
export interface LossContext {
  /** As the source of the batch has it, with streams of their own; accumulated batches share the stream of the step. */
  readonly random: Random;
  /** Index of the update, from 0. */
  readonly step: number;
  readonly task: string;
  /** Of a part of a batch whose loss needs to know of the other parts; see {@link RankOptions.exchanges}. */
  readonly exchange?: PartExchange;
}

/**
 * What each mean of a batch's loss was taken over: `loss` for the loss itself (rows, pairs, masked tokens: the sum of the
 * weights behind the mean), and one number for each of its {@link LossResult.terms} and metrics that is a mean over
 * something else. None negative.
 */
export type LossWeights = Readonly<Record<string, number>> & { readonly loss: number };

/** A loss and what else is worth recording. */
export interface LossResult {
  /** Scalar whose gradient is taken: a mean over the batch. */
  readonly loss: tf.Scalar;
  /**
   * What `loss` is the mean over, where the options have no `weights`: accumulated batches count by it, so that together
   * they are one batch. @default 1
   */
  readonly weight?: number;
  /**
   * Summands of `loss`, all of them together, where these are means over different things. With `weights` in the options
   * each counts by the number of its name; those without one by that of `loss`. @default the loss is one mean
   */
  readonly terms?: Readonly<Record<string, tf.Scalar>>;
  /** Numbers, or scalars that the trainer reads and frees; they go to metrics.jsonl. */
  readonly metrics?: Readonly<Record<string, number | tf.Scalar>>;
  /** Records of other kinds for metrics.jsonl, written behind the step's own. @default none */
  readonly records?: readonly Omit<MetricRecord, 'step'>[];
}

/** How much a batch holds, for rates. */
export interface BatchMeasure {
  readonly samples: number;
  /** @default 0 */
  readonly tokens?: number;
}

/** One update, as callbacks and metrics.jsonl see it. */
export interface StepReport {
  /** Updates made, this one included. */
  readonly step: number;
  readonly task: string;
  /** Mean over what all accumulated batches were averaged over, without the loss weight. */
  readonly loss: number;
  readonly learningRate: number;
  /** Before clipping. */
  readonly gradientNorm: number;
  readonly samples: number;
  readonly tokens: number;
  /** Wait for data, then forward and backward, then optimizer, in ms. */
  readonly dataMs: number;
  readonly computeMs: number;
  readonly optimizerMs: number;
  /** Of several processes: bytes that this rank gave to others, and the wait for them in ms, which is part of `computeMs`. */
  readonly exchangeBytes?: number;
  readonly exchangeMs?: number;
  /** Live tensors of the engine. */
  readonly tensors: number;
  readonly rssMb: number;
  readonly metrics: Readonly<Record<string, number>>;
}

/** What a callback may do when a step is made. */
export interface StepContext {
  /** Writes a record to metrics.jsonl. */
  record(entry: MetricRecord): Promise<void>;
}

/** Called as the run goes on; what they return is awaited, what they throw ends the run. */
export interface TrainCallback {
  /** @param resumed updates that an earlier process made */
  onStart?(resumed: number): Promise<void> | void;
  onStep?(report: StepReport, context: StepContext): Promise<void> | void;
  onValidation?(step: number, values: Readonly<Record<string, number>>): Promise<void> | void;
  onCheckpoint?(step: number, path: string): Promise<void> | void;
}

/** State of the caller that must survive a resume, such as a loss-weight controller's. */
export interface ExtraState {
  /** JSON. */
  save(): unknown;
  restore(value: unknown): void;
}

/** Ways for a run to begin in a folder that may hold checkpoints. */
export const resumeModes = ['auto', 'never', 'must', 'last-good'] as const;
export type ResumeMode = (typeof resumeModes)[number];

/** Rows of a batch that a rank computes. */
export interface BatchPart<Batch> {
  readonly batch: Batch;
  /** Place of its first row in the whole batch. */
  readonly first: number;
}

/** What a run on many processes needs. */
export interface RankOptions<Batch> {
  /** This process's view of all. */
  readonly communicator: Communicator;
  /**
   * Cuts a batch into as many parts, undefined where there are fewer rows: the weighted mean of the losses of the parts is
   * the loss of the batch. Pure, the same on every rank.
   */
  readonly cut: (batch: Batch, parts: number) => readonly (BatchPart<Batch> | undefined)[];
  /**
   * Whether the loss of a part of this batch needs to know of the other parts: it is computed twice then, with an `exchange`,
   * and every mean that it answers for the whole batch counts by its part's weight. Pure. @default no batch does
   */
  readonly exchanges?: (batch: Batch) => boolean;
  /** What all ranks must agree on beside data, seed and parameters, such as a hash of the recipe. @default nothing */
  readonly facts?: Readonly<Record<string, string>>;
}

/** Which steps may be computed from recordings of earlier ones. */
export interface ReplayOptions<Batch> {
  /**
   * What the operators of a batch's loss hang on beside its layout (shapes, texts, flags, single numbers), as a text; undefined
   * for a step that must be computed plainly. The loss takes the batch's arrays from the host by `hostTensor` alone, forks its
   * randomness, and leaves nothing behind.
   */
  key(batch: Batch, context: LossContext): string | undefined;
}

/** Everything a run needs. */
export interface TrainOptions<Batch> {
  /** What is trained, in place; borrowed. Others that the loss reads are frozen: a set or a view of one. */
  readonly parameters: ParameterSet;
  /**
   * What the parameters belong to, where they are a part of a model and the rest is frozen: checkpoints hold the
   * parameters alone, and name it. @default the parameters are all of the model
   */
  readonly base?: CheckpointBase;
  /** What the run is known by, such as a hash of its settings: it does not go on from a checkpoint of another. @default not checked */
  readonly run?: string;
  readonly optimizer: Optimizer;
  readonly schedule: Schedule;
  readonly sources: readonly TrainSource<Batch>[];
  /** Runs on the gradient tape; must not await. Batches are borrowed. */
  readonly loss: (batch: Batch, context: LossContext) => LossResult;
  /** Updates of the whole run, earlier processes' included. */
  readonly steps: number;
  readonly seed: number;
  /** Gets metrics.jsonl and checkpoints/. */
  readonly runDirectory: string;

  /** Largest global gradient norm. @default no clipping */
  readonly clipNorm?: number;
  /** Batches of one task that make an update together: its gradient is that of one batch of all their rows. @default 1 */
  readonly accumulate?: number;
  /**
   * What a batch's loss will be the mean over, known before it is computed; only asked when batches are accumulated. Needed
   * for losses of several means alone: for others, `weight` of the result says the same. @default what the results say
   */
  readonly weights?: (batch: Batch) => LossWeights;
  /**
   * The processes that compute every update together; `weights` are needed then. All see one run folder, in which rank 0
   * alone writes; callbacks and validation run on every rank. @default one process
   */
  readonly ranks?: RankOptions<Batch>;
  /**
   * Computes steps of one batch from recordings, on engines that can (the torch engine): equal bits in less time. Steps of
   * accumulated batches or of many processes are computed plainly. @default all steps are
   */
  readonly replay?: ReplayOptions<Batch>;
  /** Of the default task weights, size^(1/temperature). @default 2 */
  readonly temperature?: number;
  /** Updates between checkpoints; the last update always gets one. @default 1000 */
  readonly checkpointEvery?: number;
  /** Checkpoints that stay. @default 3 */
  readonly keepLast?: number;
  /** More files for each checkpoint folder, such as config.json. */
  readonly files?: Readonly<Record<string, string | Uint8Array>>;
  /**
   * `auto` goes on from the latest checkpoint if there is one; `never` refuses a folder that has one; `must` refuses one
   * that has none; `last-good` goes back to the newest checkpoint that is not damaged. @default 'auto'
   */
  readonly resume?: ResumeMode;
  /** The run directory's lock, where the caller holds it already. @default taken while training */
  readonly lock?: Lock;

  /** Updated after every step and stored in the checkpoint. */
  readonly average?: MovingAverage;
  readonly extraState?: ExtraState;
  /** Updates between validations. @default no validation */
  readonly validateEvery?: number;
  /** Numbers for metrics.jsonl, e.g. held-out accuracy. Must not change the parameters. */
  readonly validate?: (step: number) => Promise<Readonly<Record<string, number>>>;
  /** The validation score by which a best checkpoint is kept, and the run ended early. @default neither */
  readonly best?: BestOptions;
  readonly measure?: (batch: Batch) => BatchMeasure;

  readonly callbacks?: readonly TrainCallback[];
  /** Gets every record besides metrics.jsonl. */
  readonly metrics?: MetricSink;
  readonly logger?: Logger;
  /** @default none; checkpoints and validations are told to the logger */
  readonly progress?: Progress;
  /** When it aborts, the step at work is finished, a checkpoint written, and `train` returns. */
  readonly signal?: AbortSignal;
  /** Milliseconds that never go back, for rates alone. @default performance.now */
  readonly clock?: () => number;
}

/** How a run ended. */
export interface TrainResult {
  /** `stopped` by the signal, else `finished`. */
  readonly status: 'finished' | 'stopped';
  /** Updates made, earlier processes' included. */
  readonly step: number;
  /** Updates that were there already. */
  readonly resumedFrom: number;
  /** Folder of the last checkpoint. */
  readonly checkpoint: string;
  /** The best validation, where the run names a score and has one. */
  readonly best?: { readonly step: number; readonly value: number };
  /** Whether the run finished before its steps because the score no longer improved. */
  readonly endedEarly: boolean;
  /** Smoothed loss of each task that this process trained. */
  readonly losses: Readonly<Record<string, number>>;
}
