/**
 * What the pairs of a live low-rank adapter compute: s B (A x) beside a linear, or s B A in its weight.
 *
 * B batch · L tokens · R rank · I inputs · O outputs
 */
import type { ParameterSet } from '@polygate/nn';
import { linear } from '@polygate/tensor';
import * as tf from '@tensorflow/tfjs';
import type { LinearPlace } from '../tuning-method.ts';
import { lowRankName, thirdsOf } from './low-rank-sites.ts';

/** The matrices of a live adapter. */
export type PairSource = Pick<ParameterSet, 'get' | 'has'>;

/** A pair: A [R, I] and B [O, R], for all outputs of a linear or for a part of them. */
export interface LowRankPair {
  readonly a: tf.Tensor2D;
  readonly b: tf.Tensor2D;
  /** Outputs of the linear before those of B and behind them. */
  readonly around: readonly [before: number, behind: number];
}

/** The pairs of a linear, or of one expert of it; none where it has none. */
export const pairsOf = (
  parameters: PairSource,
  { block, linear: name, expert }: LinearPlace,
): readonly LowRankPair[] =>
  [{ name, third: undefined }, ...thirdsOf(name)].flatMap(({ name: part, third }) => {
    const ref = { block, name: part, ...(expert === undefined ? {} : { expert }) };
    if (!parameters.has(lowRankName(ref, 'a'))) return [];
    const get = (matrix: 'a' | 'b'): tf.Tensor2D =>
      parameters.get(lowRankName(ref, matrix)) as tf.Variable<tf.Rank.R2>;
    const [a, b] = [get('a'), get('b')];
    const [out] = b.shape;
    return [{ a, b, around: third === undefined ? [0, 0] : [third * out, (2 - third) * out] } as const];
  });

const isWhole = ([before, behind]: LowRankPair['around']): boolean => before + behind === 0;

/** The sum of s B (A x) over pairs, [B, L, O]. @param x [B, L, I], dropped already */
export const pairOutput = (x: tf.Tensor3D, pairs: readonly LowRankPair[], scale: number): tf.Tensor3D => {
  const parts = pairs.map(({ a, b, around }) => {
    const low = tf.mul(linear(x, a), scale);
    const part = linear(low, b) as tf.Tensor3D;
    return isWhole(around) ? part : tf.pad3d(part, [[0, 0], [0, 0], [...around]]);
  });
  const [only] = parts;
  return parts.length === 1 && only ? only : tf.addN(parts);
};

/** The sum of s B A over pairs, [O, I]. */
export const pairWeight = (pairs: readonly LowRankPair[], scale: number): tf.Tensor2D => {
  const parts = pairs.map(({ a, b, around }) => {
    const part = tf.mul(tf.matMul(b, a), scale) as tf.Tensor2D;
    return isWhole(around) ? part : tf.pad2d(part, [[...around], [0, 0]]);
  });
  const [only] = parts;
  return parts.length === 1 && only ? only : tf.addN(parts);
};

/** The sum of B A over pairs as one product: A of all below each other, B beside each other. */
export const joinedPairs = (pairs: readonly LowRankPair[]): Record<'a' | 'b', tf.Tensor2D> =>
  tf.tidy(() => {
    const b = pairs.map((pair) => tf.pad2d(pair.b, [[...pair.around], [0, 0]]));
    return { a: tf.concat2d([...pairs.map(({ a }) => a)], 0), b: tf.concat2d(b, 1) };
  });
