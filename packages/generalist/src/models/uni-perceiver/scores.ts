/**
 * Scores of queries against candidates: similarities of their features, scaled by a learned temperature.
 *
 * N queries · C candidates · D width
 */
import type { ScoredBatch } from '@polygate/tasks';
import type * as tf from '@tensorflow/tfjs';
import { scoresOf } from '../../similarity.ts';
import { encodeCandidates, encodeFeatures } from './features.ts';
import type { Generalist } from './uni-perceiver-model.ts';

/** Sequences that are encoded at once where only their prefixes are asked. */
const ROWS_AT_ONCE = 64;
/** Texts of a gallery that are encoded at once. */
const TEXTS_AT_ONCE = 512;

const queryFeatures = (
  model: Generalist,
  { inputs, queries }: Pick<ScoredBatch, 'inputs' | 'queries'>,
  task: string | undefined,
): tf.Tensor2D =>
  queries === 'prefix'
    ? encodeCandidates(model, inputs, { chunk: ROWS_AT_ONCE, task })
    : encodeFeatures(model, inputs, { queries, task });

/**
 * Scores of a batch, row by row. A whole candidate set is encoded once and kept by the model.
 * @throws ShapeError for sequences that don't fit the encoder, or tokens of another vocabulary
 */
export const scoreBatch = async (
  model: Generalist,
  batch: ScoredBatch,
  task: string | undefined,
): Promise<Float32Array> => {
  const { targets, temperature } = batch;
  const queries = queryFeatures(model, batch, task);
  const kept = targets.whole ? model.candidateFeatures(targets, task) : undefined;
  const candidates = kept ?? encodeCandidates(model, targets.sequences, { chunk: TEXTS_AT_ONCE, task });
  try {
    return await scoresOf(model, { queries, candidates }, temperature);
  } finally {
    queries.dispose();
    if (!kept) candidates.dispose();
  }
};
