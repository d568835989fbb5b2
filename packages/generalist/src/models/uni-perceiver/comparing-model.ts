/** What features, scores and losses need of the model: they are its parts, and do not know it whole. */
import type { Encoder } from '@polygate/encoder';
import type { TaskTargets } from '@polygate/tasks';
import type * as tf from '@tensorflow/tfjs';
import type { Adapter } from '../../tuning/adapter.ts';

/** Encodes sequences. */
export interface EncodingModel {
  readonly encoder: Encoder;
  /** What it is tuned by; its encoder then stays as it is. */
  readonly adapter?: Adapter | undefined;
}

/** Compares features with those of candidates. */
export interface ComparingModel extends EncodingModel {
  /** Features of a whole candidate set, [C, D] of unit length, kept by the model. */
  candidateFeatures(targets: TaskTargets, task?: string): tf.Tensor2D;
}
