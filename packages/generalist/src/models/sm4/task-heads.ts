/**
 * Heads of tasks (SM^4, appendix A.2): batch norm and one linear over the vectors of a task's modalities, side by side.
 * In training the moments are those of the batch, the running ones follow them; elsewhere the running ones count, which
 * are parameters that no gradient reaches, so that checkpoints hold them.
 *
 *   y = W (gamma (x - mean) / sqrt(variance + epsilon) + beta) + b
 *
 * B batch · M slots of a task · C width · I = M C · O outputs
 */
import { linearSpecs } from '@polygate/modalities';
import type { ParameterSet, ParameterSpec } from '@polygate/nn';
import { linear } from '@polygate/tensor';
import * as tf from '@tensorflow/tfjs';

/** As PyTorch's batch norm has it. */
const EPSILON = 1e-5;

/** A head before it has parameters. */
export interface HeadShape {
  /** Name of the task. */
  readonly task: string;
  /** I */
  readonly inputs: number;
  /** O */
  readonly outputs: number;
}

const vector = (name: string, size: number, kind: 'ones' | 'zeros'): ParameterSpec => ({
  name,
  shape: [size],
  initializer: { kind },
  role: 'norm',
});

const pathOf = (task: string): string => `heads.${task}`;

/** The parameters of a head, `heads.TASK.*`. */
export const describeHead = ({ task, inputs, outputs }: HeadShape): readonly ParameterSpec[] => {
  const path = pathOf(task);
  return [
    vector(`${path}.norm.weight`, inputs, 'ones'),
    vector(`${path}.norm.bias`, inputs, 'zeros'),
    vector(`${path}.norm.mean`, inputs, 'zeros'),
    vector(`${path}.norm.variance`, inputs, 'ones'),
    ...linearSpecs(`${path}.linear`, [outputs, inputs]),
  ];
};

/** How a head is applied. */
export interface HeadOptions {
  readonly parameters: ParameterSet;
  readonly task: string;
  /** Whether the moments are those of the batch, and the running ones follow. @default false */
  readonly training?: boolean;
  /** Share of a batch in the running moments. */
  readonly momentum: number;
  /** In training: whether the running moments follow those of the batch. @default true */
  readonly follows?: boolean;
}

/** Outputs of a head, [B, O]. Call it inside a tidy. @param x [B, I] */
export const applyHead = (x: tf.Tensor2D, options: HeadOptions): tf.Tensor2D => {
  const { parameters, task, training = false, momentum, follows = true } = options;
  const path = pathOf(task);
  const get = (name: string): tf.Variable => parameters.get(`${path}.${name}`) as tf.Variable;
  const [runningMean, runningVariance] = [get('norm.mean'), get('norm.variance')];
  let mean: tf.Tensor = runningMean;
  let variance: tf.Tensor = runningVariance;
  if (training) {
    ({ mean, variance } = tf.moments(x, 0));
    const [batch] = x.shape;
    // The running variance is that of the population, as PyTorch's is.
    const population = tf.mul(variance, batch > 1 ? batch / (batch - 1) : 1);
    const followed = [
      [runningMean, mean],
      [runningVariance, population],
    ] as const;
    for (const [running, moment] of follows ? followed : []) {
      running.assign(tf.add(tf.mul(running, 1 - momentum), tf.mul(moment, momentum)));
    }
  }
  const unit = tf.mul(tf.sub(x, mean), tf.rsqrt(tf.add(variance, EPSILON)));
  const normed = tf.add(tf.mul(unit, get('norm.weight')), get('norm.bias'));
  const weight = get('linear.weight') as tf.Variable<tf.Rank.R2>;
  return linear(normed, weight, get('linear.bias') as tf.Variable<tf.Rank.R1>) as tf.Tensor2D;
};
