/**
 * Classification of images, and of clips: the prefix of the image against the prefix of each class name (bare name and end
 * token; Uni-Perceiver-MoE, section 3.1).
 */
import { imageSequences, type ImagePatches } from '@polygate/modalities';
import { mixesRows } from '@polygate/tokens';
import { createImageReader, type ImageSettings } from '../../images.ts';
import { imageToText, segmentRows } from '../../signatures.ts';
import { defineTask, type MixedLabels, type Task, type TaskSettings } from '../../task.ts';
import type { VisualReader } from '../../visual/visual-source.ts';
import { classLabels, createClassCandidates, type ClassSettings } from '../class-targets.ts';

export interface VisualClassificationOptions extends TaskSettings, ClassSettings {
  /** Name of the task family. */
  readonly family: string;
  readonly read: VisualReader;
  /** Whether rows may be mixed with each other in training. @default false */
  readonly isMixed?: boolean;
}

/** Labels of the rows that each row was mixed with; where none was, the row's own share is all. */
const mixedLabels = (labels: Int32Array, mixing: ImagePatches['mixing']): MixedLabels =>
  mixing
    ? { labels: mixing.partners.map((row) => labels[row] ?? 0), shares: mixing.shares }
    : { labels, shares: new Float32Array(labels.length).fill(1) };

/** A task over what `read` reads and the column `label`. Label smoothing 0.1 unless told. @throws ConfigError */
export const createVisualClassification = (options: VisualClassificationOptions): Task => {
  const { name, family, read, isMixed = false, lossWeight = 1, labelSmoothing = 0.1 } = options;
  const choose = createClassCandidates(options);
  return defineTask(
    { name, family, signature: imageToText, lossWeight, labelSmoothing },
    (batch, collation) => {
      const labels = classLabels(batch, options);
      const images = read(batch, collation);
      const inputs = imageSequences(images, segmentRows.image);
      const chosen = choose(labels, collation);
      if (!isMixed || !collation.training)
        return { inputs, queries: 'prefix', ...chosen, loss: 'cross-entropy' };
      return {
        inputs,
        queries: 'prefix',
        ...chosen,
        mixed: mixedLabels(chosen.labels, images.mixing),
        loss: 'mixed-cross-entropy',
      };
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
    isMixed: options.augmentation !== undefined && mixesRows(options.augmentation),
  });
