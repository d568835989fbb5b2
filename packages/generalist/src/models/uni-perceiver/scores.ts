/**
 * Scores of queries against candidates on the host, for predictions and evaluation.
 *
 * N queries · C candidates · D width
 */
import type { ScoredBatch, ScoreOptions } from '@polygate/tasks';
import { exactLinear } from '@polygate/tensor';
import * as tf from '@tensorflow/tfjs';
import type { ComparingModel, EncodingModel } from './comparing-model.ts';
import { encodeCandidates, encodeFeatures } from './features.ts';

/** Sequences of inputs that are encoded at once where their prefixes are compared. */
const INPUTS_AT_ONCE = 64;

type Inputs = Pick<ScoredBatch, 'inputs' | 'queries'>;

/** [N, D] of unit length, the caller's. */
const queryFeatures = (
  model: ComparingModel,
  { inputs, queries }: Inputs,
  task: string | undefined,
): tf.Tensor2D =>
  queries === 'prefix'
    ? encodeCandidates(model, inputs, { chunk: INPUTS_AT_ONCE, task })
    : encodeFeatures(model, inputs, { queries, task });

/**
 * Scaled similarities [N * C], row by row; cosines without a temperature. Features are borrowed. The product is float32 in
 * every precision: cosines that are rounded to bf16 tie where the features do not.
 */
export const scoresOf = async (
  model: EncodingModel,
  features: { readonly queries: tf.Tensor2D; readonly candidates: tf.Tensor2D },
  temperature?: string,
): Promise<Float32Array> => {
  const { cosines, factor } = tf.tidy(() => ({
    cosines: exactLinear(features.queries, features.candidates),
    factor: temperature === undefined ? tf.scalar(1) : model.encoder.temperature(temperature),
  }));
  try {
    const [scale = 1] = await factor.data();
    return ((await cosines.data()) as Float32Array).map((cosine) => cosine * scale);
  } finally {
    tf.dispose([cosines, factor]);
  }
};

/** As `TaskModel.scores`, by features of both sides. */
export const scoreBatch = async (
  model: ComparingModel,
  batch: ScoredBatch,
  { task, scaled = true }: ScoreOptions = {},
): Promise<Float32Array> => {
  const { targets, temperature } = batch;
  const queries = queryFeatures(model, batch, task);
  const cached = targets.whole ? model.candidateFeatures(targets, task) : undefined;
  const candidates = cached ?? encodeCandidates(model, targets.sequences, { task });
  try {
    return await scoresOf(model, { queries, candidates }, scaled ? temperature : undefined);
  } finally {
    tf.dispose([queries, ...(cached ? [] : [candidates])]);
  }
};
