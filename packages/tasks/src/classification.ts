/**
 * Image classification: the prefix of the picture against the prefix of each class name (bare name and end token).
 */
import { ConfigError, ShapeError } from '@polygate/core';
import { values } from '@polygate/stream';
import type { Augmentation } from '@polygate/tokens';
import {
  createCandidateChooser,
  nameCandidates,
  type CandidateChoice,
  type TaskTokenizer,
} from './candidates.ts';
import { imagePatches, resolveImageInput, type ImageInput } from './image-input.ts';
import { imageSequences } from './sequence.ts';
import { imageToText, segmentRows } from './signatures.ts';
import type { Task, TaskSettings } from './task.ts';

export interface ImageClassificationOptions extends TaskSettings {
  /** Class names in label order. */
  readonly classes: readonly string[];
  readonly tokenizer: TaskTokenizer;
  readonly image: ImageInput;
  /** Applied in training only. @default none */
  readonly augmentation?: Augmentation;
  /** Candidates in training. @default whole */
  readonly candidates?: CandidateChoice;
  /** Longest class name in tokens, end token included. @default 32 */
  readonly maximumTokens?: number;
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
  const image = resolveImageInput(options.image);
  const set = nameCandidates(`classes:${name}`, classes, {
    tokenizer,
    row: segmentRows.name,
    maximum: maximumTokens,
  });
  const trainingChooser = createCandidateChooser(set, options.candidates ?? { kind: 'whole' });
  const wholeChooser = createCandidateChooser(set, { kind: 'whole' });
  const family = 'image-classification' as const;
  return Object.freeze<Task>({
    name,
    family,
    signature: imageToText,
    temperature: family,
    lossWeight,
    labelSmoothing,
    collate(batch, { random, training }) {
      const classIds = Int32Array.from(values(batch, 'label'), Number);
      const bad = classIds.find((id) => id < 0 || id >= classes.length);
      if (bad !== undefined) {
        throw new ShapeError(
          `task "${name}": expected labels from 0 to ${classes.length - 1}, got ${bad}; the data was prepared with other classes`,
        );
      }
      const augmentation = random.fork('augmentation');
      const patches = imagePatches(
        batch,
        image,
        training && options.augmentation
          ? { augmentation: options.augmentation, rowRandom: (row) => augmentation.fork(row) }
          : {},
      );
      const chooser = training ? trainingChooser : wholeChooser;
      const { targets, labels } = chooser.choose(classIds, random.fork('candidates'));
      return {
        task: name,
        family,
        temperature: family,
        lossWeight,
        inputs: { ...imageSequences(patches, segmentRows.image), task: name },
        queries: 'prefix',
        labels,
        targets,
        loss: 'cross-entropy',
        labelSmoothing: training ? labelSmoothing : 0,
      };
    },
  });
};
