/**
 * Merged experts (Uni-Perceiver-MoE, section 3.3 and equation 9): the chosen experts of a gate row summed into one
 * dense weight, W = sum_e g_e W_e and b = sum_e g_e b_e, so that a segment costs one dense product whatever the
 * number of experts. Axes: R gate rows · E experts · O outputs · I inputs.
 */
import { ShapeError } from '@polygate/core';
import * as tf from '@tensorflow/tfjs';
import { hasKernel, present, runKernel } from './dispatch.ts';
import { expectShape } from './shapes.ts';

/** One expert of a conditional linear layer, or the merged weights of one gate row. */
export interface LinearExpert {
  /** float32 [O, I]. */
  readonly weight: tf.Tensor2D;
  /** float32 [O]. */
  readonly bias: tf.Tensor1D;
}

/** Gates and the experts that they weigh. */
export interface ExpertMixture {
  /** float32 [R, E]. */
  readonly gates: tf.Tensor2D;
  /** E experts of one shape. */
  readonly experts: readonly LinearExpert[];
  /** Expert ids of each gate row; distinct within a row. */
  readonly chosen: readonly (readonly number[])[];
}

/** Refuses experts that are none or differ in shape. Returns [O, I]. @throws ShapeError */
export const expectExperts = (
  experts: readonly LinearExpert[],
  operator: string,
): readonly [number, number] => {
  const first = experts[0];
  if (!first)
    throw new ShapeError(
      `${operator}: expected at least one expert, got none; give the experts of the layer`,
    );
  const [outputs, inputs] = first.weight.shape;
  experts.forEach(({ weight, bias }, e) => {
    // Every call of every layer comes by here: what an error would say is made only for an error.
    const fits = weight.shape[0] === outputs && weight.shape[1] === inputs && bias.shape[0] === outputs;
    if (fits && weight.rank === 2 && bias.rank === 1) return;
    const remedy = 'all experts of a layer have one shape';
    expectShape(weight, [outputs, inputs], { operator, name: `experts[${e}].weight`, remedy });
    expectShape(bias, [outputs], { operator, name: `experts[${e}].bias`, remedy });
  });
  return [outputs, inputs];
};

/** Refuses mixtures whose parts do not fit. Returns [O, I]. @throws ShapeError */
export const expectMixture = (
  { gates, experts, chosen }: ExpertMixture,
  operator: string,
): readonly [number, number] => {
  const shape = expectExperts(experts, operator);
  expectShape(gates, [chosen.length, experts.length], {
    operator,
    name: 'gates [R, E]',
    remedy: 'give one gate row for each list of chosen experts and one column for each expert',
  });
  chosen.forEach((ids, row) => {
    const valid = ids.every((id) => Number.isInteger(id) && id >= 0 && id < experts.length);
    if (ids.length === 0 || !valid || new Set(ids).size !== ids.length) {
      throw new ShapeError(
        `${operator}: expected chosen[${row}] to hold distinct expert ids below ${experts.length}, got [${ids.join(', ')}]`,
        { fields: { row, ids, experts: experts.length } },
      );
    }
  });
  return shape;
};

/** The gate of one expert in one row as a tensor of shape `shape` (one element). */
export const gateOf = (gates: tf.Tensor2D, row: number, expert: number): tf.Scalar =>
  tf.reshape(tf.slice(gates, [row, expert], [1, 1]), []) as tf.Scalar;

/** The portable sum of one row. */
export const composeMerge = ({ gates, experts, chosen }: ExpertMixture, row: number): LinearExpert => {
  const ids = present(chosen[row]);
  let weight: tf.Tensor2D | undefined;
  let bias: tf.Tensor1D | undefined;
  for (const id of ids) {
    const gate = gateOf(gates, row, id);
    const expert = present(experts[id]);
    const w = tf.mul(expert.weight, gate) as tf.Tensor2D;
    const b = tf.mul(expert.bias, gate) as tf.Tensor1D;
    weight = weight ? (tf.add(weight, w) as tf.Tensor2D) : w;
    bias = bias ? (tf.add(bias, b) as tf.Tensor1D) : b;
  }
  return { weight: present(weight), bias: present(bias) };
};

/** Named kernel inputs of the experts that some row chose, and the rows' choices in their numbering. */
export const kernelExperts = (
  experts: readonly LinearExpert[],
  chosen: readonly (readonly number[])[],
): { used: number[]; inputs: Record<string, tf.Tensor> } => {
  const used = [...new Set(chosen.flat())].sort((a, b) => a - b);
  const inputs: Record<string, tf.Tensor> = {};
  used.forEach((id, at) => {
    inputs[`weight${at}`] = present(experts[id]).weight;
    inputs[`bias${at}`] = present(experts[id]).bias;
  });
  return { used, inputs };
};

/**
 * Merged weights of every gate row, for the evaluation cache; no gradient flows through it.
 * @returns one new weight [O, I] and bias [O] per row; the caller disposes of them
 * @throws ShapeError
 */
export const mergeExperts = (mixture: ExpertMixture): LinearExpert[] => {
  expectMixture(mixture, 'mergeExperts');
  const { gates, experts, chosen } = mixture;
  return tf.tidy(() => {
    if (!hasKernel('PgMergeExperts')) return chosen.map((_, row) => composeMerge(mixture, row)) as never;
    const { used, inputs } = kernelExperts(experts, chosen);
    const merged = runKernel('PgMergeExperts', { gates, ...inputs }, { used, chosen });
    return chosen.map((_, row) => ({ weight: merged[2 * row], bias: merged[2 * row + 1] })) as never;
  });
};
