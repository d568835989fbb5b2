/**
 * Multi-head attention over a fused projection (Vaswani et al. 2017, section 3.2), with an additive mask and optional
 * prompt keys and values in front of the sequence's own (deep prompts, Li & Liang 2021). Prompts are never masked.
 *   P = softmax(Q K^T / sqrt d + mask),  O = P V
 *   dV = P^T dO,  dS = P * (dO V^T - rowsum(dO * O)),  dQ = dS K / sqrt d,  dK = dS^T Q / sqrt d
 * Axes: B batch · L tokens · P prompts · h heads · d width of a head · D = h d.
 */
import { ConfigError } from '@polygate/core';
import * as tf from '@tensorflow/tfjs';
import { expectMask } from './attention-mask.ts';
import { hasKernel, present, runKernel, withGradient } from './dispatch.ts';
import { expectShape } from './shapes.ts';

/** Options of {@link attention}. */
export interface AttentionOptions {
  /** Number of heads; divides D. */
  readonly heads: number;
  /**
   * Added to the scores: float32 [B|1, 1, L, L] or [B|1, 1, 1, L], a constant. Forbid with -Infinity or a large negative
   * number such as -1e4. A query for which all keys are -Infinity has no softmax: its output is NaN, and no other's.
   * What a key holds must be finite even where it is forbidden (0 times NaN is NaN): pad with zeros.
   */
  readonly mask?: tf.Tensor4D;
  /** Keys in front of the sequence's, [P, D] for all samples or [B, P, D]. Given together with the values. */
  readonly promptKeys?: tf.Tensor;
  readonly promptValues?: tf.Tensor;
}

interface Geometry {
  readonly batch: number;
  readonly length: number;
  readonly heads: number;
  readonly width: number;
}

/** [B, L, 3D] -> q, k, v, each [B, h, L, d]; ranks stay at four because wasm transposes rank five a hundred times slower. */
const splitHeads = (qkv: tf.Tensor, { batch, length, heads, width }: Geometry): tf.Tensor4D[] => {
  const d = width / heads;
  const byHead = tf.transpose(tf.reshape(qkv, [batch, length, 3 * heads, d]), [0, 2, 1, 3]);
  const byPart = tf.transpose(tf.reshape(byHead, [batch, 3, heads * length * d]), [1, 0, 2]);
  return tf.unstack(byPart).map((part) => tf.reshape(part, [batch, heads, length, d]) as tf.Tensor4D);
};

/** The inverse of {@link splitHeads} for three gradients. */
const joinHeads = (parts: tf.Tensor[], { batch, length, heads, width }: Geometry): tf.Tensor => {
  const d = width / heads;
  const byPart = tf.stack(parts.map((part) => tf.reshape(part, [batch, heads * length * d])));
  const byHead = tf.reshape(tf.transpose(byPart, [1, 0, 2]), [batch, 3 * heads, length, d]);
  return tf.reshape(tf.transpose(byHead, [0, 2, 1, 3]), [batch, length, 3 * width]);
};

/** [P, D] or [B, P, D] -> [B, h, P, d]. */
const promptHeads = (prompt: tf.Tensor, { batch, heads, width }: Geometry): tf.Tensor4D => {
  const prompts = prompt.shape[prompt.rank - 2] ?? 0;
  const promptBatch = prompt.rank === 3 ? batch : 1;
  const byHead = tf.transpose(tf.reshape(prompt, [promptBatch, prompts, heads, width / heads]), [0, 2, 1, 3]);
  return (promptBatch === batch ? byHead : tf.tile(byHead, [batch, 1, 1, 1])) as tf.Tensor4D;
};

/** [B, h, P, d] -> the prompt's own shape, summed over the batch where it was shared. */
const promptGradient = (
  gradient: tf.Tensor4D,
  prompt: readonly number[],
  { batch, width }: Geometry,
): tf.Tensor => {
  const prompts = gradient.shape[2];
  const joined = tf.reshape(tf.transpose(gradient, [0, 2, 1, 3]), [batch, prompts, width]);
  return prompt.length === 3 ? joined : tf.sum(joined, 0);
};

/** Prompt columns of the mask are zero. */
const widenMask = (mask: tf.Tensor4D, prompts: number): tf.Tensor4D =>
  prompts === 0
    ? mask
    : tf.pad4d(mask, [
        [0, 0],
        [0, 0],
        [0, 0],
        [prompts, 0],
      ]);

const check = (qkv: tf.Tensor, { heads, mask, promptKeys, promptValues }: AttentionOptions): Geometry => {
  const operator = 'attention';
  expectShape(qkv, [null, null, null], {
    operator,
    name: 'qkv [B, L, 3D]',
    remedy: 'q, k and v follow each other on the last axis',
  });
  const [batch = 0, length = 0, fused = 0] = qkv.shape;
  const width = fused / 3;
  if (!Number.isInteger(width) || !Number.isInteger(heads) || heads < 1 || width % heads !== 0) {
    throw new ConfigError(
      `${operator}: expected a last axis of 3 * heads * d, got ${fused} with ${heads} heads; choose heads that divide the width`,
      { fields: { fused, heads } },
    );
  }
  if (mask) {
    expectMask(mask, {
      name: `${operator}: expected a mask`,
      batch,
      queries: length,
      keys: length,
      remedy: 'leave prompts out of it, they are never masked',
    });
  }
  if ((promptKeys === undefined) !== (promptValues === undefined)) {
    throw new ConfigError(
      `${operator}: expected promptKeys and promptValues together, got only one; give both or neither`,
    );
  }
  if (promptKeys && promptValues) {
    const remedy = 'prompts are [P, D] for all samples or [B, P, D]';
    const prompts = promptKeys.shape[promptKeys.rank - 2] ?? 0;
    const expected = promptKeys.rank === 3 ? [batch, prompts, width] : [prompts, width];
    expectShape(promptKeys, expected, { operator, name: 'promptKeys', remedy });
    expectShape(promptValues, expected, { operator, name: 'promptValues', remedy });
  }
  return { batch, length, heads, width };
};

/** The portable forward; `saved` is what {@link composeGradient} takes. */
const compose = (
  qkv: tf.Tensor,
  geometry: Geometry,
  { mask, promptKeys, promptValues }: AttentionOptions,
): { value: tf.Tensor; saved: tf.Tensor[] } => {
  const { batch, length, heads, width } = geometry;
  const scale = 1 / Math.sqrt(width / heads);
  const [query, ownKey, ownValue] = splitHeads(qkv, geometry);
  let key = present(ownKey);
  let value = present(ownValue);
  const prompts = promptKeys?.shape[promptKeys.rank - 2] ?? 0;
  if (promptKeys && promptValues) {
    key = tf.concat([promptHeads(promptKeys, geometry), key], 2);
    value = tf.concat([promptHeads(promptValues, geometry), value], 2);
  }
  const scaled = tf.mul(present(query), scale);
  const scores = tf.matMul(scaled, key, false, true);
  const probabilities = tf.softmax(mask ? tf.add(scores, widenMask(mask, prompts)) : scores);
  const out = tf.matMul(probabilities, value);
  return {
    value: tf.reshape(tf.transpose(out, [0, 2, 1, 3]), [batch, length, width]),
    saved: [scaled, key, value, probabilities, out],
  };
};

/** Gradients of qkv and, when there are prompts, of prompt keys and values. */
const composeGradient = (
  dy: tf.Tensor,
  saved: readonly tf.Tensor[],
  { geometry, prompt }: { geometry: Geometry; prompt: readonly number[] | undefined },
): tf.Tensor[] => {
  const { batch, length, heads, width } = geometry;
  const d = width / heads;
  const [query, key, value, probabilities, out] = saved.map((tensor) => tensor as tf.Tensor4D);
  // [B, L, D] -> [B, h, L, d]
  const g = tf.transpose(tf.reshape(dy, [batch, length, heads, d]), [0, 2, 1, 3]) as tf.Tensor4D;
  const along = tf.sum(tf.mul(g, present(out)), 3, true);
  const dValue = tf.matMul(present(probabilities), g, true, false) as tf.Tensor4D;
  const dScores = tf.mul(present(probabilities), tf.sub(tf.matMul(g, present(value), false, true), along));
  const dQuery = tf.mul(tf.matMul(dScores, present(key)), 1 / Math.sqrt(d));
  const dKey = tf.matMul(dScores, present(query), true, false) as tf.Tensor4D;
  if (!prompt) return [joinHeads([dQuery, dKey, dValue], geometry)];
  const prompts = present(prompt[prompt.length - 2]);
  const tokensOf = (t: tf.Tensor4D) => tf.slice(t, [0, 0, prompts, 0], [-1, -1, length, -1]);
  const front = (t: tf.Tensor4D) =>
    promptGradient(tf.slice(t, [0, 0, 0, 0], [-1, -1, prompts, -1]), prompt, geometry);
  return [joinHeads([dQuery, tokensOf(dKey), tokensOf(dValue)], geometry), front(dKey), front(dValue)];
};

/**
 * @param qkv float32 [B, L, 3D], last axis q, k, v of D each; borrowed
 * @returns a new float32 tensor [B, L, D]
 * @throws ShapeError, ConfigError
 */
export const attention = (qkv: tf.Tensor3D, options: AttentionOptions): tf.Tensor3D => {
  const geometry = check(qkv, options);
  const { mask, promptKeys, promptValues } = options;
  const prompt = promptKeys?.shape;
  const inputs: tf.Tensor[] = promptKeys && promptValues ? [qkv, promptKeys, promptValues] : [qkv];
  if (geometry.batch === 0) {
    // Some engines divide by it.
    return withGradient(inputs, () => ({
      value: tf.zeros([0, geometry.length, geometry.width]),
      gradient: () => inputs.map(({ shape }) => tf.zeros(shape)),
    })) as tf.Tensor3D;
  }
  return withGradient(inputs, (save) => {
    if (hasKernel('PgAttention') && hasKernel('PgAttentionGrad')) {
      const [value, ...state] = runKernel(
        'PgAttention',
        { qkv, mask, promptKeys, promptValues },
        { heads: geometry.heads },
      );
      // A kernel whose state is one tensor computes the rest again from its inputs.
      const again: Record<string, tf.Tensor | undefined> = state.length === 1 ? { qkv, mask } : {};
      const named = Object.entries({ promptKeys, promptValues, ...again }).flatMap(([name, tensor]) =>
        tensor ? [{ name, tensor }] : [],
      );
      save([...state, ...named.map(({ tensor }) => tensor)]);
      return {
        value: present(value),
        gradient: (dy, saved) => {
          const given: Record<string, tf.Tensor | undefined> = { dy };
          state.forEach((_, at) => {
            given[`state${at}`] = saved[at];
          });
          named.forEach(({ name }, at) => {
            given[name] = saved[state.length + at];
          });
          return runKernel('PgAttentionGrad', given, { heads: geometry.heads });
        },
      };
    }
    const { value, saved } = compose(qkv, geometry, options);
    save(saved);
    return { value, gradient: (dy, kept) => composeGradient(dy, kept, { geometry, prompt }) };
  }) as tf.Tensor3D;
};
