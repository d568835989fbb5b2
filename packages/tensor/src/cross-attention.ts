/**
 * Attention of queries over keys and values that are given apart, in one part or several: those of a cache beside those of
 * new tokens, or tokens for latent queries (Vaswani et al. 2017, section 3.2). One softmax goes over the keys of all parts:
 *   P_i = softmax over all parts of (Q K_i^T / sqrt d + mask_i),  O = sum_i P_i V_i
 *   dV_i = P_i^T dO,  dS_i = P_i * (dO V_i^T - rowsum(dO * O)),  dQ = sum_i dS_i K_i / sqrt d,  dK_i = dS_i^T Q / sqrt d
 * Axes: B batch · L queries · K keys of a part · h heads · d width of a head.
 */
import { ShapeError } from '@polygate/core';
import * as tf from '@tensorflow/tfjs';
import { expectMask } from './attention-mask.ts';
import { hasKernel, present, runKernel, withGradient } from './dispatch.ts';
import { expectShape } from './shapes.ts';

/** Keys with their values. All borrowed. */
export interface KeysAndValues {
  /** float32 [B, h, K, d] */
  readonly keys: tf.Tensor4D;
  /** float32 [B, h, K, d] */
  readonly values: tf.Tensor4D;
  /**
   * Added to the scores: float32 [B|1, 1, L|1, K], a constant. Forbid with -Infinity or a large negative number such as
   * -1e4. A query that may see no key of any part has no softmax: its output is NaN.
   */
  readonly mask?: tf.Tensor4D | undefined;
}

/** [B, L, h d] -> [B, h, L, d]. @throws ShapeError for heads that do not divide the last axis */
export const toHeads = (x: tf.Tensor3D, heads: number): tf.Tensor4D => {
  const [batch, length, width] = x.shape;
  if (!Number.isInteger(heads) || heads < 1 || width % heads !== 0) {
    throw new ShapeError(`toHeads: expected heads that divide the width ${width}, got ${heads}`, {
      fields: { width, heads },
    });
  }
  return tf.transpose(tf.reshape(x, [batch, length, heads, width / heads]), [0, 2, 1, 3]) as tf.Tensor4D;
};

/** [B, h, L, d] -> [B, L, h d]. */
const fromHeads = (x: tf.Tensor): tf.Tensor3D => {
  const [batch = 0, heads = 0, length = 0, d = 0] = x.shape;
  return tf.reshape(tf.transpose(x, [0, 2, 1, 3]), [batch, length, heads * d]) as tf.Tensor3D;
};

const check = (queries: tf.Tensor4D, parts: readonly KeysAndValues[]): void => {
  const operator = 'crossAttention';
  expectShape(queries, [null, null, null, null], {
    operator,
    name: 'queries [B, h, L, d]',
    remedy: 'take heads apart with toHeads',
  });
  if (parts.length === 0) {
    throw new ShapeError(`${operator}: expected one part of keys and values or more, got none`);
  }
  const [batch, heads, length, d] = queries.shape;
  for (const [at, { keys, values, mask }] of parts.entries()) {
    const remedy = 'keys and values have the batch and the heads of the queries';
    expectShape(keys, [batch, heads, null, d], { operator, name: `keys of part ${at} [B, h, K, d]`, remedy });
    expectShape(values, keys.shape, { operator, name: `values of part ${at} [B, h, K, d]`, remedy });
    const count = keys.shape[2];
    if (count === 0) {
      throw new ShapeError(
        `${operator}: expected one key or more in part ${at}, got none; leave the part out`,
      );
    }
    if (!mask) continue;
    expectMask(mask, {
      name: `${operator}: expected a mask of part ${at}`,
      batch,
      queries: length,
      keys: count,
      remedy: 'a mask has a column for each key of its part',
    });
  }
};

interface Composed {
  /** [B, h, L, d] */
  readonly out: tf.Tensor4D;
  readonly scaled: tf.Tensor4D;
  /** By part, [B, h, L, K]. */
  readonly probabilities: readonly tf.Tensor4D[];
}

const compose = (queries: tf.Tensor4D, parts: readonly KeysAndValues[]): Composed => {
  const scaled = tf.mul(queries, 1 / Math.sqrt(queries.shape[3])) as tf.Tensor4D;
  const scores = parts.map(({ keys, mask }) => {
    const products = tf.matMul(scaled, keys, false, true) as tf.Tensor4D;
    return mask ? (tf.add(products, mask) as tf.Tensor4D) : products;
  });
  const [first] = scores;
  const all = tf.softmax(scores.length === 1 ? present(first) : tf.concat4d(scores, 3));
  const counts = parts.map(({ keys }) => keys.shape[2]);
  const probabilities = (parts.length === 1 ? [all] : tf.split(all, counts, 3)) as tf.Tensor4D[];
  const outs = parts.map(({ values }, at) => tf.matMul(present(probabilities[at]), values));
  const out = (outs.length === 1 ? present(outs[0]) : tf.addN(outs)) as tf.Tensor4D;
  return { out, scaled, probabilities };
};

/** Gradients of the queries, then of keys and values part by part. @param dy [B, L, h d] */
const composeGradient = (dy: tf.Tensor, saved: readonly tf.Tensor[], count: number): tf.Tensor[] => {
  const [scaled, out, ...rest] = saved as [tf.Tensor4D, tf.Tensor4D, ...tf.Tensor4D[]];
  const [, heads, , d] = scaled.shape;
  const g = toHeads(dy as tf.Tensor3D, heads);
  const along = tf.sum(tf.mul(g, out), 3, true);
  const gradients: tf.Tensor[] = [];
  const toQueries: tf.Tensor[] = [];
  for (let part = 0; part < count; part += 1) {
    const [keys, values, probabilities] = rest.slice(3 * part, 3 * part + 3).map(present) as [
      tf.Tensor4D,
      tf.Tensor4D,
      tf.Tensor4D,
    ];
    const toScores = tf.mul(probabilities, tf.sub(tf.matMul(g, values, false, true), along)) as tf.Tensor4D;
    toQueries.push(tf.matMul(toScores, keys));
    gradients.push(tf.matMul(toScores, scaled, true, false), tf.matMul(probabilities, g, true, false));
  }
  const sum = toQueries.length === 1 ? present(toQueries[0]) : tf.addN(toQueries);
  return [tf.mul(sum, 1 / Math.sqrt(d)), ...gradients];
};

/**
 * @param queries float32 [B, h, L, d], not scaled yet; borrowed
 * @param parts one or more
 * @returns a new float32 tensor [B, L, h d]
 * @throws ShapeError when the sizes do not fit
 */
export const crossAttention = (queries: tf.Tensor4D, parts: readonly KeysAndValues[]): tf.Tensor3D => {
  check(queries, parts);
  const [batch, heads, length, d] = queries.shape;
  const inputs = [queries, ...parts.flatMap(({ keys, values }) => [keys, values])];
  if (batch === 0 || length === 0) {
    return withGradient(inputs, () => ({
      value: tf.zeros([batch, length, heads * d]),
      gradient: () => inputs.map(({ shape }) => tf.zeros(shape)),
    })) as tf.Tensor3D;
  }
  return withGradient(inputs, (save, recorded) => {
    if (!recorded && hasKernel('PgCrossAttention')) {
      const named = parts.flatMap(({ keys, values, mask }, at) => [
        [`keys${at}`, keys],
        [`values${at}`, values],
        [`mask${at}`, mask],
      ]);
      const [value] = runKernel(
        'PgCrossAttention',
        { queries, ...(Object.fromEntries(named) as Record<string, tf.Tensor>) },
        { parts: parts.length },
      );
      return { value: present(value), gradient: () => [] };
    }
    const { out, scaled, probabilities } = compose(queries, parts);
    save([
      scaled,
      out,
      ...parts.flatMap(({ keys, values }, at) => [keys, values, present(probabilities[at])]),
    ]);
    return {
      value: fromHeads(out),
      gradient: (dy, saved) => composeGradient(dy, saved, parts.length),
    };
  }) as tf.Tensor3D;
};
