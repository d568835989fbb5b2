/**
 * Image classification: the prefix of the picture against the prefix of each class name (bare name and end token).
 */
import { ConfigError, ShapeError } from '@polygate/core';
import { imageSequences } from '@polygate/modalities';
import { values } from '@polygate/stream';
import {
  createTaskCandidates,
  nameCandidates,
  type CandidateSettings,
  type TaskTokenizer,
} from '../../candidates.ts';
import { createPictureReader, type PictureSettings } from '../../images.ts';
import { imageToText, segmentRows } from '../../signatures.ts';
import { defineTask, type Task, type TaskSettings } from '../../task.ts';

export interface ImageClassificationOptions extends TaskSettings, PictureSettings, CandidateSettings {
  /** Class names in label order. */
  readonly classes: readonly string[];
  readonly tokenizer: TaskTokenizer;
  /** Longest class name in tokens, end token included. @default 32 */
  readonly maximumTokens?: number | undefined;
}

/** A task over the columns `image` (or `patches`) and `label`. Label smoothing 0.1 unless told. @throws ConfigError */
export const createImageClassification = (options: ImageClassificationOptions): Task => {
  const { name, classes, tokenizer, lossWeight = 1, labelSmoothing = 0.1, maximumTokens = 32 } = options;
  const repeated = classes.find((label, i) => classes.indexOf(label) !== i);
  if (repeated !== undefined) {
    throw new ConfigError(
      `task "${name}": expected class names that differ, got "${repeated}" twice; their targets would be the same`,
    );
  }
  const readPatches = createPictureReader(options);
  const set = nameCandidates(`classes:${name}`, classes, {
    tokenizer,
    row: segmentRows.name,
    maximum: maximumTokens,
  });
  const choose = createTaskCandidates(set, options);
  const facts = {
    name,
    family: 'image-classification',
    signature: imageToText,
    lossWeight,
    labelSmoothing,
  } as const;
  return defineTask(facts, (batch, collation) => {
    const classIds = Int32Array.from(values(batch, 'label'), Number);
    const bad = classIds.find((id) => id < 0 || id >= classes.length);
    if (bad !== undefined) {
      throw new ShapeError(
        `task "${name}": expected labels from 0 to ${classes.length - 1}, got ${bad}; the data was prepared with other classes`,
      );
    }
    const inputs = imageSequences(readPatches(batch, collation), segmentRows.image);
    return { inputs, queries: 'prefix', ...choose(classIds, collation), loss: 'cross-entropy' };
  });
};
