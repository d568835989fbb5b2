/**
 * Plain arithmetic in double precision, from which the answers to known questions come: loops that share no code with
 * any engine. Numbers of questions are eighths from -1 to 1, exact in bfloat16, so that products of them are exact in
 * float32 and what is left to an engine is the rounding of its results.
 */
import * as tf from '@tensorflow/tfjs';

/** Values of a question, as an engine gets them and as its answer is computed from them. */
export interface Known {
  readonly shape: readonly number[];
  readonly values: Float64Array;
}

/** Number of elements of a shape. */
export const sizeOf = (shape: readonly number[]): number => shape.reduce((size, extent) => size * extent, 1);

/** Eighths from -1 to 1 in an order without pattern, another one for each `seed`. */
export const knownTensor = (shape: readonly number[], seed: number): Known => {
  const values = new Float64Array(sizeOf(shape));
  let state = (seed * 2654435761 + 12345) >>> 0;
  for (let i = 0; i < values.length; i += 1) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    values[i] = ((state >>> 16) % 17) / 8 - 1;
  }
  return { shape, values };
};

/** Values that a function gives, by position. */
export const knownBy = (shape: readonly number[], at: (index: number) => number): Known => ({
  shape,
  values: Float64Array.from({ length: sizeOf(shape) }, (_, index) => at(index)),
});

/** The values as a float32 tensor of the engine in use. */
export const tensorOf = <T extends tf.Tensor = tf.Tensor>({ shape, values }: Known): T =>
  tf.tensor(Float32Array.from(values), [...shape], 'float32') as T;

/** Calls `add` with the places of the factors and of the sum, for each term of a sum of products. */
export type Terms = (add: (a: number, b: number, sum: number) => void) => void;

/** A sum of products y = sum a b, and its gradients. */
export interface Bilinear {
  readonly y: Float64Array;
  readonly da: Float64Array;
  readonly db: Float64Array;
}

/** What every product, convolution and look-up is: y[s] += a[i] b[j] over terms, with da[i] += dy[s] b[j] and db[j] += dy[s] a[i]. */
export const bilinear = (terms: Terms, a: Float64Array, b: Float64Array, dy: Float64Array): Bilinear => {
  const y = new Float64Array(dy.length);
  const da = new Float64Array(a.length);
  const db = new Float64Array(b.length);
  terms((i, j, s) => {
    const left = a[i] as number;
    const right = b[j] as number;
    const upstream = dy[s] as number;
    y[s] = (y[s] as number) + left * right;
    da[i] = (da[i] as number) + upstream * right;
    db[j] = (db[j] as number) + upstream * left;
  });
  return { y, da, db };
};

/** Terms of [B, M, K] times [B, K, N]; a factor that is transposed lies in memory as [B, K, M] or [B, N, K]. */
export const productTerms =
  (
    { batch = 1, rows, inner, columns }: { batch?: number; rows: number; inner: number; columns: number },
    { transposeA = false, transposeB = false }: { transposeA?: boolean; transposeB?: boolean } = {},
  ): Terms =>
  (add) => {
    for (let n = 0; n < batch; n += 1)
      for (let r = 0; r < rows; r += 1)
        for (let c = 0; c < columns; c += 1)
          for (let k = 0; k < inner; k += 1)
            add(
              n * rows * inner + (transposeA ? k * rows + r : r * inner + k),
              n * inner * columns + (transposeB ? c * inner + k : k * columns + c),
              (n * rows + r) * columns + c,
            );
  };

/** x plus the bias of its column. */
export const plusBias = (x: Float64Array, bias: Float64Array): Float64Array =>
  x.map((value, at) => value + (bias[at % bias.length] as number));

/** Sums of the columns of a matrix with rows of `width`. */
export const columnSums = (x: Float64Array, width: number): Float64Array => {
  const sums = new Float64Array(width);
  x.forEach((value, at) => {
    sums[at % width] = (sums[at % width] as number) + value;
  });
  return sums;
};

/** Distribution function of the standard normal, by its power series near 0 and its continued fraction beyond: to 1e-13. */
const normalDistribution = (x: number): number => {
  const density = Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);
  if (Math.abs(x) < 3.5) {
    let term = x;
    let sum = x;
    for (let n = 1; n < 60; n += 1) {
      term *= (x * x) / (2 * n + 1);
      sum += term;
    }
    return 0.5 + sum * density;
  }
  let fraction = Math.abs(x);
  for (let n = 60; n > 0; n -= 1) fraction = Math.abs(x) + n / fraction;
  return x > 0 ? 1 - density / fraction : density / fraction;
};

/** The exact GELU, x times the distribution function of the standard normal (Hendrycks & Gimpel 2016). */
export const geluOf = (x: number): number => x * normalDistribution(x);

/** Its derivative. */
export const geluSlope = (x: number): number =>
  normalDistribution(x) + (x * Math.exp((-x * x) / 2)) / Math.sqrt(2 * Math.PI);

/** Applies `row` to each row of `width` values. */
export const byRows = (
  x: Float64Array,
  width: number,
  row: (values: Float64Array, index: number) => Float64Array,
): Float64Array => {
  const out = new Float64Array(x.length);
  for (let r = 0; r * width < x.length; r += 1)
    out.set(row(x.subarray(r * width, (r + 1) * width), r), r * width);
  return out;
};

/** Softmax of one row; entries of -Infinity have probability 0. */
export const softmaxOf = (row: Float64Array): Float64Array => {
  const top = row.reduce((most, value) => Math.max(most, value), -Infinity);
  const powers = row.map((value) => Math.exp(value - top));
  const sum = powers.reduce((total, value) => total + value, 0);
  return powers.map((value) => value / sum);
};

/** Gradient to a row of scores from that to their softmax. */
export const softmaxGradient = (probabilities: Float64Array, upstream: Float64Array): Float64Array => {
  const along = probabilities.reduce((sum, p, at) => sum + p * (upstream[at] as number), 0);
  return probabilities.map((p, at) => p * ((upstream[at] as number) - along));
};
