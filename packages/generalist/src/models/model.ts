/**
 * What the rest of the product needs of a model, whatever its architecture: training asks for losses, evaluation and
 * predictions for scores, reports for descriptions. What only some architectures have is optional.
 */
import {
  call,
  callNow,
  callWith,
  listOf,
  optional,
  recordOf,
  ruleOf,
  rules,
  shaped,
  type MetricRecord,
  type PartExchange,
  type Random,
  type Rule,
} from '@polygate/core';
import type { RowWeightRule, TopKRule } from '@polygate/encoder';
import type { SequenceBatch } from '@polygate/modalities';
import type { ParameterSet } from '@polygate/nn';
import type { RoutingKey } from '@polygate/routers';
import type { ScoredBatch, TaskBatch, TaskModel, TrainedTask } from '@polygate/tasks';
import type { ExtraState, LossResult, LossWeights } from '@polygate/training';
import type * as tf from '@tensorflow/tfjs';
import type { TuneSettings } from '../tuning/registry.ts';
import type { LowRankFactors, LowRankRule } from '../tuning/tuning-method.ts';
import type { ModelConfig } from './model-config.ts';

/** How a loss is computed. */
export interface ModelLossOptions {
  readonly training: boolean;
  /** Needed in training: routing noise, drop path, dropout. */
  readonly random?: Random;
  /**
   * Outside training: compute everything anew and on the tape, as training does but without noise and drop path, so
   * that gradients of the loss as it is evaluated reach all parameters. Nothing is cached. @default false
   */
  readonly differentiable?: boolean;
  /** In training: whether records of what happens inside, such as routing, are wanted; they may cost. @default false */
  readonly telemetry?: boolean;
  /**
   * How many experts the tokens of a segment choose in a group, for those of some modality and task where that changes
   * while a model trains (SM^4, adaptive expert allocation). Models without experts pass over it. @default as configured
   */
  readonly topK?: TopKRule;
  /**
   * Weights of the tokens of a segment in weight gradients: a learning pace for each modality (SM^4, adaptive learning
   * pace). Models that know no segments pass over it. @default all 1
   */
  readonly rowWeights?: RowWeightRule;
  /** Of a part of a batch (`batch.whole`) where {@link Generalist.exchanges} says so: what the other parts tell. */
  readonly exchange?: PartExchange;
}

/** The loss of a batch without its task's loss weight, as `train` takes it. */
export interface ModelLoss extends LossResult {
  /** What the loss is a mean over: queries, rows. */
  readonly weight: number;
  /** Values of the batch, means over the same unless {@link Generalist.weights} says otherwise. */
  readonly metrics: Readonly<Record<string, tf.Scalar>>;
  /** Records for metrics.jsonl; empty unless telemetry was wanted. */
  readonly records: readonly Omit<MetricRecord, 'step'>[];
}

/** Sequences as points of the space in which inputs and targets are compared. */
export interface ModelEmbedding {
  /** Values of a point. */
  readonly width: number;
  /** Longest text in tokens. */
  readonly maximumTokens: number;
  /**
   * @param options `task` that the sequences serve, and what they are to it, `inputs` unless told
   * @returns [size * width], points of length 1
   */
  encode(
    sequences: SequenceBatch,
    options?: { readonly task?: string | undefined; readonly side?: 'inputs' | 'targets' },
  ): Promise<Float32Array>;
}

/** Gates of one router for given rows, as host values. */
export interface RouterGates {
  /** Name of its group of experts. */
  readonly group: string;
  /** Counted from 0. */
  readonly block: number;
  readonly linears: readonly string[];
  readonly experts: number;
  /** [rows * experts], 0 for an expert that is not chosen. */
  readonly values: ArrayLike<number>;
}

/** A group of experts, whose routers look at the same. */
export interface RoutingGroup {
  readonly name: string;
  /** Blocks that it is in, from 0, and the linears of a block by router. */
  readonly blocks: readonly number[];
  readonly linears: readonly (readonly string[])[];
  /** Name of what its routers look at, and the settings of that. */
  readonly condition: string;
  readonly conditionSettings?: Readonly<Record<string, unknown>>;
  readonly experts: number;
  readonly topK: number;
}

/** Routers of a model. */
export interface ModelRouting {
  readonly groups: readonly RoutingGroup[];
  /** Names of the tasks that they tell apart; empty where they do not look at the task. */
  readonly tasks: readonly string[];
  /** Names of the modalities that they tell apart. */
  readonly modalities: readonly string[];
  /** Gates of every router for kinds of segments, without noise; routers that look at tokens have none. */
  gates(rows: readonly RoutingKey[]): readonly RouterGates[];
}

/** What an exported model is for. */
export type ExportChoice =
  /** Tasks that the model was trained on, by name. */
  | { readonly tasks: readonly string[] }
  /** Kinds of segments, for uses that no task of the model has. */
  | { readonly rows: readonly RoutingKey[] };

/** The outcome of an export. The model shares nothing with the one that it was made of; the caller disposes of it. */
export interface ExportedModel {
  readonly model: Generalist;
  /** What the experts were chosen by. */
  readonly condition: string;
  /** Weight sets of a linear, one for each kind of segment that it tells apart; of several groups the most. */
  readonly sets: number;
}

/** What an adapter adds to linears, as products of two matrices. */
export interface LowRankExport extends LowRankRule {
  /** By the name of the weight of the base that each is added to. The matrices are the caller's. */
  readonly products: readonly (LowRankFactors & { readonly parameter: string })[];
  /** Values of its own in place of parameters of the base, borrowed. */
  readonly replaced: readonly { readonly name: string; readonly value: tf.Tensor }[];
}

/** What a model can be exported to, by the name of the form. What it makes shares nothing with the model. */
export interface ModelExports {
  /** For use alone: its experts merged, and in their weights what an adapter adds to them where it can be there. */
  readonly merged?: (choice: ExportChoice) => ExportedModel;
  /**
   * Of a tuned model: one without an adapter, which has it in its weights; heads of classes stay beside them. The caller's.
   * @throws ConfigError (code `not-foldable`) for experts that can't have in their weights what all of them share
   */
  readonly folded?: () => Generalist;
  /** Of a tuned model whose adapter has nothing but products, and norms. @throws ConfigError as `folded` */
  readonly lowRank?: () => LowRankExport;
}

/** How a model is started from another one's weights. */
export interface StartOptions {
  /** Of experts that start as copies or means, in units of each weight's own deviation. @default 0 */
  readonly noise?: number;
  /** Whether every parameter must be taken as it is. @default false */
  readonly strict?: boolean;
  readonly random: Random;
}

/** What a model is tuned by. */
export interface TuningChoice {
  /** A method that has an adapter, with its settings. */
  readonly settings: TuneSettings;
  /** What it is tuned on. */
  readonly tasks: readonly TrainedTask[];
  /** Draws the start values. */
  readonly random: Random;
  /** Whether the tuned model takes over the base, and frees it in the end. @default false */
  readonly owned?: boolean;
}

/** What became of every parameter of a model that was started from another one's weights. */
export interface StartReport {
  /** In the order of the model's parameters. `how`: taken, copied, averaged, partly taken, interpolated, new. */
  readonly entries: readonly {
    readonly name: string;
    readonly source: { readonly how: string };
    readonly reason?: string;
  }[];
  /** Parameters of the start that the model has no use for. */
  readonly left: readonly { readonly name: string; readonly reason: string }[];
  /** Settings without parameters that change what the taken weights compute, with both values. */
  readonly settings: readonly string[];
}

/** The moment at which an epoch ends: by default with as many samples as all sources of the run hold, see `endOfEpoch` of recipes. */
export interface EpochEnd {
  /** Epochs that have ended, this one included. */
  readonly epoch: number;
  /** Updates made. */
  readonly step: number;
  /** Scores of the held-out splits as the run validates: `<task>/<split>/loss` and others. */
  validate(): Promise<Readonly<Record<string, number>>>;
  /** Writes a record of this step to metrics.jsonl. */
  record(entry: Omit<MetricRecord, 'step'>): Promise<void>;
}

/** A model of any architecture, with its parameters: `dispose` frees them and all that it caches. */
export interface Generalist extends TaskModel, Disposable {
  /** Name of its record, see `registerModel`. */
  readonly architecture: string;
  readonly config: ModelConfig;
  /** What training changes and checkpoints hold: all its weights, or those of its adapter. Owned by the model. */
  readonly parameters: ParameterSet;
  /** Of a model with an adapter: the weights of its base, which stay as they are. @default none */
  readonly base?: ParameterSet | undefined;
  /** Names of the losses of task batches that it can be trained by. */
  readonly losses: readonly string[];
  /** Whether it was made by an export: for use alone, not for training. */
  readonly isExported: boolean;

  /**
   * Loss and metrics of a batch; differentiable in all parameters that took part when `training` is set. Runs on the
   * gradient tape, must not await. The scalars belong to the caller or the enclosing tidy.
   * @throws ConfigError (code `unknown-loss`) for a batch whose loss it does not know
   */
  loss(batch: TaskBatch, options: ModelLossOptions): ModelLoss;
  /**
   * Refuses a batch that a forward would refuse, without computing anything.
   * @default nothing is known before the forward
   */
  check?(batch: TaskBatch): void;
  /**
   * Whether the loss of a batch is the mean of the losses of its parts, weighed by `weights`: then several processes may
   * compute one batch. @default false
   */
  readonly partsAddUp?: boolean;
  /**
   * Whether the loss of a part of this batch must know of its other parts, so that it is that of the whole batch: pairs are
   * compared with all others, rows normalised together, experts balanced. It is computed twice then. @default no
   */
  exchanges?(batch: TaskBatch): boolean;
  /**
   * What the operators of a training loss hang on beside the layout of its batch, see `ReplayOptions` of
   * @polygate/training. @default its steps can't be replayed
   */
  replayKey?(batch: TaskBatch): string;
  /** What the means of a batch's loss and metrics will be taken over, known before they are computed. */
  weights(batch: TaskBatch): LossWeights;
  /** Whether it has weights for a task: not for one that it was not trained on where those differ, or not exported for. */
  serves(task: Pick<TrainedTask, 'name' | 'family'>): boolean;
  /** Facts for reports: name and value. */
  describe(): readonly (readonly [name: string, value: string])[];
  /** Drops what evaluation cached of the parameters. Call it when they have changed. */
  clearCaches(): void;
  dispose(): void;

  /** Absent where inputs and targets have no space in common. */
  readonly embedding?: ModelEmbedding;
  /** Absent without routers. */
  readonly routing?: ModelRouting | undefined;
  /** What it can be exported to, by the name of the form. */
  readonly exports?: ModelExports | undefined;
  /** Overwrites its weights by those of a model of its own architecture as far as they fit. The start is borrowed. */
  readonly startFrom?: (start: Generalist, options: StartOptions) => Promise<StartReport>;
  /**
   * A model of an adapter on this one, whose weights it shares and leaves as they are; any number of them may live side by
   * side. Absent where the architecture has no adapters.
   */
  readonly tuned?: (choice: TuningChoice) => Generalist;
  /** Called when an epoch of training ends, before the checkpoint of that step. */
  readonly endOfEpoch?: (epoch: EpochEnd) => Promise<void> | void;
  /** What it knows beside parameters: in every checkpoint and saved model, restored before it is used. */
  readonly extraState?: ExtraState;
}

const scalar = ruleOf('a scalar', (value) => (value as { readonly rank?: unknown } | undefined)?.rank === 0);

/** Scores of a batch: equally many for each query, one for a candidate or an output. */
const scoresOf = ([batch]: readonly unknown[]): Rule => {
  const { inputs, queries } = batch as ScoredBatch;
  const count = queries === 'prefix' ? inputs.size : queries.length;
  const even = ruleOf(
    `scores of ${count} queries, equally many for each`,
    (value) => value instanceof Float32Array && value.length % Math.max(1, count) === 0,
  );
  return (value, path) => even(value, path) ?? rules.finiteValues(value, path);
};

/** What a model of another package must be, and give. */
export const generalistRule = shaped({
  architecture: rules.text,
  config: rules.record,
  parameters: shaped({ specs: rules.list, get: rules.function }),
  losses: listOf(rules.text, 1),
  isExported: rules.flag,
  tokenizer: rules.record,
  image: rules.record,
  vocabulary: rules.record,
  maximumTokens: rules.count,
  tasks: rules.list,
  loss: callNow(
    shaped({ loss: scalar, weight: rules.amount, metrics: recordOf(scalar), records: listOf(rules.record) }),
  ),
  check: optional(callNow()),
  partsAddUp: optional(rules.flag),
  exchanges: optional(callNow(rules.flag)),
  replayKey: optional(callNow(rules.text)),
  weights: callNow(recordOf(rules.amount)),
  scores: callWith(scoresOf),
  serves: callNow(rules.flag),
  describe: callNow(rules.list),
  clearCaches: callNow(),
  dispose: callNow(),
  embedding: optional(
    shaped({ width: rules.count, maximumTokens: rules.count, encode: call(rules.finiteValues) }),
  ),
  endOfEpoch: optional(call()),
  extraState: optional(shaped({ save: callNow(rules.json), restore: callNow() })),
});
