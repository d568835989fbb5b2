/**
 * AdamW: Adam with decoupled weight decay (Loshchilov and Hutter 2019, algorithm 2), in float32.
 *
 * For a parameter p with gradient g (already clipped), on its own t-th update:
 *   m = beta1 m + (1 - beta1) g          v = beta2 v + (1 - beta2) g^2
 *   p = p - lr wd p                      (weights only, where no group says otherwise)
 *   p = p - lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + epsilon)
 *
 * Departs from the usual form in one thing: t counts the updates of each parameter, not those of the run (see
 * slot-optimizer.ts).
 */
import { adamWStep } from '@polygate/tensor';
import type * as tf from '@tensorflow/tfjs';
import { z } from 'zod';
import type { OptimizerOptions } from './optimizer.ts';
import { expectSetting, settingRanges } from './optimizer-settings.ts';
import { ParameterSet, type ForeignOptions, type ForeignVariable } from './parameters.ts';
import { SlotOptimizer, type UpdateRule } from './slot-optimizer.ts';

/** Settings of {@link AdamW}. */
export interface AdamWOptions extends OptimizerOptions {
  /** Default rate of a step. @default 5e-4 */
  readonly learningRate?: number | undefined;
  /** Decay of the first moment, in [0, 1). @default 0.9 */
  readonly beta1?: number | undefined;
  /** Decay of the second moment, in [0, 1). @default 0.98 */
  readonly beta2?: number | undefined;
  /** Added to the root of the second moment, above 0. @default 1e-6 */
  readonly epsilon?: number | undefined;
  /** Decoupled decay per unit of learning rate, for parameters of role `weight`. @default 0.05 */
  readonly weightDecay?: number | undefined;
}

const defaults = { learningRate: 5e-4, beta1: 0.9, beta2: 0.98, epsilon: 1e-6, weightDecay: 0.05 } as const;

const NAME = 'adamw';
/** First and second moment. */
const SLOTS = ['m', 'v'] as const;

const ruleOf = (options: AdamWOptions): UpdateRule => {
  const {
    learningRate = defaults.learningRate,
    beta1 = defaults.beta1,
    beta2 = defaults.beta2,
    epsilon = defaults.epsilon,
    weightDecay = defaults.weightDecay,
  } = options;
  expectSetting('AdamW', { learningRate }, 'at least 0');
  expectSetting('AdamW', { beta1, beta2 }, '[0, 1)');
  expectSetting('AdamW', { epsilon }, 'above 0');
  expectSetting('AdamW', { weightDecay }, 'at least 0');
  return {
    name: NAME,
    label: 'AdamW',
    slots: SLOTS,
    learningRate,
    weightDecay,
    update: (items, gradScale) => {
      adamWStep(
        items.map(({ slots, count, ...item }) => ({
          variable: item.variable,
          gradient: item.gradient,
          m: slots['m'] as tf.Variable,
          v: slots['v'] as tf.Variable,
          step: count,
          learningRate: item.learningRate,
          weightDecay: item.weightDecay,
        })),
        { beta1, beta2, epsilon, gradScale },
      );
    },
  };
};

/** The optimizer of one parameter set. Owns its moments; borrows the parameters. */
export class AdamW extends SlotOptimizer {
  /** @throws ConfigError for a setting out of range, or a group that selects nothing */
  constructor(parameters: ParameterSet, options: AdamWOptions = {}) {
    super(parameters, ruleOf(options), options);
  }

  /**
   * The optimizer of variables that no set of ours holds: of `tf.variable`, or `model.trainableWeights` of a `tf.layers`
   * model. Gradients go by the variables' names, as `tf.variableGrads` gives them.
   * @throws ConfigError for no variables, two of one name, or a setting out of range
   */
  static of(variables: readonly ForeignVariable[], options: AdamWOptions & ForeignOptions = {}): AdamW {
    const { role, ...settings } = options;
    return new AdamW(ParameterSet.of(variables, role ? { role } : {}), settings);
  }
}

/** The record of {@link AdamW}. */
export const adamWOptimizer = {
  name: NAME,
  summary: 'Adam with decoupled weight decay',
  settings: z.strictObject({
    learningRate: settingRanges.above.default(defaults.learningRate),
    beta1: settingRanges.share.default(defaults.beta1),
    beta2: settingRanges.share.default(defaults.beta2),
    epsilon: settingRanges.above.default(defaults.epsilon),
    weightDecay: settingRanges.amount.default(defaults.weightDecay),
  }),
  slots: () => SLOTS,
  create: (parameters: ParameterSet, options: AdamWOptions): AdamW => new AdamW(parameters, options),
} as const;
