/**
 * Classification of images, and of clips: the prefix of the image against the prefix of each class name (bare name and end
 * token; Uni-Perceiver-MoE, section 3.1).
 */
import { imageSequences } from '@polygate/modalities';
import { createImageReader, type ImageSettings } from '../../images.ts';
import { imageToText, segmentRows } from '../../signatures.ts';
import { defineTask, type Task, type TaskSettings } from '../../task.ts';
import type { VisualReader } from '../../visual/visual-source.ts';
import { classLabels, createClassCandidates, type ClassSettings } from '../class-targets.ts';

export interface VisualClassificationOptions extends TaskSettings, ClassSettings {
  /** Name of the task family. */
  readonly family: string;
  readonly read: VisualReader;
}

/** A task over what `read` reads and the column `label`. Label smoothing 0.1 unless told. @throws ConfigError */
export const createVisualClassification = (options: VisualClassificationOptions): Task => {
  const { name, family, read, lossWeight = 1, labelSmoothing = 0.1 } = options;
  const choose = createClassCandidates(options);
  return defineTask(
    { name, family, signature: imageToText, lossWeight, labelSmoothing },
    (batch, collation) => {
      const labels = classLabels(batch, options);
      const inputs = imageSequences(read(batch, collation), segmentRows.image);
      return { inputs, queries: 'prefix', ...choose(labels, collation), loss: 'cross-entropy' };
    },
  );
};

export interface ImageClassificationOptions extends TaskSettings, ImageSettings, ClassSettings {}

/** A task over the columns `image` (or `patches`) and `label`. Label smoothing 0.1 unless told. @throws ConfigError */
export const createImageClassification = (options: ImageClassificationOptions): Task =>
  createVisualClassification({
    ...options,
    family: 'image-classification',
    read: createImageReader(options),
  });
