/**
 * Scores of features against candidates on the host, for predictions and evaluation.
 *
 * N queries · C candidates · D width
 */
import { imageSequences, type ImagePatches } from '@polygate/modalities';
import { segmentRows } from '@polygate/tasks';
import { exactLinear } from '@polygate/tensor';
import * as tf from '@tensorflow/tfjs';
import { encodeFeatures } from './models/uni-perceiver/features.ts';
import type { Generalist } from './models/uni-perceiver/uni-perceiver-model.ts';
import { pieces, range, takePatches } from './pictures.ts';

/** Pictures that are encoded at once. */
const PICTURES_AT_ONCE = 64;

/**
 * Features of pictures as inputs of classification and retrieval.
 * @param task that they serve, or undefined where the model's routers don't look at it
 * @returns [N, D] of unit length, the caller's
 */
export const pictureFeatures = (
  model: Generalist,
  images: ImagePatches,
  task: string | undefined,
): tf.Tensor2D =>
  tf.tidy(() => {
    const parts = pieces(images.size, PICTURES_AT_ONCE).map(([start, end]) =>
      encodeFeatures(model, imageSequences(takePatches(images, range(start, end)), segmentRows.image), {
        task,
      }),
    );
    const [only] = parts;
    return parts.length === 1 && only ? only : tf.concat2d(parts, 0);
  });

/**
 * Scaled similarities [N * C], row by row. Features are borrowed. The product is float32 in every precision: cosines that
 * are rounded to bf16 tie where the features do not.
 */
export const scoresOf = async (
  model: Generalist,
  features: { readonly queries: tf.Tensor2D; readonly candidates: tf.Tensor2D },
  temperature: string,
): Promise<Float32Array> => {
  const { cosines, factor } = tf.tidy(() => ({
    cosines: exactLinear(features.queries, features.candidates),
    factor: model.encoder.temperature(temperature),
  }));
  try {
    const [scale = 1] = await factor.data();
    return ((await cosines.data()) as Float32Array).map((cosine) => cosine * scale);
  } finally {
    tf.dispose([cosines, factor]);
  }
};

/** Softmax of each row of [N * C]. */
export const softmaxRows = (scores: Float32Array, width: number): Float32Array => {
  const out = new Float32Array(scores.length);
  for (let start = 0; start < scores.length; start += width) {
    let most = Number.NEGATIVE_INFINITY;
    for (let c = 0; c < width; c += 1) most = Math.max(most, scores[start + c] ?? 0);
    let sum = 0;
    for (let c = 0; c < width; c += 1) sum += Math.exp((scores[start + c] ?? 0) - most);
    for (let c = 0; c < width; c += 1) {
      out[start + c] = Math.exp((scores[start + c] ?? 0) - most) / sum;
    }
  }
  return out;
};

/** Indices of the `count` largest values, largest first; the lower index of equal ones. */
export const largest = (values: ArrayLike<number>, count: number): readonly number[] =>
  Array.from(values, (_, i) => i)
    .sort((a, b) => (values[b] ?? 0) - (values[a] ?? 0) || a - b)
    .slice(0, count);
