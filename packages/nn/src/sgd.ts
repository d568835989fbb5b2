/**
 * Stochastic gradient descent with momentum, in the form of PyTorch's `torch.optim.SGD` (no dampening):
 *   g = g + wd p                         (weights only, where no group says otherwise)
 *   u = momentum u + g                   d = nesterov ? g + momentum u : u
 *   p = p - lr d
 * Without momentum it keeps nothing of a parameter. Source: Sutskever et al. 2013, section 2, with the rate outside u.
 */
import * as tf from '@tensorflow/tfjs';
import { z } from 'zod';
import type { OptimizerOptions } from './optimizer.ts';
import { ConfigError } from '@polygate/core';
import { expectSetting, settingRanges } from './optimizer-settings.ts';
import type { ParameterSet } from './parameters.ts';
import { SlotOptimizer, type SlotItem, type UpdateRule } from './slot-optimizer.ts';

/** Settings of {@link Sgd}. */
export interface SgdOptions extends OptimizerOptions {
  /** Default rate of a step. @default 0.1 */
  readonly learningRate?: number | undefined;
  /** Share of the last direction that stays, in [0, 1). @default 0.9 */
  readonly momentum?: number | undefined;
  /** Whether the gradient is taken as if the step were made already. @default false */
  readonly nesterov?: boolean | undefined;
  /** Decay as part of the gradient, for parameters of role `weight`. @default 0 */
  readonly weightDecay?: number | undefined;
}

const defaults = { learningRate: 0.1, momentum: 0.9, nesterov: false, weightDecay: 0 } as const;

const NAME = 'sgd';
const SLOT = 'momentum';

const slotsOf = ({ momentum = defaults.momentum }: SgdOptions): readonly string[] =>
  momentum === 0 ? [] : [SLOT];

const updateOne = (
  { variable, gradient, slots, learningRate, weightDecay }: SlotItem,
  gradScale: number,
  { momentum, nesterov }: { readonly momentum: number; readonly nesterov: boolean },
): void =>
  tf.tidy(() => {
    const scaled = gradScale === 1 ? gradient : tf.mul(gradient, gradScale);
    const g = weightDecay === 0 ? scaled : tf.add(scaled, tf.mul(variable, weightDecay));
    const velocity = slots[SLOT];
    let direction = g;
    if (velocity) {
      const next = tf.add(tf.mul(velocity, momentum), g);
      velocity.assign(next);
      direction = nesterov ? tf.add(g, tf.mul(next, momentum)) : next;
    }
    variable.assign(tf.sub(variable, tf.mul(direction, learningRate)));
  });

const ruleOf = (options: SgdOptions): UpdateRule => {
  const {
    learningRate = defaults.learningRate,
    momentum = defaults.momentum,
    nesterov = defaults.nesterov,
    weightDecay = defaults.weightDecay,
  } = options;
  expectSetting('SGD', { learningRate, weightDecay }, 'at least 0');
  expectSetting('SGD', { momentum }, '[0, 1)');
  if (nesterov && momentum === 0) {
    throw new ConfigError('SGD: expected momentum above 0 with nesterov, got 0; leave nesterov out');
  }
  return {
    name: NAME,
    label: 'SGD',
    slots: slotsOf(options),
    learningRate,
    weightDecay,
    update: (items, gradScale) => {
      for (const item of items) updateOne(item, gradScale, { momentum, nesterov });
    },
  };
};

/** Gradient descent with momentum. Owns the directions that it keeps; borrows the parameters. */
export class Sgd extends SlotOptimizer {
  /** @throws ConfigError for a setting out of range, or a group that selects nothing */
  constructor(parameters: ParameterSet, options: SgdOptions = {}) {
    super(parameters, ruleOf(options), options);
  }
}

/** The record of {@link Sgd}. */
export const sgdOptimizer = {
  name: NAME,
  summary: 'stochastic gradient descent with momentum, as in PyTorch',
  settings: z.strictObject({
    learningRate: settingRanges.above.default(defaults.learningRate),
    momentum: settingRanges.share.default(defaults.momentum),
    nesterov: z.boolean().default(defaults.nesterov),
    weightDecay: settingRanges.amount.default(defaults.weightDecay),
  }),
  slots: slotsOf,
  create: (parameters: ParameterSet, options: SgdOptions): Sgd => new Sgd(parameters, options),
} as const;
