/**
 * Image classification: the prefix of the image against the prefix of each class name (bare name and end token).
 */
import { imageSequences } from '@polygate/modalities';
import { createImageReader, type ImageSettings } from '../../images.ts';
import { imageToText, segmentRows } from '../../signatures.ts';
import { defineTask, type Task, type TaskSettings } from '../../task.ts';
import { classLabels, createClassCandidates, type ClassSettings } from '../class-targets.ts';

export interface ImageClassificationOptions extends TaskSettings, ImageSettings, ClassSettings {}

/** A task over the columns `image` (or `patches`) and `label`. Label smoothing 0.1 unless told. @throws ConfigError */
export const createImageClassification = (options: ImageClassificationOptions): Task => {
  const { name, lossWeight = 1, labelSmoothing = 0.1 } = options;
  const readPatches = createImageReader(options);
  const choose = createClassCandidates(options);
  const facts = {
    name,
    family: 'image-classification',
    signature: imageToText,
    lossWeight,
    labelSmoothing,
  } as const;
  return defineTask(facts, (batch, collation) => {
    const labels = classLabels(batch, options);
    const inputs = imageSequences(readPatches(batch, collation), segmentRows.image);
    return { inputs, queries: 'prefix', ...choose(labels, collation), loss: 'cross-entropy' };
  });
};
