/**
 * Captions of images by beam search over the vocabulary. Each step encodes image and words anew (the encoder keeps no
 * keys and values), many images at once, all beams of an image in one sequence.
 */
import { pieces, range, takePatches } from '../../image-patches.ts';
import type { TaskModel } from '../../model.ts';
import { logSoftmaxRows } from '../../scores.ts';
import type { ImagePatches } from '@polygate/modalities';
import { servingTask } from '../../serving.ts';
import { segmentRows } from '../../signatures.ts';
import type { ImagePredictor, PredictOption } from '../predictor.ts';
import { beamSearch, type BeamRow } from './beam-search.ts';
import { captionStep } from './caption-layout.ts';
import { CAPTION_TEMPERATURE } from './collate.ts';

const CAPTIONING = 'image-captioning';

/** Images, or clips in one view or several, whose words are as likely as in the mean of the views. */
export type CaptionedViews = ImagePatches | readonly ImagePatches[];

export interface CaptionOptions {
  /** Beams of an image. @default 3 */
  readonly beam?: number;
  /** Most tokens, end token included. @default 32, or what the model was trained with if that is less */
  readonly maximumTokens?: number;
  /** Power of the length that a sum of log p is divided by. @default 1 */
  readonly lengthPenalty?: number;
  /** Images that are written about at once. @default 32 */
  readonly batch?: number;
  /** Captioning task of the model that is asked. @default its first of the family */
  readonly task?: string | undefined;
  /** Family of the task. @default 'image-captioning' */
  readonly family?: string;
}

export interface CaptionPrediction {
  readonly text: string;
  readonly tokens: readonly number[];
  /** Sum of log p over (tokens ** lengthPenalty), end token included. */
  readonly score: number;
}

/** Log-probabilities of the next word of each row, [rows * V]. Rows of one image follow each other. */
const nextWords = async (
  model: TaskModel,
  { images, task }: { readonly images: ImagePatches; readonly task: string | undefined },
  rows: readonly BeamRow[],
): Promise<Float32Array> => {
  const written = rows[0]?.words.length ?? 0;
  const items = [...new Set(rows.map(({ item }) => item))];
  const place = new Map(items.map((item, i) => [item, i]));
  const perItem = items.map((item) => rows.filter((row) => row.item === item));
  const beams = Math.max(...perItem.map((own) => own.length));
  // Images with fewer running texts than others repeat their first; nobody asks at the copy.
  const words = Int32Array.from(
    perItem.flatMap((own) => Array.from({ length: beams }, (_, k) => (own[k] ?? own[0])?.words ?? []).flat()),
  );
  let before = -1;
  let beam = 0;
  const slots = rows.map(({ item }) => {
    beam = item === before ? beam + 1 : 0;
    before = item;
    return (place.get(item) ?? 0) * beams + beam;
  });
  const step = captionStep(takePatches(images, items), words, {
    imageRow: segmentRows.captionImage,
    textRow: segmentRows.captionText,
    queryToken: model.tokenizer.specials.spe,
    written,
    beams,
  });
  const scores = await model.scores(
    {
      inputs: step.sequences,
      queries: Int32Array.from(slots, (slot) => step.queries[slot] ?? 0),
      targets: model.vocabulary.whole(),
      temperature: CAPTION_TEMPERATURE,
    },
    { task },
  );
  return logSoftmaxRows(scores, model.vocabulary.size);
};

/** Logarithms of the means of probabilities that are given by their logarithms; those of one list alone as they are. */
const meanOfLogs = (lists: readonly Float32Array[]): Float32Array => {
  const [first = new Float32Array(0)] = lists;
  if (lists.length === 1) return first;
  return first.map((_, i) => {
    const most = Math.max(...lists.map((list) => list[i] ?? 0));
    if (most === Number.NEGATIVE_INFINITY) return most;
    const sum = lists.reduce((total, list) => total + Math.exp((list[i] ?? 0) - most), 0);
    return most + Math.log(sum / lists.length);
  });
};

/** The best captions of each image or clip, best first; at most `beam`. */
export const caption = async (
  model: TaskModel,
  images: CaptionedViews,
  options: CaptionOptions = {},
): Promise<readonly (readonly CaptionPrediction[])[]> => {
  const { batch = 32, beam = 3, lengthPenalty = 1, family = CAPTIONING } = options;
  const task = servingTask(model, family, options);
  const views = 'patches' in images ? [images] : images;
  const { tokenizer } = model;
  const maximumTokens = options.maximumTokens ?? Math.min(32, model.maximumTokens);
  const captions: (readonly CaptionPrediction[])[] = [];
  for (const [start, end] of pieces(views[0]?.size ?? 0, batch)) {
    const parts = views.map((view) => takePatches(view, range(start, end)));
    const found = await beamSearch({
      items: end - start,
      beam,
      maximumTokens,
      lengthPenalty,
      endToken: tokenizer.specials.endoftext,
      forbidden: [tokenizer.specials.spe],
      next: async (rows) => {
        const each: Float32Array[] = [];
        for (const part of parts) each.push(await nextWords(model, { images: part, task }, rows));
        return meanOfLogs(each);
      },
    });
    for (const texts of found) {
      captions.push(
        texts.map(({ words, score }) => ({ text: tokenizer.decode(words).trim(), tokens: words, score })),
      );
    }
  }
  return captions;
};

/** Options of the verbs that write captions. */
export const captionOptions: readonly PredictOption[] = [
  { name: 'beam', type: 'count', summary: 'captions that are followed (default: 3)', most: 1024 },
  {
    name: 'maximumTokens',
    flag: 'max-tokens',
    type: 'count',
    summary: 'longest caption, end token included (default: 32)',
    most: 2 ** 16,
  },
];

/** Captions with their scores, one a line. */
export const captionFormat = (answers: readonly CaptionPrediction[]): string =>
  answers.map(({ text, score }) => `${score.toFixed(3).padStart(7)}  ${text}`).join('\n');

/** `predict caption`. */
export const captionPredictor: ImagePredictor<CaptionPrediction> = {
  verb: 'caption',
  summary: 'captions of images by beam search, best first; files, folders or patterns',
  input: 'images',
  options: captionOptions,
  key: 'captions',
  predict: (model, images, options) => caption(model, images, options as CaptionOptions),
  format: captionFormat,
};
