/**
 * Context routing: R(x_i) = concat(x_i, attnpool(X)), Uni-Perceiver-MoE, Eq. 6, with attnpool the attention pooling of
 * CLIP (Radford et al. 2021, section 2.4), over the tokens of the sample that all may know of: see attentionPool of
 * @polygate/tensor.
 *
 * B batch · L length · D width
 */
import { attentionPool } from '@polygate/tensor';
import type * as tf from '@tensorflow/tfjs';
import type { ConditionSize, DataDependentCondition, TokenContext } from './condition.ts';
import type { ConditionFactory } from './routing-key.ts';

/** Channels of a head, as in CLIP. */
const HEAD_WIDTH = 64;

/** Heads of the pool: of 64 channels where those divide the width, else one. */
const headsOf = (width: number): number => (width % HEAD_WIDTH === 0 ? width / HEAD_WIDTH : 1);

/** Attention pooling of each sample, [B, D]. @param parameters in the order of the description */
const pool = (
  parameters: readonly tf.Tensor[],
  { tokens, visible, context = visible }: TokenContext,
): tf.Tensor2D => {
  const [queryWeight, queryBias, keyWeight, valueWeight, valueBias, outputWeight, outputBias] =
    parameters as readonly [
      tf.Tensor2D,
      tf.Tensor1D,
      tf.Tensor2D,
      tf.Tensor2D,
      tf.Tensor1D,
      tf.Tensor2D,
      tf.Tensor1D,
    ];
  const weights = { queryWeight, queryBias, keyWeight, valueWeight, valueBias, outputWeight, outputBias };
  return attentionPool(tokens, weights, { heads: headsOf(tokens.shape[2]), visible: context });
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
  reads: ['token', 'context'] as const,
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
  // The mean of the tokens, H scores and H means of each, and four products of D x D with the gates of the pool once a
  // sequence.
  flops: ({ width, experts }: ConditionSize & { readonly experts: number }) => ({
    decision: 2 * experts * width + 2 * width + 2 * 2 * headsOf(width) * width,
    sequence: 4 * 2 * width * width + 2 * experts * width,
  }),
  represent: (parameters: readonly tf.Tensor[], context: TokenContext) => ({
    tokens: context.tokens,
    samples: pool(parameters, context),
  }),
});

/** {@link contextCondition} by name; it needs nothing of a model. */
export const contextFactory: ConditionFactory<DataDependentCondition> = Object.freeze({
  name: 'context',
  summary: 'the token and an attention pool of its sequence',
  create: () => contextCondition,
});
