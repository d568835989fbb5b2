/**
 * Baselines that need no model: what a score must beat before it means anything.
 * Axis legend: N pictures · S side after shrinking · 3 colours.
 */
import { ShapeError } from '@polygate/core';

/** Pictures of one split with their labels. */
export interface LabelledPictures {
  /** Each [size·size·3], row-major RGB. */
  readonly pixels: readonly Uint8Array[];
  readonly labels: readonly number[];
}

const argmax = (counts: readonly number[]): number => counts.indexOf(Math.max(...counts));

/** Accuracy on `labels` of always answering the class that is most frequent in `training`. */
export const majorityAccuracy = (training: readonly number[], labels: readonly number[]): number => {
  const counts: number[] = [];
  for (const label of training) {
    while (counts.length <= label) counts.push(0);
    counts[label] = (counts[label] ?? 0) + 1;
  }
  const guess = argmax(counts);
  return labels.filter((label) => label === guess).length / Math.max(1, labels.length);
};

/** Mean of blocks: [size, size, 3] -> [side, side, 3]; `size` need not be a multiple of `side`. */
export const shrinkPicture = (pixels: ArrayLike<number>, size: number, side: number): Float32Array => {
  if (pixels.length !== size * size * 3) {
    throw new ShapeError(
      `shrink: expected ${size} x ${size} x 3 = ${size * size * 3} values, got ${pixels.length}; give RGB pictures of that size`,
    );
  }
  const out = new Float32Array(side * side * 3);
  const edge = (i: number): number => Math.floor((i * size) / side);
  for (let row = 0; row < side; row += 1) {
    for (let column = 0; column < side; column += 1) {
      const top = edge(row);
      const left = edge(column);
      const bottom = Math.max(top + 1, edge(row + 1));
      const right = Math.max(left + 1, edge(column + 1));
      const area = (bottom - top) * (right - left);
      for (let y = top; y < bottom; y += 1) {
        for (let x = left; x < right; x += 1) {
          for (let c = 0; c < 3; c += 1) {
            const at = (row * side + column) * 3 + c;
            out[at] = (out[at] ?? 0) + (pixels[(y * size + x) * 3 + c] ?? 0) / area;
          }
        }
      }
    }
  }
  return out;
};

/** Squared distance, given up once it is over `limit`. */
const distance = (a: Float32Array, b: Float32Array, limit: number): number => {
  let sum = 0;
  for (let i = 0; i < a.length; i += 1) {
    const d = (a[i] as number) - (b[i] as number);
    sum += d * d;
    if ((i & 31) === 31 && sum > limit) return sum;
  }
  return sum;
};

/** Side to which pictures are shrunk for comparison, and that of the coarse form; the first is a multiple. */
const FINE_SIDE = 16;
const COARSE_SIDE = 4;
const BLOCK_AREA = (FINE_SIDE / COARSE_SIDE) ** 2;

/** A picture in its fine form, and the block means of that. */
interface Shrunk {
  readonly fine: Float32Array;
  readonly coarse: Float32Array;
}

const shrinkTwice = (pixels: Uint8Array, size: number): Shrunk => {
  const fine = shrinkPicture(pixels, size, FINE_SIDE);
  return { fine, coarse: shrinkPicture(fine, FINE_SIDE, COARSE_SIDE) };
};

/**
 * Accuracy of the nearest neighbour by squared distance of pixels, after shrinking to 16 x 16. Of equal distances the
 * first training picture counts. The distance of block means, times the pixels of a block, is a lower bound of the
 * distance (Jensen), so most candidates are passed over without changing the result.
 */
export const pixelNearestNeighbourAccuracy = (
  training: LabelledPictures,
  queries: LabelledPictures,
  size: number,
): number => {
  const known = training.pixels.map((pixels) => shrinkTwice(pixels, size));
  let right = 0;
  for (const [index, pixels] of queries.pixels.entries()) {
    const query = shrinkTwice(pixels, size);
    let best = Infinity;
    let label = -1;
    for (let at = 0; at < known.length; at += 1) {
      const candidate = known[at] as Shrunk;
      const bound = best / BLOCK_AREA;
      // The margin keeps rounding of the bound from hiding a candidate of equal distance.
      if (distance(query.coarse, candidate.coarse, bound) > bound * 1.0001) continue;
      const d = distance(query.fine, candidate.fine, best);
      if (d < best) {
        best = d;
        label = training.labels[at] ?? -1;
      }
    }
    if (label === queries.labels[index]) right += 1;
  }
  return right / Math.max(1, queries.pixels.length);
};

/** The text that occurs most often; of equals the one that occurs first. Undefined for no texts. */
export const mostFrequentText = (texts: readonly string[]): string | undefined => {
  const counts = new Map<string, number>();
  for (const text of texts) counts.set(text, (counts.get(text) ?? 0) + 1);
  let best: string | undefined;
  for (const [text, count] of counts) {
    if (best === undefined || count > (counts.get(best) ?? 0)) best = text;
  }
  return best;
};
