/**
 * Auxiliary losses of a router where a batch is computed in parts, by several processes: they are those of the whole batch.
 * With f_e of the whole batch the balance loss is a sum over parts, and so is the z-loss; a loss of sums over tokens is
 * computed from the whole sums on every part, whose own sums get the whole gradient.
 *
 * E experts · p a part, which counts by the share w_p · N_p its tokens
 */
import * as tf from '@tensorflow/tfjs';

/** What a router is told of the batch that its tokens are a part of. */
export interface WholeBatch {
  /** w_p: by what the losses of this part count among those of all, above 0. */
  readonly share: number;
  /** Sums over all parts of numbers that each part has; the same names on all of them. */
  sum(name: string, part: Float64Array): Float64Array;
}

/** Choices of the experts over the whole batch, and its tokens. */
export interface WholeCounts {
  readonly wanted: ArrayLike<number>;
  readonly total: number;
  /** Tokens of the part over those that its share stands for: N_p / (w_p N). */
  readonly density: number;
}

/** The counts of a part, or those of the whole batch. @param counted tokens of the part that are no padding */
export const countWhole = (
  wanted: Int32Array,
  { counted, total }: { readonly counted: number; readonly total: number },
  whole: WholeBatch | undefined,
): WholeCounts => {
  if (!whole) return { wanted, total, density: 1 };
  const sums = whole.sum('choices', Float64Array.of(...wanted, total, counted));
  const [allTotal = 0, allCounted = 0] = sums.subarray(wanted.length);
  return {
    wanted: sums.subarray(0, wanted.length),
    total: allTotal,
    density: counted / Math.max(1, allCounted) / whole.share,
  };
};

/** Whether a loss is a function of sums over tokens. */
interface OfSums {
  readonly sums?: unknown;
}

/** A further loss as the gradient of a part wants it: values of sums over the whole batch count by the share. */
export const shareOf = ({ sums }: OfSums, value: number, whole: WholeBatch | undefined): number =>
  whole && sums ? value * whole.share : value;

/** The losses of a part with the factors by which they add up to those of the whole batch. */
export const partLoss = <Values extends Readonly<Record<string, number>>>(
  loss: { readonly values: Values; readonly tensor: tf.Tensor1D },
  further: readonly OfSums[],
  { whole, density }: { readonly whole: WholeBatch | undefined; readonly density: number },
): typeof loss => {
  if (!whole) return loss;
  const factors = [density, density, ...further.map(({ sums }) => (sums ? 1 / whole.share : density))];
  const values = Object.entries(loss.values).map(
    ([name, value], at) => [name, value * (factors[at] ?? 1)] as const,
  );
  return {
    values: Object.fromEntries(values) as Values,
    tensor: tf.mul(loss.tensor, tf.tensor1d(factors)),
  };
};
