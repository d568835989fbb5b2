/**
 * Attribute routing: R(x) = layernorm(W_attr attr(x) + b), Uni-Perceiver-MoE, Eq. 9, where attr(x) are the bits of the
 * row of the token's segment (Table 2) in the model's schema: the paper's eight, or more where it has more modalities.
 *
 * S sites · R rows · D width · A attributes
 *
 * Departs from the paper in the bias b, which the published code has and the equation doesn't write.
 */
import { attributeCount, paperSchema, rowBits, rowKey, type AttributeSchema } from '@polygate/attributes';
import type { ConditionSize, LearnedCondition, Representation } from './condition.ts';
import type { ConditionContext, ConditionFactory, RoutingKey } from './routing-key.ts';

/** Added to the variance in the layer norm. */
const EPSILON = 1e-5;

/** @param rows bits of each row */
const represent = (
  values: readonly Float32Array[],
  rows: readonly (readonly number[])[],
  { width, sites, count }: ConditionSize & { readonly count: number },
): Representation => {
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
        let from = site * width * count + bit;
        for (let d = 0; d < width; d += 1, from += count) {
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
          const index = site * width + d;
          const dy = gradient[at + d] ?? 0;
          const unit = normalized[at + d] ?? 0;
          toGamma[index] = (toGamma[index] ?? 0) + dy * unit;
          toBeta[index] = (toBeta[index] ?? 0) + dy;
          mean += dy * (gamma[index] ?? 0);
          along += dy * (gamma[index] ?? 0) * unit;
        }
        mean /= width;
        along /= width;
        for (let d = 0; d < width; d += 1) {
          const cell = site * width + d;
          const scaled = (gradient[at + d] ?? 0) * (gamma[cell] ?? 0);
          const dz = (inverse[line] ?? 0) * (scaled - mean - (normalized[at + d] ?? 0) * along);
          toBias[cell] = (toBias[cell] ?? 0) + dz;
          toSum[d] = dz;
        }
        for (const bit of set) {
          let entry = site * width * count + bit;
          for (let d = 0; d < width; d += 1, entry += count) {
            toWeight[entry] = (toWeight[entry] ?? 0) + (toSum[d] ?? 0);
          }
        }
      }
    }
    return [toWeight, toBias, toGamma, toBeta];
  };
  return { values: result, backward };
};

/**
 * Routes by the attribute row of a segment. Its parameters: `attribute.weight` [S, D, A], `attribute.bias` [S, D] and the
 * norm's.
 * @param schema bits that it sees. @default the paper's eight
 */
export const attributeCondition = (schema: AttributeSchema = paperSchema): LearnedCondition<RoutingKey> => {
  const count = attributeCount(schema);
  return Object.freeze({
    name: 'attribute',
    dataIndependent: true as const,
    reads: ['attributes'] as const,
    representationWidth: ({ width }: ConditionSize) => width,
    parameters: ({ width, sites }: ConditionSize) =>
      Object.freeze([
        {
          name: 'attribute.weight',
          shape: [sites, width, count],
          initializer: { kind: 'xavierUniform' as const, fans: [count, width] as const },
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
      decision: count * width + 2 * experts * width,
    }),
    keyOf: ({ attributes }: RoutingKey) => rowKey(attributes),
    represent: (values: readonly Float32Array[], keys: readonly RoutingKey[], size: ConditionSize) =>
      represent(
        values,
        keys.map(({ attributes }) => rowBits(attributes, schema)),
        { ...size, count },
      ),
  });
};

/** {@link attributeCondition} by name; it needs the schema of a model. */
export const attributeFactory: ConditionFactory<LearnedCondition<RoutingKey>> = Object.freeze({
  name: 'attribute',
  summary: "the attribute bits of the segment's tokens",
  create: ({ attributes }: Pick<ConditionContext, 'attributes'>) => attributeCondition(attributes),
});
