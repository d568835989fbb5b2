/**
 * Nearest neighbour in pixel space, the baseline that an image model must beat. N images · HWC uint8.
 * Exact, yet most pairs are ruled out cheaply: for cells of at most m pixels, the squared distance of two images is at
 * least the sum over cells of (difference of the cells' sums)^2 / m (Cauchy-Schwarz). Bounds from coarse cells and
 * then from fine cells rule references out; only the rest is compared pixel by pixel.
 */
import { ConfigError, ShapeError } from '@polygate/core';

export interface ImageSet {
  /** Images one after another, uint8 [N, H, W, C]. */
  readonly pixels: Uint8Array;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
}

export interface Neighbours {
  /** Index of each query's nearest reference; the lowest of equally near ones. */
  readonly indices: Int32Array;
  /** Squared Euclidean distance of the bytes. */
  readonly distances: Float64Array;
}

/** Whether all channels of every image agree. */
const isGrey = ({ pixels, channels }: ImageSet): boolean => {
  for (let i = 0; i < pixels.length; i += channels) {
    for (let c = 1; c < channels; c += 1) if (pixels[i] !== pixels[i + c]) return false;
  }
  return true;
};

const firstChannel = ({ pixels, channels, ...size }: ImageSet): ImageSet => ({
  ...size,
  channels: 1,
  pixels: Uint8Array.from({ length: pixels.length / channels }, (_, i) => pixels[i * channels] as number),
});

/** Sides of the cells of the two bounds, in pixels. */
const coarse = 4;
const fine = 2;

interface CellSums {
  readonly sums: Int32Array;
  /** Sums of one image. */
  readonly length: number;
  /** Pixels of the largest cell. */
  readonly area: number;
}

const countImages = (name: string, set: ImageSet): number => {
  const size = set.height * set.width * set.channels;
  const count = set.pixels.length / size;
  if (!Number.isInteger(count)) {
    throw new ShapeError(
      `pixelNeighbours: expected ${name} of ${set.height}x${set.width}x${set.channels} = ${size} bytes each, got ${set.pixels.length} bytes`,
    );
  }
  return count;
};

const sumCells = (set: ImageSet, side: number): CellSums => {
  const { height, width, channels, pixels } = set;
  const columns = Math.ceil(width / side);
  const length = Math.ceil(height / side) * columns * channels;
  const size = height * width * channels;
  const count = pixels.length / size;
  const sums = new Int32Array(count * length);
  for (let n = 0; n < count; n += 1) {
    let at = n * size;
    for (let y = 0; y < height; y += 1) {
      const row = n * length + Math.floor(y / side) * columns * channels;
      for (let x = 0; x < width; x += 1) {
        const cell = row + Math.floor(x / side) * channels;
        for (let c = 0; c < channels; c += 1) {
          sums[cell + c] = (sums[cell + c] as number) + (pixels[at] as number);
          at += 1;
        }
      }
    }
  }
  return { sums, length, area: Math.min(side, height) * Math.min(side, width) };
};

/** Sum of squared differences of two runs, abandoned once it is above `limit`. */
const distanceUpTo = (
  a: Uint8Array | Int32Array,
  b: Uint8Array | Int32Array,
  run: { readonly a: number; readonly b: number; readonly length: number; readonly limit: number },
): number => {
  const stride = 64;
  let sum = 0;
  for (let start = 0; start < run.length; start += stride) {
    const end = Math.min(start + stride, run.length);
    for (let i = start; i < end; i += 1) {
      const d = (a[run.a + i] as number) - (b[run.b + i] as number);
      sum += d * d;
    }
    if (sum > run.limit) return sum;
  }
  return sum;
};

/**
 * The nearest reference of each query. Memory: about a tenth of the references' bytes as int32, beside them.
 * @throws ShapeError for images of different sizes or no references
 */
export const pixelNeighbours = (queries: ImageSet, references: ImageSet): Neighbours => {
  const count = countImages('queries', queries);
  const others = countImages('references', references);
  if (
    others === 0 ||
    queries.height !== references.height ||
    queries.width !== references.width ||
    queries.channels !== references.channels
  ) {
    throw new ShapeError(
      `pixelNeighbours: expected references of the queries' size ${queries.height}x${queries.width}x${queries.channels}, ` +
        `got ${others} of ${references.height}x${references.width}x${references.channels}`,
    );
  }
  const { channels } = queries;
  if (channels > 1 && isGrey(queries) && isGrey(references)) {
    // Equal channels only multiply every distance.
    const { indices, distances } = pixelNeighbours(firstChannel(queries), firstChannel(references));
    return Object.freeze({ indices, distances: distances.map((distance) => distance * channels) });
  }
  const size = queries.height * queries.width * channels;
  const [coarseQueries, coarseReferences] = [sumCells(queries, coarse), sumCells(references, coarse)];
  const [fineQueries, fineReferences] = [sumCells(queries, fine), sumCells(references, fine)];
  const indices = new Int32Array(count);
  const distances = new Float64Array(count);
  const bounds = new Float64Array(others);
  const cells = coarseQueries.length;
  for (let q = 0; q < count; q += 1) {
    let likely = 0;
    for (let r = 0; r < others; r += 1) {
      let sum = 0;
      const a = q * cells;
      const b = r * cells;
      for (let i = 0; i < cells; i += 1) {
        const d = (coarseQueries.sums[a + i] as number) - (coarseReferences.sums[b + i] as number);
        sum += d * d;
      }
      bounds[r] = sum;
      if (sum < (bounds[likely] as number)) likely = r;
    }
    let best = Infinity;
    let nearest = -1;
    const consider = (r: number): void => {
      // All sums are whole numbers below 2^53, so the comparisons are exact.
      if ((bounds[r] as number) > best * coarseQueries.area) return;
      const fineLimit = best * fineQueries.area;
      const bound = distanceUpTo(fineQueries.sums, fineReferences.sums, {
        a: q * fineQueries.length,
        b: r * fineQueries.length,
        length: fineQueries.length,
        limit: fineLimit,
      });
      if (bound > fineLimit) return;
      const distance = distanceUpTo(queries.pixels, references.pixels, {
        a: q * size,
        b: r * size,
        length: size,
        limit: best,
      });
      if (distance < best || (distance === best && r < nearest)) {
        best = distance;
        nearest = r;
      }
    };
    // The reference with the lowest bound is often the nearest, and then rules out most others at once.
    consider(likely);
    for (let r = 0; r < others; r += 1) if (r !== likely) consider(r);
    indices[q] = nearest;
    distances[q] = best;
  }
  return Object.freeze({ indices, distances });
};

/** Labels that the nearest references give to the queries. @throws ConfigError unless every reference has a label */
export const neighbourLabels = (
  queries: ImageSet,
  references: ImageSet,
  labels: ArrayLike<number>,
): Int32Array => {
  const count = countImages('references', references);
  if (labels.length !== count) {
    throw new ConfigError(
      `neighbourLabels: expected a label for each of ${count} references, got ${labels.length}`,
    );
  }
  return Int32Array.from(pixelNeighbours(queries, references).indices, (index) => labels[index] ?? -1);
};
