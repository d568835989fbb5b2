/** What features, scores and losses need of the model: they are its parts, and do not know it whole. */
import type { Encoder } from '@polygate/encoder';
import type { TaskTargets } from '@polygate/tasks';
import type * as tf from '@tensorflow/tfjs';

/** Encodes sequences. */
export interface EncodingModel {
  readonly encoder: Encoder;
}

/** Compares features with those of candidates. */
export interface ComparingModel extends EncodingModel {
  /** Features of a whole candidate set, [C, D] of unit length, kept by the model. */
  candidateFeatures(targets: TaskTargets, task?: string): tf.Tensor2D;
}
