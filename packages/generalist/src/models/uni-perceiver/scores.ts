/**
 * Scores of queries against candidates on the host, for predictions and evaluation.
 *
 * N queries · C candidates · D width
 */
import { StateError } from '@polygate/core';
import type { ScoredBatch, ScoreOptions } from '@polygate/tasks';
import { exactLinear, l2Normalize } from '@polygate/tensor';
import * as tf from '@tensorflow/tfjs';
import type { ClassHead } from '../../tuning/class-heads.ts';
import { FIRST_ARCHITECTURE } from '../model-config.ts';
import type { ComparingModel, EncodingModel } from './comparing-model.ts';
import { encodeCandidates, encodeFeatures } from './features.ts';
import { temperatureFactor } from './temperature.ts';

/** Sequences of inputs that are encoded at once where their prefixes are compared. */
const INPUTS_AT_ONCE = 64;

type Inputs = Pick<ScoredBatch, 'inputs' | 'queries'>;

/** [N, D] of unit length where it is asked for, the caller's. */
const queryFeatures = (
  model: ComparingModel,
  { inputs, queries }: Inputs,
  options: { readonly task: string | undefined; readonly unit: boolean },
): tf.Tensor2D =>
  queries === 'prefix'
    ? encodeCandidates(model, inputs, { chunk: INPUTS_AT_ONCE, side: 'inputs', ...options })
    : encodeFeatures(model, inputs, { queries, ...options });

/** Scaled similarities mixed with the logits of a head, [N * C]. @param queries [N, D] before unit length */
const headScores = async (
  model: EncodingModel,
  {
    queries,
    candidates,
    head,
  }: { readonly queries: tf.Tensor2D; readonly candidates: tf.Tensor2D; readonly head: ClassHead },
  temperature: string,
): Promise<Float32Array> => {
  const logits = tf.tidy(() => {
    const cosines = exactLinear(l2Normalize(queries), candidates);
    return head.mixExactly(queries, tf.mul(cosines, temperatureFactor(model, temperature)) as tf.Tensor2D);
  });
  try {
    return (await logits.data()) as Float32Array;
  } finally {
    logits.dispose();
  }
};

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
    factor: temperature === undefined ? tf.scalar(1) : temperatureFactor(model, temperature),
  }));
  try {
    const [scale = 1] = await factor.data();
    return ((await cosines.data()) as Float32Array).map((cosine) => cosine * scale);
  } finally {
    tf.dispose([cosines, factor]);
  }
};

const comparedScores = async (
  model: ComparingModel,
  batch: ScoredBatch,
  { task, scaled = true }: ScoreOptions,
): Promise<Float32Array> => {
  const { targets, temperature } = batch;
  const { adapter } = model;
  const head = scaled ? adapter?.headOf(task, targets) : undefined;
  const queries = queryFeatures(model, batch, { task, unit: head === undefined });
  const cached = targets.whole ? model.candidateFeatures(targets, task) : undefined;
  const sequences = adapter?.sequencesOf(task, targets) ?? targets.sequences;
  const candidates = cached ?? encodeCandidates(model, sequences, { task });
  try {
    if (head) return await headScores(model, { queries, candidates, head }, temperature);
    return await scoresOf(model, { queries, candidates }, scaled ? temperature : undefined);
  } finally {
    tf.dispose([queries, ...(cached ? [] : [candidates])]);
  }
};

const requireFinite = (scores: Float32Array, candidates: number): Float32Array => {
  const at = scores.findIndex((score) => !Number.isFinite(score));
  if (at < 0) return scores;
  throw new StateError(
    `${FIRST_ARCHITECTURE}: expected finite scores of candidates, got ${scores[at]} for query ${Math.floor(at / candidates)} and candidate ${at % candidates}; has the model diverged? take an earlier checkpoint`,
    { code: 'nan-score' },
  );
};

/** As `TaskModel.scores`, by features of both sides. @throws StateError (code `nan-score`) for what can't be ranked */
export const scoreBatch = async (
  model: ComparingModel,
  batch: ScoredBatch,
  options: ScoreOptions = {},
): Promise<Float32Array> =>
  requireFinite(await comparedScores(model, batch, options), batch.targets.sequences.size);
