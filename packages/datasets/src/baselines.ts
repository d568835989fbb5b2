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

/** Side to which pictures are shrunk for comparison, and that of the coarse form; the first is a multiple. */
const FINE_SIDE = 16;
const COARSE_SIDE = 4;
const BLOCK_AREA = (FINE_SIDE / COARSE_SIDE) ** 2;

/** Pictures shrunk, and block means of that: fine [N, 256·C], coarse [N, 16·C], each in one piece of memory. */
interface Shrunk {
  readonly fine: Float32Array;
  readonly coarse: Float32Array;
  readonly fineWidth: number;
  readonly coarseWidth: number;
}

const isGrey = (pixels: Uint8Array): boolean => {
  for (let i = 0; i < pixels.length; i += 3) {
    if (pixels[i] !== pixels[i + 1] || pixels[i] !== pixels[i + 2]) return false;
  }
  return true;
};

/** Of grey pictures one channel is kept: the other two would only treble every distance. */
const shrinkAll = (pictures: readonly Uint8Array[], size: number, channels: 1 | 3): Shrunk => {
  const fineWidth = FINE_SIDE * FINE_SIDE * channels;
  const coarseWidth = COARSE_SIDE * COARSE_SIDE * channels;
  const fine = new Float32Array(pictures.length * fineWidth);
  const coarse = new Float32Array(pictures.length * coarseWidth);
  const kept = (values: Float32Array): Float32Array =>
    channels === 3 ? values : values.filter((_, i) => i % 3 === 0);
  for (const [index, pixels] of pictures.entries()) {
    const small = shrinkPicture(pixels, size, FINE_SIDE);
    fine.set(kept(small), index * fineWidth);
    coarse.set(kept(shrinkPicture(small, FINE_SIDE, COARSE_SIDE)), index * coarseWidth);
  }
  return { fine, coarse, fineWidth, coarseWidth };
};

/** Squared distance of row `i` of `a` and row `j` of `b`, given up once it is over `limit`. */
const distance = (
  a: Float32Array,
  b: Float32Array,
  rows: { i: number; j: number; width: number; limit: number },
): number => {
  const { width, limit } = rows;
  let x = rows.i * width;
  let y = rows.j * width;
  let sum = 0;
  for (let k = 1; k <= width; k += 1) {
    const d = (a[x++] as number) - (b[y++] as number);
    sum += d * d;
    if ((k & 31) === 0 && sum > limit) return sum;
  }
  return sum;
};

/** Index of the nearest row of `known` to row `i` of `queries`; the first of equals. */
const nearest = (known: Shrunk, queries: Shrunk, i: number): number => {
  const count = known.coarse.length / known.coarseWidth;
  const bounds = new Float64Array(count);
  let likely = 0;
  const rows = { i, j: 0, width: known.coarseWidth, limit: Infinity };
  for (let j = 0; j < count; j += 1) {
    rows.j = j;
    // The margin keeps rounding from hiding a candidate of equal distance.
    bounds[j] = distance(queries.coarse, known.coarse, rows) * BLOCK_AREA * 0.9999;
    if ((bounds[j] as number) < (bounds[likely] as number)) likely = j;
  }
  rows.width = known.fineWidth;
  rows.j = likely;
  let best = distance(queries.fine, known.fine, rows);
  let index = likely;
  for (let j = 0; j < count; j += 1) {
    if ((bounds[j] as number) > best) continue;
    rows.j = j;
    rows.limit = best;
    const d = distance(queries.fine, known.fine, rows);
    if (d < best || (d === best && j < index)) {
      best = d;
      index = j;
    }
  }
  return index;
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
  const channels = training.pixels.every(isGrey) && queries.pixels.every(isGrey) ? 1 : 3;
  const known = shrinkAll(training.pixels, size, channels);
  const asked = shrinkAll(queries.pixels, size, channels);
  const right = queries.labels.filter((label, i) => training.labels[nearest(known, asked, i)] === label);
  return right.length / Math.max(1, queries.labels.length);
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
