/**
 * A tuning method as a record: which parameters it adds to a base that stays as it is, which of the base's own it trains,
 * and what it does in a forward of the encoder. Methods of other packages are registered by `registerTuningMethod`.
 *
 * A method with an `adapter` leaves the base alone, bit for bit: what it trains of the base's parameters, such as norms,
 * are copies that stand in for them in forwards with the adapter. So one base serves any number of adapters at once, and
 * checkpoints hold the adapter alone. A method without one trains the base's weights in place.
 *
 * What a method adds to linears may go into their weights (`fold`): then a tuned model can be exported as one that costs
 * what its base does.
 */
import {
  call,
  listOf,
  optional,
  rules,
  settingShape,
  shaped,
  type NamedRecord,
  type RecordShape,
} from '@polygate/core';
import type {
  AdapterContext,
  AdapterForward,
  ExpertRef,
  LinearRef,
  ResolvedEncoderShape,
} from '@polygate/encoder';
import type { ParameterSelection, ParameterSet, ParameterSpec } from '@polygate/nn';
import type { TrainedTask } from '@polygate/tasks';
import type * as tf from '@tensorflow/tfjs';
import type { z } from 'zod';

/** What a method knows of the base and of what is tuned; nothing is allocated. */
export interface TuningContext {
  readonly encoder: ResolvedEncoderShape;
  /** Parameters of the base. */
  readonly base: readonly ParameterSpec[];
  /** Tasks that are tuned, with the names of their classes. */
  readonly tasks: readonly TrainedTask[];
}

/** What an adapter consists of. */
export interface AdapterParts {
  /** Parameters that it adds; their names begin with `adapter.`. */
  readonly adds: readonly ParameterSpec[];
  /** Parameters of the base that it has values of its own of. @default none */
  readonly replaces?: ParameterSelection;
  /** Names of the tasks whose classes get a linear head beside their similarities. @default none */
  readonly heads?: readonly string[];
  /** Names of the tasks whose classes get a learned token each. @default none */
  readonly labels?: readonly string[];
}

/** A live adapter as its method sees it. */
export interface LiveAdapter<Settings extends object> {
  readonly settings: Settings;
  /** What the method added. */
  readonly parameters: Pick<ParameterSet, 'get' | 'has'>;
}

/** A linear, or one expert of it. */
export type LinearPlace = LinearRef & Partial<Pick<ExpertRef, 'expert'>>;

/** How what a method adds to linears goes into their weights. */
export interface AdapterFold<Settings extends object> {
  /**
   * What is added to the weight of a linear, or beyond that to one expert of it, [O, I]; undefined for nothing. Belongs to
   * the enclosing tidy.
   */
  weight(adapter: LiveAdapter<Settings>, ref: LinearPlace): tf.Tensor2D | undefined;
  /** Settings of the adapter that is left, which has heads and tokens of classes alone. */
  rest(settings: Settings): Settings;
}

/** What all products of a low-rank adapter have in common, as peft's `LoraConfig` says it. */
export interface LowRankRule {
  readonly rank: number;
  readonly alpha: number;
  readonly dropout: number;
  /** Whether alpha is divided by the root of the rank. */
  readonly rankStabilized: boolean;
}

/** A product B A of two matrices. */
export interface LowRankFactors {
  /** [R, I] */
  readonly a: tf.Tensor2D;
  /** [O, R] */
  readonly b: tf.Tensor2D;
  /** What is divided by R, or its root, to be the factor of the product. */
  readonly alpha: number;
}

/** What a method adds to linears as products of two matrices, for programs that have them so. */
export interface LowRankForm<Settings extends object> {
  rule(settings: Settings): LowRankRule;
  /** The product of a linear, or of one expert of it; undefined for none. The caller's. */
  factors(adapter: LiveAdapter<Settings>, ref: LinearPlace): LowRankFactors | undefined;
}

/** How a method adapts an encoder. */
export interface AdapterForm<Settings extends object> {
  /** @throws ConfigError for settings that don't fit the base or the tasks */
  parts(settings: Settings, context: TuningContext): AdapterParts;
  /**
   * What it does in a forward, called at the beginning of each.
   * @param adapter its settings, and the parameters that it added
   */
  begin(adapter: LiveAdapter<Settings>, context: AdapterContext): AdapterForward;
  /** @default what it adds is no change of weights */
  readonly fold?: AdapterFold<Settings>;
  /** @default what it adds are no products */
  readonly lowRank?: LowRankForm<Settings>;
}

/** A way to tune a model. */
export interface TuningMethod<
  Settings extends object = Readonly<Record<string, unknown>>,
> extends NamedRecord {
  /** What `tune` of a recipe may say beside `method` and the common settings: a zod shape, every key with a default or optional. */
  readonly settings: z.ZodRawShape;
  /** @default none: the base's own weights are trained */
  readonly adapter?: AdapterForm<Settings>;
  /** Without an adapter: which parameters are trained. @default all */
  trains?(settings: Settings): ParameterSelection | undefined;
  /** Without an adapter: whether experts are merged for the tasks before they are trained. @default they are kept */
  merges?(settings: Settings): boolean;
}

/** What the fields of a {@link TuningMethod} must be. */
export const tuningMethodShape: RecordShape<TuningMethod> = {
  settings: settingShape({ defaults: true }),
  adapter: optional(
    shaped({
      parts: call(
        shaped({
          adds: listOf(shaped({ name: rules.text, shape: listOf(rules.count) })),
          replaces: optional(rules.record),
          heads: optional(listOf(rules.text)),
          labels: optional(listOf(rules.text)),
        }),
      ),
      begin: call(rules.record),
      fold: optional(shaped({ weight: call(), rest: call(rules.record) })),
      lowRank: optional(shaped({ rule: call(rules.record), factors: call() })),
    }),
  ),
  trains: optional(call(optional(rules.record))),
  merges: optional(call(rules.flag)),
};
