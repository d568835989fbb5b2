/**
 * Captioning of images, and of clips: appended query tokens predict the words of a caption, each from the image and the words before it,
 * against the vocabulary candidates. See caption-layout.ts.
 */
import { createTaskCandidates, vocabularyCandidates, type VocabularySettings } from '../../candidates.ts';
import { captionLayout } from './caption-layout.ts';
import { createCaptionReader, type CaptionSettings } from '../captions.ts';
import { createImageReader, type ImageSettings } from '../../images.ts';
import { imageAndTextToText, segmentRows } from '../../signatures.ts';
import { defineTask, type Task, type TaskSettings } from '../../task.ts';
import type { VisualReader } from '../../visual/visual-source.ts';

/** The temperature of captioning, of images and of clips: the published code has one for both. */
export const CAPTION_TEMPERATURE = 'image-captioning';

export interface VisualCaptioningOptions extends TaskSettings, CaptionSettings, VocabularySettings {
  /** Name of the task family. */
  readonly family: string;
  readonly read: VisualReader;
}

/** A task over what `read` reads and the column `captions`. No label smoothing unless told. */
export const createVisualCaptioning = (options: VisualCaptioningOptions): Task => {
  const { name, family, read, tokenizer, lossWeight = 1, labelSmoothing = 0 } = options;
  const readCaptions = createCaptionReader(options);
  const vocabulary = options.vocabulary ?? vocabularyCandidates(tokenizer, segmentRows.vocabulary);
  const choose = createTaskCandidates(vocabulary, options);
  const facts = {
    name,
    family,
    temperature: CAPTION_TEMPERATURE,
    signature: imageAndTextToText,
    lossWeight,
    labelSmoothing,
  } as const;
  return defineTask(facts, (batch, collation) => {
    const { sequences, queries, labels } = captionLayout(
      read(batch, collation),
      readCaptions(batch, collation).chosen,
      {
        imageRow: segmentRows.captionImage,
        textRow: segmentRows.captionText,
        queryToken: tokenizer.specials.spe,
        padding: tokenizer.specials.endoftext,
      },
    );
    return { inputs: sequences, queries, ...choose(labels, collation), loss: 'cross-entropy' };
  });
};

export interface ImageCaptioningOptions
  extends TaskSettings, ImageSettings, CaptionSettings, VocabularySettings {}

/** A task over the columns `image` (or `patches`) and `captions`. No label smoothing unless told. */
export const createImageCaptioning = (options: ImageCaptioningOptions): Task =>
  createVisualCaptioning({ ...options, family: 'image-captioning', read: createImageReader(options) });
