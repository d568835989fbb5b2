/**
 * Context routing: R(x_i) = concat(x_i, attnpool(X)), Uni-Perceiver-MoE, Eq. 6, with attnpool the attention pooling of
 * CLIP (Radford et al. 2021, section 2.4), over the tokens x_t of the sample that all may know of:
 *   q = W_q mean_t(x_t) + b_q,   a_h = softmax_t(<q_h, W_k,h x_t> / sqrt(d)),
 *   attnpool(X) = W_o concat_h(W_v,h sum_t a_h,t x_t + b_v,h) + b_o,   heads of d = 64 channels.
 * Computed as <W_k,h^T q_h, x_t> and W_v,h (sum_t a_h,t x_t), which is the same: the cost per token is one product of
 * width D for each head, where projecting every token to a key and a value takes 2 D.
 *
 * Departs from CLIP: no positions (the model adds its own to the tokens), the mean is the query but no key, and no bias
 * of the keys (it changes no weight: the softmax cancels it).
 *
 * B batch · L length · D width · H heads · d = D / H
 */
import { poolingAttention, exactLinear } from '@polygate/tensor';
import * as tf from '@tensorflow/tfjs';
import type { ConditionSize, DataDependentCondition, TokenContext } from './condition.ts';
import type { ConditionFactory } from './routing-key.ts';
import { entriesOf, partsOf } from './stacked-tensors.ts';

/** Channels of a head, as in CLIP. */
const HEAD_WIDTH = 64;

/** Heads of the pool: of 64 channels where those divide the width, else one. */
const headsOf = (width: number): number => (width % HEAD_WIDTH === 0 ? width / HEAD_WIDTH : 1);

/** Attention pooling of each sample, [B, D]. */
const pool = (
  [queryWeight, queryBias, keyWeight, valueWeight, valueBias, outputWeight, outputBias]: readonly tf.Tensor[],
  { tokens, visible, context = visible }: TokenContext,
): tf.Tensor2D => {
  const [batch, , width] = tokens.shape;
  const heads = headsOf(width);
  const matrix = (tensor: tf.Tensor | undefined): tf.Tensor2D => tensor as tf.Tensor2D;
  const dense = (x: tf.Tensor2D, weight: tf.Tensor | undefined, bias: tf.Tensor | undefined): tf.Tensor2D =>
    tf.add(exactLinear(x, matrix(weight)), bias as tf.Tensor);
  const mean = poolingAttention(tokens, tf.zeros([batch, 1, width]), { visible: context });
  const query = dense(tf.reshape(mean, [batch, width]), queryWeight, queryBias);
  const scale = Math.sqrt(heads / width);
  const keys = partsOf(matrix(keyWeight), heads, 0);
  const absorbed = tf.stack(
    partsOf(query, heads, 1).map((q, h) =>
      exactLinear(tf.mul(q, scale), tf.transpose(keys[h] as tf.Tensor2D)),
    ),
    1,
  ) as tf.Tensor3D;
  const means = entriesOf(poolingAttention(tokens, absorbed, { visible: context }), 1) as tf.Tensor2D[];
  const values = partsOf(matrix(valueWeight), heads, 0);
  const joined = tf.concat(
    means.map((m, h) => exactLinear(m, values[h] as tf.Tensor2D)),
    1,
  );
  return dense(tf.add(joined, valueBias as tf.Tensor), outputWeight, outputBias);
};

const square = (name: string, { width, sites }: ConditionSize) => ({
  name: `pool.${name}.weight`,
  shape: [sites, width, width],
  initializer: { kind: 'xavierUniform' as const, fans: [width, width] as const },
  role: 'gate' as const,
});
const zero = (name: string, { width, sites }: ConditionSize) => ({
  name: `pool.${name}.bias`,
  shape: [sites, width],
  initializer: { kind: 'zeros' as const },
  role: 'gate' as const,
});

/** Routes every token by itself and by its whole sequence. Parameters: `pool.{query,key,value,output}`. */
const contextCondition: DataDependentCondition = Object.freeze({
  name: 'context',
  dataIndependent: false as const,
  representationWidth: ({ width }: ConditionSize) => 2 * width,
  parameters: (size: ConditionSize) => [
    square('query', size),
    zero('query', size),
    square('key', size),
    square('value', size),
    zero('value', size),
    square('output', size),
    zero('output', size),
  ],
  represent: (parameters: readonly tf.Tensor[], context: TokenContext) => ({
    tokens: tf.reshape(context.tokens, [-1, context.tokens.shape[2]]) as tf.Tensor2D,
    samples: pool(parameters, context),
  }),
});

/** {@link contextCondition} by name; it needs nothing of a model. */
export const contextFactory: ConditionFactory = Object.freeze({
  name: 'context',
  summary: 'the token and an attention pool of its sequence',
  create: () => contextCondition,
});
