/**
 * Attention pooling of sequences, as in CLIP (Radford et al. 2021, section 2.4), over the visible tokens x_t of a sample,
 * float32 in every precision:
 *   q = W_q mean_t(x_t) + b_q,   a_h = softmax_t(<q_h, W_k,h x_t> / sqrt(C)),
 *   y = W_o concat_h(W_v,h sum_t a_h,t x_t + b_v,h) + b_o,   heads of C channels.
 * Computed as <W_k,h^T q_h, x_t> and W_v,h (sum_t a_h,t x_t), which is the same: the cost per token is one product of
 * width D for each head, where projecting every token to a key and a value takes 2 D.
 *
 * Departs from CLIP: no positions (a model adds its own to the tokens), the mean is the query but no key, and no bias of
 * the keys (it changes no weight: the softmax cancels it). A sample without a visible token gives W_o b_v + b_o.
 *
 * B batch · T tokens · D width · H heads · C = D / H channels
 */
import { ConfigError } from '@polygate/core';
import * as tf from '@tensorflow/tfjs';
import { hasKernel, present, runKernel, withGradient } from './dispatch.ts';
import { exactLinear } from './exact-linear.ts';
import { poolingAttention } from './pooling-attention.ts';
import { expectShape } from './shapes.ts';

/** Weights of {@link attentionPool}, float32: matrices [D, D] stored [out, in], biases [D]. */
export interface AttentionPoolWeights {
  readonly queryWeight: tf.Tensor2D;
  readonly queryBias: tf.Tensor1D;
  readonly keyWeight: tf.Tensor2D;
  readonly valueWeight: tf.Tensor2D;
  readonly valueBias: tf.Tensor1D;
  readonly outputWeight: tf.Tensor2D;
  readonly outputBias: tf.Tensor1D;
}

export interface AttentionPoolOptions {
  /** Divides the width. @default 1 */
  readonly heads?: number;
  /** float32 [B, T], 0 at padding; borrowed. @default all count */
  readonly visible?: tf.Tensor2D | undefined;
}

const NAMES = [
  'queryWeight',
  'queryBias',
  'keyWeight',
  'valueWeight',
  'valueBias',
  'outputWeight',
  'outputBias',
] as const;

const check = (x: tf.Tensor3D, weights: AttentionPoolWeights, options: AttentionPoolOptions): void => {
  const operator = 'attentionPool';
  expectShape(x, [null, null, null], { operator, name: 'x [B, T, D]', remedy: 'add a batch axis' });
  const [batch, tokens, width] = x.shape;
  const { heads = 1, visible } = options;
  if (!Number.isInteger(heads) || heads < 1 || width % heads !== 0) {
    throw new ConfigError(
      `attentionPool: expected heads that divide the width ${width}, got ${heads}; 64 channels a head are usual`,
      { fields: { heads, width } },
    );
  }
  for (const name of NAMES) {
    const shape = name.endsWith('Weight') ? [width, width] : [width];
    expectShape(weights[name], shape, { operator, name, remedy: 'weights are as wide as the tokens' });
  }
  if (visible) {
    expectShape(visible, [batch, tokens], {
      operator,
      name: 'visible [B, T]',
      remedy: 'give one number for each token',
    });
  }
};

/** tfjs can't differentiate taking apart into one. */
const partsOf = (matrix: tf.Tensor2D, count: number, axis: 0 | 1): tf.Tensor2D[] =>
  count === 1 ? [matrix] : (tf.split(matrix, count, axis) as tf.Tensor2D[]);

/** [B, H, D] -> H of [B, D] */
const entriesOf = (tensor: tf.Tensor3D): tf.Tensor2D[] =>
  tensor.shape[1] === 1 ? [tf.squeeze(tensor, [1])] : (tf.unstack(tensor, 1) as tf.Tensor2D[]);

/** On the tape of its parts. */
const compose = (
  x: tf.Tensor3D,
  weights: AttentionPoolWeights,
  options: AttentionPoolOptions,
): tf.Tensor2D => {
  const { heads = 1, visible } = options;
  const [batch, , width] = x.shape;
  const { queryWeight, queryBias, keyWeight, valueWeight, valueBias, outputWeight, outputBias } = weights;
  const mean = poolingAttention(x, tf.zeros([batch, 1, width]), { visible });
  const query = tf.add(exactLinear(tf.reshape(mean, [batch, width]), queryWeight), queryBias);
  const scaled = partsOf(tf.mul(query, Math.sqrt(heads / width)), heads, 1);
  const keys = partsOf(keyWeight, heads, 0);
  const absorbed = tf.stack(
    scaled.map((q, h) => exactLinear(q, tf.transpose(present(keys[h])) as tf.Tensor2D)),
    1,
  ) as tf.Tensor3D;
  const means = entriesOf(poolingAttention(x, absorbed, { visible }));
  const values = partsOf(valueWeight, heads, 0);
  const joined = tf.concat(
    means.map((m, h) => exactLinear(m, present(values[h]))),
    1,
  );
  return tf.add(exactLinear(tf.add(joined, valueBias), outputWeight), outputBias);
};

/**
 * @param x float32 [B, T, D]; borrowed. Its values are taken as they are stored.
 * @param weights borrowed
 * @returns a new float32 tensor [B, D]
 * @throws ShapeError when the sizes do not fit; ConfigError for heads that do not divide the width
 */
export const attentionPool = (
  x: tf.Tensor3D,
  weights: AttentionPoolWeights,
  options: AttentionPoolOptions = {},
): tf.Tensor2D => {
  check(x, weights, options);
  if (!hasKernel('PgAttentionPool') || !hasKernel('PgAttentionPoolGrad')) {
    return tf.tidy(() => compose(x, weights, options));
  }
  const { heads = 1, visible } = options;
  const ordered = NAMES.map((name) => weights[name]);
  const named = (tensors: readonly tf.Tensor[]): Record<string, tf.Tensor> =>
    Object.fromEntries(NAMES.map((name, at) => [name, present(tensors[at])]));
  return withGradient([x, ...ordered], (save) => {
    const [y, ...kept] = runKernel('PgAttentionPool', { x, visible, ...named(ordered) }, { heads });
    const masks = visible ? [visible] : [];
    save([x, ...ordered, ...kept, ...masks]);
    return {
      value: present(y),
      gradient: (dy, [savedX, ...rest]) => {
        const first = ordered.length;
        const inputs = Object.fromEntries(kept.map((_, at) => [`kept${at}`, present(rest[first + at])]));
        const mask = rest[first + kept.length];
        return runKernel(
          'PgAttentionPoolGrad',
          { dy, x: savedX, visible: mask, ...named(rest), ...inputs },
          { heads },
        );
      },
    };
  }) as tf.Tensor2D;
};
