/**
 * Attribute routing: R(x) = layernorm(W_attr attr(x) + b), Uni-Perceiver-MoE, Eq. 9, where attr(x) is the row of eight
 * bits of the token's segment (Table 2).
 *
 * S sites · R rows · D width
 *
 * Departs from the paper in the bias b, which the published code has and the equation doesn't write.
 */
import { rowKey, type AttributeRow } from '@polygate/attributes';
import { ShapeError } from '@polygate/core';
import type { ConditionSize, LearnedCondition, Representation } from './condition.ts';
import type { ConditionFactory, RoutingKey } from './routing-key.ts';

/** Number of attributes. */
export const ATTRIBUTE_COUNT = 8;

/** Added to the variance in the layer norm. */
const EPSILON = 1e-5;

/** Rows come from configurations and files too, so their type alone is not trusted. */
const checkRow = (row: readonly number[]): void => {
  if (row.length !== ATTRIBUTE_COUNT || row.some((bit) => bit !== 0 && bit !== 1)) {
    throw new ShapeError(
      `attribute condition: expected a row of ${ATTRIBUTE_COUNT} bits (0 or 1), got [${row.join(', ')}]; build it from a task signature with @polygate/attributes`,
      { fields: { row } },
    );
  }
};

const represent = (
  values: readonly Float32Array[],
  keys: readonly RoutingKey[],
  { width, sites }: ConditionSize,
): Representation => {
  const rows: readonly AttributeRow[] = keys.map(({ attributes }) => attributes);
  rows.forEach(checkRow);
  const [weight = new Float32Array(), bias = weight, gamma = weight, beta = weight] = values;
  const bits = rows.map((row) => row.flatMap((bit, i) => (bit === 1 ? [i] : [])));
  const normalized = new Float64Array(sites * rows.length * width);
  const inverse = new Float64Array(sites * rows.length);
  const result = new Float64Array(normalized.length);
  for (let site = 0; site < sites; site += 1) {
    for (const [r, set] of bits.entries()) {
      const line = site * rows.length + r;
      const at = line * width;
      for (let d = 0; d < width; d += 1) normalized[at + d] = bias[site * width + d] ?? 0;
      for (const bit of set) {
        let from = site * width * ATTRIBUTE_COUNT + bit;
        for (let d = 0; d < width; d += 1, from += ATTRIBUTE_COUNT) {
          normalized[at + d] = (normalized[at + d] ?? 0) + (weight[from] ?? 0);
        }
      }
      let mean = 0;
      for (let d = 0; d < width; d += 1) mean += normalized[at + d] ?? 0;
      mean /= width;
      let variance = 0;
      for (let d = 0; d < width; d += 1) variance += ((normalized[at + d] ?? 0) - mean) ** 2;
      const scale = 1 / Math.sqrt(variance / width + EPSILON);
      inverse[line] = scale;
      for (let d = 0; d < width; d += 1) {
        const value = ((normalized[at + d] ?? 0) - mean) * scale;
        normalized[at + d] = value;
        result[at + d] = value * (gamma[site * width + d] ?? 0) + (beta[site * width + d] ?? 0);
      }
    }
  }

  const backward = (gradient: Float64Array): readonly Float32Array[] => {
    const toWeight = new Float32Array(weight.length);
    const toBias = new Float32Array(bias.length);
    const toGamma = new Float32Array(gamma.length);
    const toBeta = new Float32Array(beta.length);
    const toSum = new Float64Array(width);
    for (let site = 0; site < sites; site += 1) {
      for (const [r, set] of bits.entries()) {
        const line = site * rows.length + r;
        const at = line * width;
        let mean = 0;
        let along = 0;
        for (let d = 0; d < width; d += 1) {
          const own = site * width + d;
          const dy = gradient[at + d] ?? 0;
          const unit = normalized[at + d] ?? 0;
          toGamma[own] = (toGamma[own] ?? 0) + dy * unit;
          toBeta[own] = (toBeta[own] ?? 0) + dy;
          mean += dy * (gamma[own] ?? 0);
          along += dy * (gamma[own] ?? 0) * unit;
        }
        mean /= width;
        along /= width;
        for (let d = 0; d < width; d += 1) {
          const own = site * width + d;
          const scaled = (gradient[at + d] ?? 0) * (gamma[own] ?? 0);
          const dz = (inverse[line] ?? 0) * (scaled - mean - (normalized[at + d] ?? 0) * along);
          toBias[own] = (toBias[own] ?? 0) + dz;
          toSum[d] = dz;
        }
        for (const bit of set) {
          let entry = site * width * ATTRIBUTE_COUNT + bit;
          for (let d = 0; d < width; d += 1, entry += ATTRIBUTE_COUNT) {
            toWeight[entry] = (toWeight[entry] ?? 0) + (toSum[d] ?? 0);
          }
        }
      }
    }
    return [toWeight, toBias, toGamma, toBeta];
  };
  return { values: result, backward };
};

/** Routes by the attribute row of a segment. Its parameters: `attribute.weight` [S, D, 8], `attribute.bias` [S, D] and the norm's. */
export const attributeCondition: LearnedCondition<RoutingKey> = Object.freeze({
  name: 'attribute',
  dataIndependent: true as const,
  reads: ['attributes'] as const,
  representationWidth: ({ width }: ConditionSize) => width,
  parameters: ({ width, sites }: ConditionSize) =>
    Object.freeze([
      {
        name: 'attribute.weight',
        shape: [sites, width, ATTRIBUTE_COUNT],
        initializer: { kind: 'xavierUniform' as const, fans: [ATTRIBUTE_COUNT, width] as const },
        role: 'gate' as const,
      },
      {
        name: 'attribute.bias',
        shape: [sites, width],
        initializer: { kind: 'zeros' as const },
        role: 'gate' as const,
      },
      {
        name: 'norm.weight',
        shape: [sites, width],
        initializer: { kind: 'ones' as const },
        role: 'norm' as const,
      },
      {
        name: 'norm.bias',
        shape: [sites, width],
        initializer: { kind: 'zeros' as const },
        role: 'norm' as const,
      },
    ]),
  // A sum of the set bits' columns, at most all of them, the norm, and the gates.
  flops: ({ width, experts }: ConditionSize & { readonly experts: number }) => ({
    decision: ATTRIBUTE_COUNT * width + 2 * experts * width,
  }),
  keyOf: ({ attributes }: RoutingKey) => rowKey(attributes),
  represent,
});

/** {@link attributeCondition} by name; it needs nothing of a model. */
export const attributeFactory: ConditionFactory<LearnedCondition<RoutingKey>> = Object.freeze({
  name: 'attribute',
  summary: "the eight attribute bits of the segment's tokens",
  create: () => attributeCondition,
});
