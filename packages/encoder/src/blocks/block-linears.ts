/**
 * How the linear layers of the blocks are computed in one forward. A block asks for a linear by block and name and gets
 * y = act(x W^T + b); which weights serve which token is the business of the implementation: one dense set, one merged
 * set per row, experts with the decision of their row, or experts chosen token by token.
 *
 * B batch · L tokens · I inputs · O outputs
 */
import type { ParameterSet } from '@polygate/nn';
import { linear, type LinearExpert } from '@polygate/tensor';
import type * as tf from '@tensorflow/tfjs';
import type { BlockLinear } from './linears.ts';
import type { RowWeights } from './row-weights.ts';

/** Which linear of which block. */
export interface LinearRef {
  readonly block: number;
  readonly linear: BlockLinear;
}

/** Settings of one application. */
export interface ApplyOptions {
  /** @default 'none' */
  readonly activation?: 'none' | 'gelu';
  /** Whether `x` holds deep prompts, which go with the first segment, in place of the sequence. @default false */
  readonly prompts?: boolean;
  /**
   * What a router of this linear looks at, [B, L, D], where the linear's own input has another width.
   * @default x
   */
  readonly routed?: tf.Tensor3D;
  /** Weights of the tokens in the gradients of weights and biases. @default all 1 */
  readonly rowWeights?: RowWeights | undefined;
}

/** The linears of one forward. What it makes belongs to the enclosing tidy. */
export interface BlockLinears {
  /** [B, L, I] -> [B, L, O] */
  apply(x: tf.Tensor3D, ref: LinearRef, options?: ApplyOptions): tf.Tensor3D;
}

/** Where a forward reads parameters: the encoder's own, or those that stand in for some of them. */
export type ParameterSource = Pick<ParameterSet, 'get'>;

/** A vector, [D]. */
export const vectorOf = (parameters: ParameterSource, name: string): tf.Tensor1D =>
  parameters.get(name) as tf.Variable<tf.Rank.R1>;

/** A matrix, e.g. a weight [out, in] or a table [entries, D]. */
export const matrixOf = (parameters: ParameterSource, name: string): tf.Tensor2D =>
  parameters.get(name) as tf.Variable<tf.Rank.R2>;

/** Dotted path of a linear's parameters. */
export const pathOf = ({ block, linear: name }: LinearRef): string => `blocks.${block}.${name}`;

/** Weight and bias under a path, borrowed from the set. */
export const pairOf = (parameters: ParameterSource, path: string): LinearExpert => ({
  weight: matrixOf(parameters, `${path}.weight`),
  bias: vectorOf(parameters, `${path}.bias`),
});

/** One set of weights for all tokens. */
export const denseLinears = (parameters: ParameterSource): BlockLinears => ({
  apply(x, ref, { activation = 'none', rowWeights } = {}) {
    const { weight, bias } = pairOf(parameters, pathOf(ref));
    return linear(x, weight, bias, { activation, weightRates: rowWeights?.rates }) as tf.Tensor3D;
  },
});

/** What grouped linears work on. */
export interface GroupedLinearsOptions {
  /** The linears of each group. */
  readonly groups: readonly BlockLinears[];
  /** Weights of the tokens of the sequence in weight gradients; deep prompts have none. @default all 1 */
  readonly rowWeights?: RowWeights | undefined;
}

/**
 * Linears by the group that each belongs to.
 * @param dense for those of no group
 * @param groupOf index of a linear's group; undefined for a dense one
 */
export const groupedLinears = (
  dense: BlockLinears,
  groupOf: (ref: LinearRef) => number | undefined,
  { groups, rowWeights }: GroupedLinearsOptions,
): BlockLinears => ({
  apply(x, ref, options = {}) {
    const index = groupOf(ref);
    return ((index === undefined ? undefined : groups[index]) ?? dense).apply(
      x,
      ref,
      options.prompts ? options : { ...options, rowWeights },
    );
  },
});
