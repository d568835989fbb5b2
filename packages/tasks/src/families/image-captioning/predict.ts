/**
 * Captions of pictures by beam search over the vocabulary. Each step encodes picture and words anew (the encoder keeps no
 * keys and values), many pictures at once, all beams of a picture in one sequence.
 */
import { similarityLogits } from '@polygate/losses';
import type { ImagePatches } from '@polygate/modalities';
import { captionStep, segmentRows } from '@polygate/tasks';
import * as tf from '@tensorflow/tfjs';
import { beamSearch, type BeamRow } from './beam-search.ts';
import { encodeFeatures } from './models/uni-perceiver/features.ts';
import type { Generalist } from './models/uni-perceiver/uni-perceiver-model.ts';
import { pieces, range, takePatches } from './pictures.ts';
import { servingTask } from './serving.ts';

export interface CaptionOptions {
  /** Beams of a picture. @default 3 */
  readonly beam?: number;
  /** Most tokens, end token included. @default 32, or what the model was trained with if that is less */
  readonly maximumTokens?: number;
  /** Power of the length that a sum of log p is divided by. @default 1 */
  readonly lengthPenalty?: number;
  /** Pictures that are written about at once. @default 32 */
  readonly batch?: number;
  /** Captioning task of the model that is asked. @default its first */
  readonly task?: string | undefined;
}

export interface CaptionPrediction {
  readonly text: string;
  readonly tokens: readonly number[];
  /** Sum of log p over (tokens ** lengthPenalty), end token included. */
  readonly score: number;
}

/** Log-probabilities of the next word of each row, [rows * V]. Rows of one picture follow each other. */
const nextWords = async (
  model: Generalist,
  { images, task }: { readonly images: ImagePatches; readonly task: string | undefined },
  rows: readonly BeamRow[],
): Promise<Float32Array> => {
  const candidates = model.candidateFeatures(model.vocabulary.whole(), task);
  const written = rows[0]?.words.length ?? 0;
  const items = [...new Set(rows.map(({ item }) => item))];
  const place = new Map(items.map((item, i) => [item, i]));
  const perItem = items.map((item) => rows.filter((row) => row.item === item));
  const beams = Math.max(...perItem.map((own) => own.length));
  // Pictures with fewer running texts than others repeat their first; nobody asks at the copy.
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
  const logps = tf.tidy(() => {
    const step = captionStep(takePatches(images, items), words, {
      imageRow: segmentRows.captionImage,
      textRow: segmentRows.captionText,
      queryToken: model.tokenizer.specials.spe,
      written,
      beams,
    });
    const queries = encodeFeatures(model, step.sequences, {
      task,
      queries: Int32Array.from(slots, (slot) => step.queries[slot] ?? 0),
    });
    const temperature = model.encoder.temperature('image-captioning');
    return tf.logSoftmax(similarityLogits(queries, candidates, temperature));
  });
  try {
    return (await logps.data()) as Float32Array;
  } finally {
    logps.dispose();
  }
};

/** The best captions of each picture, best first; at most `beam`. */
export const caption = async (
  model: Generalist,
  images: ImagePatches,
  options: CaptionOptions = {},
): Promise<readonly (readonly CaptionPrediction[])[]> => {
  const { batch = 32, beam = 3, lengthPenalty = 1 } = options;
  const task = servingTask(model.config, 'image-captioning', options);
  const { tokenizer, config } = model;
  const maximumTokens = options.maximumTokens ?? Math.min(32, config.maximumTokens ?? 32);
  const captions: (readonly CaptionPrediction[])[] = [];
  for (const [start, end] of pieces(images.size, batch)) {
    const part = takePatches(images, range(start, end));
    const found = await beamSearch({
      items: part.size,
      beam,
      maximumTokens,
      lengthPenalty,
      endToken: tokenizer.specials.endoftext,
      forbidden: [tokenizer.specials.spe],
      next: (rows) => nextWords(model, { images: part, task }, rows),
    });
    for (const texts of found) {
      captions.push(
        texts.map(({ words, score }) => ({ text: tokenizer.decode(words).trim(), tokens: words, score })),
      );
    }
  }
  return captions;
};
