/**
 * Retrieval of images, or of clips, and texts: the prefix of each image against the prefix of each caption of the batch, in both directions.
 * Rows that share a caption mean the same and are marked so that they don't count as each other's negatives.
 */
import { imageSequences, textSequences } from '@polygate/modalities';
import { createCaptionReader, type CaptionSettings } from '../captions.ts';
import { createImageReader, type ImageSettings } from '../../images.ts';
import { imageToText, segmentRows } from '../../signatures.ts';
import { defineTask, type Task, type TaskSettings } from '../../task.ts';
import type { VisualReader } from '../../visual/visual-source.ts';

/** The temperature of retrieval, of images and of clips: the published code has one for both. */
export const RETRIEVAL_TEMPERATURE = 'image-text-retrieval';

export interface VisualTextRetrievalOptions extends TaskSettings, CaptionSettings {
  /** Name of the task family. */
  readonly family: string;
  readonly read: VisualReader;
}

/**
 * [B * B], 1 where two different rows mean the same: the chosen caption of one is among all captions of the other.
 * Symmetric, zero on the diagonal.
 */
export const sameTextMask = (
  chosen: readonly Int32Array[],
  all: readonly (readonly Int32Array[])[],
): Uint8Array => {
  const size = chosen.length;
  const keys = all.map((captions) => new Set(captions.map((caption) => caption.join(' '))));
  const texts = chosen.map((caption) => caption.join(' '));
  const same = new Uint8Array(size * size);
  for (let i = 0; i < size; i += 1) {
    for (let j = 0; j < size; j += 1) {
      const match = texts[i] === texts[j] || keys[i]?.has(texts[j] ?? '') || keys[j]?.has(texts[i] ?? '');
      if (i !== j && match) same[i * size + j] = 1;
    }
  }
  return same;
};

/** A task over what `read` reads and the column `captions`. Label smoothing 0.1 unless told. */
export const createVisualTextRetrieval = (options: VisualTextRetrievalOptions): Task => {
  const { name, family, read, tokenizer, lossWeight = 1, labelSmoothing = 0.1 } = options;
  const readCaptions = createCaptionReader(options);
  const caption = { row: segmentRows.caption, padding: tokenizer.specials.endoftext };
  const facts = {
    name,
    family,
    temperature: RETRIEVAL_TEMPERATURE,
    signature: imageToText,
    lossWeight,
    labelSmoothing,
  } as const;
  return defineTask(facts, (batch, collation) => {
    const { all, chosen } = readCaptions(batch, collation);
    const rows = Int32Array.from(chosen, (_, row) => row);
    return {
      inputs: imageSequences(read(batch, collation), segmentRows.image),
      queries: 'prefix',
      labels: rows,
      targets: {
        key: `captions:${name}`,
        whole: false,
        ids: rows,
        sequences: textSequences(chosen, caption),
      },
      loss: 'contrastive',
      same: sameTextMask(chosen, all),
    };
  });
};

export interface ImageTextRetrievalOptions extends TaskSettings, ImageSettings, CaptionSettings {}

/** A task over the columns `image` (or `patches`) and `captions`. Label smoothing 0.1 unless told. */
export const createImageTextRetrieval = (options: ImageTextRetrievalOptions): Task =>
  createVisualTextRetrieval({ ...options, family: 'image-text-retrieval', read: createImageReader(options) });
