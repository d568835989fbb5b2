import type * as tf from '@tensorflow/tfjs';
import { einsumGradients } from './einsum.ts';
import { indexingGradients } from './indexing.ts';
import { reductionGradients } from './reductions.ts';
import { scanGradients } from './scans.ts';

/** Configurations of the gradients that tfjs lacks, has wrong or makes of host values. */
export const missingGradients: readonly tf.GradConfig[] = [
  ...scanGradients,
  ...indexingGradients,
  ...einsumGradients,
  ...reductionGradients,
];
