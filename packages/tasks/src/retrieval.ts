/**
 * Image-text retrieval: the prefix of each picture against the prefix of each caption of the batch, in both directions.
 * Rows that share a caption mean the same and are marked so that they don't count as each other's negatives.
 */
import type { Augmentation } from '@polygate/tokens';
import type { TaskTokenizer } from './candidates.ts';
import { chooseCaption, rowCaptions } from './captions.ts';
import { imagePatches, resolveImageInput, type ImageInput } from './image-input.ts';
import { imageSequences, textSequences } from './sequence.ts';
import { imageToText, segmentRows } from './signatures.ts';
import type { Task, TaskSettings } from './task.ts';

export interface ImageTextRetrievalOptions extends TaskSettings {
  readonly tokenizer: TaskTokenizer;
  readonly image: ImageInput;
  /** Applied in training only. @default none */
  readonly augmentation?: Augmentation;
  /** Longest caption in tokens, end token included; longer ones are cut and ended. @default 50 */
  readonly maximumTokens?: number;
}

/**
 * [B * B], 1 where two different rows mean the same: the chosen caption of one is among all captions of the other.
 * Symmetric, zero on the diagonal.
 */
export const sameMeaning = (
  chosen: readonly Int32Array[],
  all: readonly (readonly Int32Array[])[],
): Uint8Array => {
  const size = chosen.length;
  const keys = all.map((captions) => new Set(captions.map((caption) => caption.join(' '))));
  const own = chosen.map((caption) => caption.join(' '));
  const same = new Uint8Array(size * size);
  for (let i = 0; i < size; i += 1) {
    for (let j = 0; j < size; j += 1) {
      const match = own[i] === own[j] || keys[i]?.has(own[j] ?? '') || keys[j]?.has(own[i] ?? '');
      if (i !== j && match) same[i * size + j] = 1;
    }
  }
  return same;
};

/** A task over the columns `image` (or `patches`) and `captions`. Label smoothing 0.1 unless told. */
export const createImageTextRetrieval = (options: ImageTextRetrievalOptions): Task => {
  const { name, tokenizer, lossWeight = 1, labelSmoothing = 0.1, maximumTokens = 50 } = options;
  const image = resolveImageInput(options.image);
  const family = 'image-text-retrieval' as const;
  const { endoftext } = tokenizer.specials;
  return Object.freeze<Task>({
    name,
    family,
    signature: imageToText,
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
      const all = Array.from({ length: batch.numRows }, (_, row) =>
        rowCaptions(batch, row, { endToken: endoftext, maximum: maximumTokens }),
      );
      const chosen = all.map((captions, row) =>
        chooseCaption(captions, { random: captionRandom.fork(row), training }),
      );
      const rows = Int32Array.from(chosen, (_, row) => row);
      return {
        task: name,
        family,
        temperature: family,
        lossWeight,
        inputs: { ...imageSequences(patches, segmentRows.image), task: name },
        queries: 'prefix',
        labels: rows,
        targets: {
          key: `captions:${name}`,
          whole: false,
          ids: rows,
          sequences: textSequences(chosen, { row: segmentRows.caption, padding: endoftext }),
        },
        loss: 'contrastive',
        same: sameMeaning(chosen, all),
        labelSmoothing: training ? labelSmoothing : 0,
      };
    },
  });
};
