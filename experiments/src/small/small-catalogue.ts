/** Experiments on small sets of images by name; a new one is an entry here. */
import type { SmallExperiment } from './small-experiment.ts';
import { smallImagesExperiment } from './small-images.ts';
import { smallSteps } from './small-steps.ts';
import { transfer } from './transfer.ts';

export const smallExperiments: Readonly<Record<string, SmallExperiment>> = Object.freeze({
  [smallImagesExperiment.name]: smallImagesExperiment,
  [smallSteps.name]: smallSteps,
  [transfer.name]: transfer,
});
