import type * as tf from '@tensorflow/tfjs';
import { einsumGradients } from './einsum.ts';
import { indexingGradients } from './indexing.ts';
import { scanGradients } from './scans.ts';

/** Configurations of the gradients that tfjs lacks or has wrong. */
export const missingGradients: readonly tf.GradConfig[] = [
  ...scanGradients,
  ...indexingGradients,
  ...einsumGradients,
];
