/**
 * Image captioning: appended query tokens predict the words of a caption, each from the picture and the words before it,
 * against the vocabulary candidates. See caption-layout.ts.
 */
import type { Augmentation } from '@polygate/tokens';
import {
  createCandidateChooser,
  vocabularyCandidates,
  type CandidateChoice,
  type CandidateSet,
  type TaskTokenizer,
} from './candidates.ts';
import { captionLayout } from './caption-layout.ts';
import { chooseCaption, rowCaptions } from './captions.ts';
import { imagePatches, resolveImageInput, type ImageInput } from './image-input.ts';
import { imageAndTextToText, segmentRows } from './signatures.ts';
import type { Task, TaskSettings } from './task.ts';

export interface ImageCaptioningOptions extends TaskSettings {
  readonly tokenizer: TaskTokenizer;
  readonly image: ImageInput;
  /** Applied in training only. @default none */
  readonly augmentation?: Augmentation;
  /** Shared vocabulary candidates. @default a set of its own */
  readonly vocabulary?: CandidateSet;
  /** Candidates in training. @default whole */
  readonly candidates?: CandidateChoice;
  /** Longest caption in tokens, end token included; longer ones are cut and ended. @default 50 */
  readonly maximumTokens?: number;
}

/** A task over the columns `image` (or `patches`) and `captions`. No label smoothing unless told. */
export const createImageCaptioning = (options: ImageCaptioningOptions): Task => {
  const { name, tokenizer, lossWeight = 1, labelSmoothing = 0, maximumTokens = 50 } = options;
  const image = resolveImageInput(options.image);
  const vocabulary = options.vocabulary ?? vocabularyCandidates(tokenizer, segmentRows.vocabulary);
  const trainingChooser = createCandidateChooser(vocabulary, options.candidates ?? { kind: 'whole' });
  const wholeChooser = createCandidateChooser(vocabulary, { kind: 'whole' });
  const family = 'image-captioning' as const;
  const { spe, endoftext } = tokenizer.specials;
  return Object.freeze<Task>({
    name,
    family,
    signature: imageAndTextToText,
    temperature: family,
    lossWeight,
    labelSmoothing,
    collate(batch, { random, training }) {
      const augmentation = random.fork('augmentation');
      const captionRandom = random.fork('caption');
      const patches = imagePatches(
        batch,
        image,
        training && options.augmentation
          ? { augmentation: options.augmentation, rowRandom: (row) => augmentation.fork(row) }
          : {},
      );
      const captions = Array.from({ length: batch.numRows }, (_, row) =>
        chooseCaption(rowCaptions(batch, row, { endToken: endoftext, maximum: maximumTokens }), {
          random: captionRandom.fork(row),
          training,
        }),
      );
      const layout = captionLayout(patches, captions, {
        imageRow: segmentRows.captionImage,
        textRow: segmentRows.captionText,
        queryToken: spe,
        padding: endoftext,
      });
      const chooser = training ? trainingChooser : wholeChooser;
      const { targets, labels } = chooser.choose(layout.labels, random.fork('candidates'));
      return {
        task: name,
        family,
        temperature: family,
        lossWeight,
        inputs: { ...layout.sequences, task: name },
        queries: layout.queries,
        labels,
        targets,
        loss: 'cross-entropy',
        labelSmoothing: training ? labelSmoothing : 0,
      };
    },
  });
};
