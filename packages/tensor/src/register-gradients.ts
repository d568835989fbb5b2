/** Puts the gradients that tfjs lacks into its registry, and those of our kernels with several outputs. */
import * as tf from '@tensorflow/tfjs';
import { missingGradients } from './gradients/index.ts';
import { routerLogitsGradient } from './router-logits.ts';
import { decidedGatesGradient } from './token-choice.ts';

/**
 * Registers gradients of TopK, GatherNd, ScatterNd, TensorScatterUpdate, Einsum, StridedSlice, Cumprod, and replaces
 * tfjs's of Cumsum, whose shape is wrong where the axis is not the last, and of Sum and Mean, which upload ones. Idempotent; the registry is shared by
 * every copy of tfjs in the process.
 */
export const registerGradients = (): void => {
  for (const config of [...missingGradients, routerLogitsGradient, decidedGatesGradient]) {
    if (tf.getGradient(config.kernelName) === config) continue;
    if (tf.getGradient(config.kernelName)) tf.unregisterGradient(config.kernelName);
    tf.registerGradient(config);
  }
};
