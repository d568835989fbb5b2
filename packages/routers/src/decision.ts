/** The outcome of a gate, as every router hands it on. */
import type * as tf from '@tensorflow/tfjs';

/** Experts and weights chosen for R rows at one site. */
export interface GateDecision {
  /** [R, E] float32, differentiable; zero at experts that were not chosen. Owned by the enclosing tidy. */
  readonly gates: tf.Tensor2D;
  /** Ids of the chosen experts by row, the likeliest first. */
  readonly chosen: readonly (readonly number[])[];
  /** [R, E] float32, the softmax before the choice, noise included. For telemetry. */
  readonly probabilities: Float32Array;
  /** [R, E] float32, the values of `gates`. For telemetry. */
  readonly values: Float32Array;
  /** Number of experts E. */
  readonly experts: number;
}
