/**
 * Captions of images or clips, written token by token against the vocabulary: many at once, each encoded once where the
 * model keeps keys and values.
 */
import { imageSequences, type ImagePatches } from '@polygate/modalities';
import { generate } from '../../generation/generate.ts';
import { generationFlags } from '../../generation/generation-flags.ts';
import { resolveGeneration, type GenerationOptions } from '../../generation/generation-options.ts';
import type { TextDecoder } from '../../generation/text-decoder.ts';
import { wholeDecoder } from '../../generation/whole-decoder.ts';
import { pieces, range, takePatches } from '../../image-patches.ts';
import type { TaskModel } from '../../model.ts';
import { servedTask } from '../../serving.ts';
import { segmentRows } from '../../signatures.ts';
import type { ImagePredictor } from '../predictor.ts';
import { CAPTION_TEMPERATURE } from './collate.ts';

const CAPTIONING = 'image-captioning';

/** Images, or clips in one view or several, whose tokens are as likely as in the mean of the views. */
export type CaptionedViews = ImagePatches | readonly ImagePatches[];

/** Settings of generation and what is beside them. What is left open is as the task's recipe says, else the default. */
export interface CaptionOptions extends GenerationOptions {
  /** Images that are written about at once. @default 96 */
  readonly batch?: number | undefined;
  /** Captioning task of the model that is asked. @default its first of the family */
  readonly task?: string | undefined;
  /** Family of the task. @default 'image-captioning' */
  readonly family?: string | undefined;
  /** Place of the first image among all that are asked about: what draws are keyed by. @default 0 */
  readonly first?: number | undefined;
  /** Whether keys and values are kept where the model can; off, every step encodes all anew. @default true */
  readonly cache?: boolean | undefined;
}

export interface CaptionPrediction {
  readonly text: string;
  readonly tokens: readonly number[];
  /** What captions are compared by: the sum of log p over (tokens ** lengthPenalty), end token included. */
  readonly score: number;
  /** Log-probability of the caption, end token included. */
  readonly logProbability: number;
}

/** What decodes captions of one view of some images. */
const decoderOf = (
  model: TaskModel,
  images: ImagePatches,
  { task, cache }: { readonly task: string | undefined; readonly cache: boolean },
): TextDecoder => {
  const start = {
    inputs: imageSequences(images, segmentRows.captionImage),
    row: segmentRows.captionText,
    queryToken: model.tokenizer.specials.spe,
    targets: model.vocabulary.whole(),
    temperature: CAPTION_TEMPERATURE,
  };
  return (cache ? model.decoder?.(start, { task }) : undefined) ?? wholeDecoder(model, start, { task });
};

/** The best captions of each image or clip, best first. @throws ConfigError for settings that can't be */
export const caption = async (
  model: TaskModel,
  images: CaptionedViews,
  options: CaptionOptions = {},
): Promise<readonly (readonly CaptionPrediction[])[]> => {
  const { batch = 96, first = 0, cache = true, family = CAPTIONING, task: asked, ...settings } = options;
  const trained = servedTask(model, family, { task: asked });
  const task = trained?.name ?? asked;
  // What the call says comes before what the task's recipe said.
  const kept = trained?.settings?.['generation'] as GenerationOptions | undefined;
  const rules = resolveGeneration(model.maximumTokens, settings, kept);
  const views = 'patches' in images ? [images] : images;
  const { endoftext, spe } = model.tokenizer.specials;
  const captions: (readonly CaptionPrediction[])[] = [];
  for (const [start, end] of pieces(views[0]?.size ?? 0, batch)) {
    const decoders: TextDecoder[] = [];
    try {
      for (const view of views) {
        decoders.push(decoderOf(model, takePatches(view, range(start, end)), { task, cache }));
      }
      const texts = await generate(decoders, {
        items: end - start,
        rules,
        endToken: endoftext,
        forbidden: [spe],
        first: first + start,
      });
      for (const written of texts) {
        captions.push(written.map((each) => ({ text: model.tokenizer.decode(each.tokens).trim(), ...each })));
      }
    } finally {
      for (const decoder of decoders) decoder[Symbol.dispose]();
    }
  }
  return captions;
};

/** Captions with their scores, one a line. */
export const captionFormat = (answers: readonly CaptionPrediction[]): string =>
  answers.map(({ text, score }) => `${score.toFixed(3).padStart(7)}  ${text}`).join('\n');

/** `predict caption`. */
export const captionPredictor: ImagePredictor<CaptionPrediction, CaptionOptions, 'caption'> = {
  verb: 'caption',
  summary: 'captions of images, best first; files, folders or patterns',
  input: 'images',
  options: generationFlags,
  key: 'captions',
  predict: (model, images, options) => caption(model, images, options),
  format: captionFormat,
};
