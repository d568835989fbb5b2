/**
 * A linear layer of merged experts (Uni-Perceiver-MoE, section 3.3): per gate row one dense weight
 * W_r = sum_e g[r, e] W_e, per segment one dense product with it, in training too. The gradient computes one dense
 * dW_r per row and shares it out:
 *   dx[:, span] = dy[:, span] W_r,   dW_r = sum over the spans of r of dy^T x,   db_r = column sums of dy,
 *   dW_e = sum_r g[r, e] dW_r,   db_e = sum_r g[r, e] db_r,   dg[r, e] = <dW_r, W_e> + <db_r, b_e>.
 * So the price over a dense layer is a few passes over the weights, whatever the number of tokens. Experts that no
 * span uses are no inputs of the node: they receive no gradient at all.
 * Axes: B batch · L tokens · I inputs · O outputs · R gate rows · E experts.
 */
import * as tf from '@tensorflow/tfjs';
import { hasKernel, present, runKernel, wantsGradient, withGradient } from './dispatch.ts';
import { gelu } from './gelu.ts';
import { expectActivation } from './linear.ts';
import {
  composeMerge,
  expectMixture,
  gateOf,
  kernelExperts,
  type ExpertMixture,
  type LinearExpert,
} from './merge-experts.ts';
import { columnSums, crossProduct, product } from './products.ts';
import { expectRates } from './weight-rates.ts';
import { expectSpans, joinSpans, spanRows, type SegmentSpan } from './segments.ts';
import { expectShape } from './shapes.ts';

/** Options of {@link conditionalLinear}. */
export interface ConditionalLinearOptions extends ExpertMixture {
  /** Spans of axis 1 in order, without gaps, covering L. */
  readonly segments: readonly SegmentSpan[];
  /** Applied to the result; `gelu` is the exact form. @default 'none' */
  readonly activation?: 'none' | 'gelu';
  /** Factors of the gate rows in the gradients of weights and biases alone; see `expectRates`. @default 1 */
  readonly weightRates?: readonly number[] | undefined;
}

/** What the portable gradient needs to know beside tensors. */
interface Plan {
  readonly segments: readonly SegmentSpan[];
  /** Choices of each row; empty for a row that no span uses. */
  readonly chosen: readonly (readonly number[])[];
  /** Experts that some span uses, ascending. */
  readonly used: readonly number[];
  /** Whether a gradient of an expert or a gate is asked for. */
  readonly wantsWeights: boolean;
}

const composeForward = (
  x: tf.Tensor3D,
  mixture: ExpertMixture,
  plan: Plan,
): { value: tf.Tensor3D; merged: tf.Tensor2D[] } => {
  const rows = plan.chosen.map((ids, row) => (ids.length > 0 ? composeMerge(mixture, row) : undefined));
  const parts = plan.segments.map((span) => {
    if (span.length === 0) return null;
    const { weight, bias } = present(rows[span.row]);
    return tf.add(product(spanRows(x, span), weight, { transposeB: true }), bias) as tf.Tensor2D;
  });
  const width = present(mixture.experts[0]).weight.shape[0];
  return {
    value: joinSpans(parts, { batch: x.shape[0], segments: plan.segments, width }),
    merged: rows.flatMap((row) => (row ? [row.weight] : [])),
  };
};

/** dW and db of each gate row that some span uses. */
const rowGradients = (dy: tf.Tensor3D, x: tf.Tensor3D, plan: Plan): (LinearExpert | undefined)[] =>
  plan.chosen.map((ids, row) => {
    if (ids.length === 0) return undefined;
    const spans = plan.segments.filter((span) => span.row === row && span.length > 0);
    const stack = (t: tf.Tensor3D) => {
      const parts = spans.map((span) => spanRows(t, span));
      return parts.length === 1 ? present(parts[0]) : tf.concat(parts, 0);
    };
    const g = stack(dy);
    return { weight: crossProduct(g, stack(x)), bias: columnSums(g) };
  });

const composeGradient = (
  dy: tf.Tensor3D,
  saved: {
    x: tf.Tensor3D;
    /** Gates times the rates of their rows. */
    gates: tf.Tensor2D;
    merged: readonly tf.Tensor2D[];
    experts: readonly LinearExpert[];
  },
  plan: Plan,
): (tf.Tensor | undefined)[] => {
  const { x, gates, merged, experts } = saved;
  let next = 0;
  const weightOf = plan.chosen.map((ids) => (ids.length > 0 ? merged[next++] : undefined));
  const dParts = plan.segments.map((span) =>
    span.length === 0 ? null : product(spanRows(dy, span), present(weightOf[span.row])),
  );
  const dx = joinSpans(dParts, { batch: x.shape[0], segments: plan.segments, width: x.shape[2] });

  if (!plan.wantsWeights) return [dx, undefined, ...experts.flatMap(() => [undefined, undefined])];

  const perRow = rowGradients(dy, x, plan);
  const weights = new Map<number, LinearExpert>();
  const [rowCount, expertCount] = gates.shape;
  const gateGradients: tf.Tensor[] = [];
  const gatePlaces: number[] = [];
  plan.chosen.forEach((ids, row) => {
    const gradient = perRow[row];
    if (!gradient) return;
    for (const id of ids) {
      const expert = present(experts[plan.used.indexOf(id)]);
      const gate = gateOf(gates, row, id);
      const weight = tf.mul(gradient.weight, gate) as tf.Tensor2D;
      const bias = tf.mul(gradient.bias, gate) as tf.Tensor1D;
      const before = weights.get(id);
      weights.set(
        id,
        before
          ? {
              weight: tf.add(before.weight, weight) as tf.Tensor2D,
              bias: tf.add(before.bias, bias) as tf.Tensor1D,
            }
          : { weight, bias },
      );
      gateGradients.push(
        tf.add(tf.sum(tf.mul(gradient.weight, expert.weight)), tf.sum(tf.mul(gradient.bias, expert.bias))),
      );
      gatePlaces.push(row * expertCount + id);
    }
  });
  // [n] values to their places in [R * E]: a product with the constant selection matrix.
  const places = rowCount * expertCount;
  const chosenPlaces = new Float32Array(gatePlaces.length * places);
  gatePlaces.forEach((gatePlace, at) => {
    chosenPlaces[at * places + gatePlace] = 1;
  });
  const selection = tf.tensor2d(chosenPlaces, [gatePlaces.length, places]);
  const dGates = tf.reshape(tf.matMul(tf.reshape(tf.stack(gateGradients), [1, -1]), selection), [
    rowCount,
    expertCount,
  ]);
  const dExperts = plan.used.flatMap((id) => {
    const { weight, bias } = present(weights.get(id));
    return [weight, bias];
  });
  return [dx, dGates, ...dExperts];
};

/** A kernel's outputs: the value, one merged weight for each row in use, and what was before the activation. */
const splitOutputs = (
  [value, ...others]: readonly tf.Tensor[],
  chosen: readonly (readonly number[])[],
): { value: tf.Tensor; merged: tf.Tensor[]; rest: tf.Tensor[] } => {
  const count = chosen.filter((ids) => ids.length > 0).length;
  return { value: present(value), merged: others.slice(0, count), rest: others.slice(count) };
};

/**
 * @param x float32 [B, L, I]; borrowed
 * @param options gates, experts, chosen expert ids of each gate row, the spans and the activation; all borrowed
 * @returns a new float32 tensor [B, L, O]
 * @throws ShapeError; ConfigError for an unknown activation
 */
export const conditionalLinear = (x: tf.Tensor3D, options: ConditionalLinearOptions): tf.Tensor3D => {
  const operator = 'conditionalLinear';
  const [, inputWidth] = expectMixture(options, operator);
  expectShape(x, [null, null, inputWidth], {
    operator,
    name: 'x [B, L, I]',
    remedy: 'the last axis is the input width of the experts',
  });
  const { gates, experts, segments, activation = 'none', weightRates } = options;
  if (weightRates) expectRates(weightRates, options.chosen.length, operator);
  expectActivation(activation, operator);
  expectSpans(segments, { operator, length: x.shape[1], rowCount: options.chosen.length });
  const active = new Set(segments.filter((span) => span.length > 0).map((span) => span.row));
  if (active.size === 0 || x.shape[0] === 0)
    return tf.zeros([x.shape[0], x.shape[1], present(experts[0]).weight.shape[0]]);
  const chosen = options.chosen.map((ids, row) => (active.has(row) ? ids : []));
  const { used, inputs: named } = kernelExperts(experts, chosen);
  const usedTensors = used.flatMap((id) => [present(experts[id]).weight, present(experts[id]).bias]);
  const wantsWeights = [gates, ...usedTensors].some(wantsGradient);
  const plan: Plan = { segments, chosen, used, wantsWeights };
  const expertsOf = (tensors: readonly tf.Tensor[]): LinearExpert[] =>
    used.map((_, at) => ({
      weight: tensors[2 * at] as tf.Tensor2D,
      bias: tensors[2 * at + 1] as tf.Tensor1D,
    }));

  const kernel = hasKernel('PgConditionalLinear') && hasKernel('PgConditionalLinearGrad');
  if (!kernel && activation === 'gelu') return gelu(conditionalLinear(x, { ...options, activation: 'none' }));
  return withGradient([x, gates, ...usedTensors], (save, recorded) => {
    const attributes = { used, chosen, segments, activation, keep: recorded && activation !== 'none' };
    const { value, merged, rest } = kernel
      ? splitOutputs(runKernel('PgConditionalLinear', { x, gates, ...named }, attributes), chosen)
      : { ...composeForward(x, { ...options, chosen }, plan), rest: [] };
    save([x, gates, ...usedTensors, ...merged, ...rest]);
    return {
      value,
      gradient: (dy, [savedX, savedGates, ...saved]) => {
        const savedExperts = saved.slice(0, usedTensors.length);
        const savedMerged = saved.slice(usedTensors.length, usedTensors.length + merged.length);
        // Gates share a row's gradient out to its experts; their own gradient does not depend on their values.
        const shares = weightRates
          ? (tf.mul(
              present(savedGates),
              tf.tensor2d([...weightRates], [weightRates.length, 1]),
            ) as tf.Tensor2D)
          : (present(savedGates) as tf.Tensor2D);
        if (kernel) {
          const z = saved[usedTensors.length + merged.length];
          const inputs: Record<string, tf.Tensor | undefined> = { dy, x: savedX, gates: shares, z };
          expertsOf(savedExperts).forEach(({ weight, bias }, at) => {
            inputs[`weight${at}`] = weight;
            inputs[`bias${at}`] = bias;
          });
          savedMerged.forEach((weight, at) => {
            inputs[`merged${at}`] = weight;
          });
          const gradients = runKernel('PgConditionalLinearGrad', inputs, { ...attributes, wantsWeights });
          return [x, gates, ...usedTensors].map((_, at) => gradients[at]);
        }
        return composeGradient(
          dy as tf.Tensor3D,
          {
            x: present(savedX) as tf.Tensor3D,
            gates: shares,
            merged: savedMerged.map((weight) => weight as tf.Tensor2D),
            experts: expertsOf(savedExperts),
          },
          plan,
        );
      },
    };
  }) as tf.Tensor3D;
};
