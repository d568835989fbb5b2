/**
 * One AdamW step (Loshchilov & Hutter 2019, algorithm 2, decoupled weight decay scaled by the learning rate) over any
 * number of parameters, in place:
 *   g = gradScale * gradient,  m = b1 m + (1 - b1) g,  v = b2 v + (1 - b2) g^2,
 *   w = w (1 - lr wd) - lr * (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + epsilon).
 */
import { ConfigError, EngineError } from '@polygate/core';
import * as tf from '@tensorflow/tfjs';
import { hasKernel, present, runKernel } from './dispatch.ts';
import { expectShape } from './shapes.ts';

/** A parameter with its gradient and its two moments, all of one shape. */
export interface AdamWItem {
  readonly variable: tf.Variable;
  readonly gradient: tf.Tensor;
  /** First moment; written. */
  readonly m: tf.Variable;
  /** Second moment; written. */
  readonly v: tf.Variable;
  /** Number of this update of the parameter, from 1; sets the bias correction. */
  readonly step: number;
  readonly learningRate: number;
  /** Decay per unit of the learning rate; 0 is none. */
  readonly weightDecay: number;
}

/** Settings of one step. */
export interface AdamWStepOptions {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  /** Multiplies every gradient, e.g. clip / norm. @default 1 */
  readonly gradScale?: number;
}

interface Scalars {
  readonly decayFactor: number;
  readonly stepSize: number;
  /** 1 / sqrt(1 - b2^t). */
  readonly secondCorrection: number;
}

const scalarsOf = (item: AdamWItem, options: AdamWStepOptions): Scalars => {
  const { step: t, learningRate, weightDecay } = item;
  if (!(t >= 1)) {
    throw new ConfigError(
      `adamWStep: expected a step from 1 on, got ${t}; count the update that is being made`,
    );
  }
  return {
    decayFactor: 1 - learningRate * weightDecay,
    stepSize: learningRate / (1 - options.beta1 ** t),
    secondCorrection: 1 / Math.sqrt(1 - options.beta2 ** t),
  };
};

const composeStep = (item: AdamWItem, scalars: Scalars, options: AdamWStepOptions): void =>
  tf.tidy(() => {
    const { beta1, beta2, epsilon, gradScale = 1 } = options;
    const g = gradScale === 1 ? item.gradient : tf.mul(item.gradient, gradScale);
    const m = tf.add(tf.mul(item.m, beta1), tf.mul(g, 1 - beta1));
    const v = tf.add(tf.mul(item.v, beta2), tf.mul(tf.square(g), 1 - beta2));
    const denominator = tf.add(tf.mul(tf.sqrt(v), scalars.secondCorrection), epsilon);
    const kept = scalars.decayFactor === 1 ? item.variable : tf.mul(item.variable, scalars.decayFactor);
    const w = tf.sub(kept, tf.mul(tf.div(m, denominator), scalars.stepSize));
    item.m.assign(m);
    item.v.assign(v);
    item.variable.assign(w);
  });

/** Gives a variable storage of its own. */
const ownStorage = (variable: tf.Variable): void => tf.tidy(() => variable.assign(tf.add(variable, 0)));

/** An engine kernel writes in place: clones keep their values only if the parameter does not share theirs. */
const isShared = (variable: tf.Variable): boolean => tf.engine().backend.refCount(variable.dataId) > 1;

/** Lists, for named inputs of thousands of tensors would cost more than what the kernel does for some. */
const kernelLists = (items: readonly AdamWItem[]): Readonly<Record<string, readonly tf.Tensor[]>> => ({
  variables: items.map(({ variable }) => variable),
  gradients: items.map(({ gradient }) => gradient),
  first: items.map(({ m }) => m),
  second: items.map(({ v }) => v),
});

/** Runs the kernel; where it finds a parameter to be a view of another tensor, all get storage of their own first. */
const runStep = (items: readonly AdamWItem[], attributes: Readonly<Record<string, unknown>>): void => {
  const variables = items.flatMap(({ variable, m, v }) => [variable, m, v]);
  for (const variable of variables) if (isShared(variable)) ownStorage(variable);
  try {
    runKernel('PgAdamW', {}, { ...attributes, ...kernelLists(items) });
  } catch (error) {
    if (!(error instanceof EngineError) || error.code !== 'shared-storage') throw error;
    variables.forEach(ownStorage);
    runKernel('PgAdamW', {}, { ...attributes, ...kernelLists(items) });
  }
};

const sameShape = (a: tf.Tensor, b: tf.Tensor): boolean =>
  a.rank === b.rank && a.shape.every((extent, axis) => extent === b.shape[axis]);

/** @throws ShapeError naming the tensor that does not fit its variable */
const checkItem = ({ variable, gradient, m, v }: AdamWItem): void => {
  // Thousands of tensors a step: what the error would say is made only for an error.
  if (sameShape(gradient, variable) && sameShape(m, variable) && sameShape(v, variable)) return;
  const what = { operator: 'adamWStep', remedy: `fix what belongs to ${variable.name}` };
  expectShape(gradient, variable.shape, { ...what, name: 'gradient' });
  expectShape(m, variable.shape, { ...what, name: 'first moment' });
  expectShape(v, variable.shape, { ...what, name: 'second moment' });
};

/**
 * Updates variables and moments in place; gradients are borrowed. On an engine with a kernel all items go through one
 * pass.
 * @throws ShapeError when a gradient or moment does not have its variable's shape; ConfigError for a step below 1
 */
export const adamWStep = (items: readonly AdamWItem[], options: AdamWStepOptions): void => {
  items.forEach(checkItem);
  const scalars = items.map((item) => scalarsOf(item, options));
  if (items.length === 0) return;
  if (!hasKernel('PgAdamW')) {
    items.forEach((item, at) => composeStep(item, present(scalars[at]), options));
    return;
  }
  const { beta1, beta2, epsilon, gradScale = 1 } = options;
  runStep(items, {
    beta1,
    beta2,
    epsilon,
    gradScale,
    decayFactors: scalars.map((scalar) => scalar.decayFactor),
    stepSizes: scalars.map((scalar) => scalar.stepSize),
    secondCorrections: scalars.map((scalar) => scalar.secondCorrection),
  });
};
