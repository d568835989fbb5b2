/** Captioned images of a split as texts and pixels, for captioning, retrieval and their baselines. */
import { ShapeError } from '@polygate/core';
import { pixelNeighbours } from '@polygate/evaluation';
import { fixedListValues, nestedListRow } from '@polygate/stream';
import { patchesOf, shrunkImages } from '../image-patches.ts';
import type { ImagePatches } from '@polygate/modalities';
import { groupsOf, MOST_BASELINE_ROWS, type SplitContext } from './context.ts';
import { splitBatches } from './split-rows.ts';

export interface CaptionedRows {
  /** One [height * width * channels] after another. */
  readonly pixels: Uint8Array;
  /** All captions of each image, at least one, in the dataset's order. */
  readonly captions: readonly (readonly string[])[];
  /** Token ids of them, without end token. */
  readonly tokens: readonly (readonly Int32Array[])[];
  readonly groups: readonly string[];
  /** Tokens of the longest caption, without end token. */
  readonly longest: number;
}

/** Rows of a split. @param limit most rows */
const readCaptioned = async (context: SplitContext, split: string, limit: number): Promise<CaptionedRows> => {
  const { data, dataset, model, seed } = context;
  const pixels: Uint8Array[] = [];
  const captions: string[][] = [];
  const tokens: Int32Array[][] = [];
  const groups: string[] = [];
  let longest = 0;
  const shards = await data.shards(dataset.name, split);
  for await (const batch of splitBatches(shards, { limit, seed, batchSize: 512 })) {
    pixels.push(fixedListValues(batch, 'image') as Uint8Array);
    groups.push(...groupsOf(batch));
    for (let row = 0; row < batch.numRows; row += 1) {
      const lists = nestedListRow(batch, 'captions', row)
        .map((ids) => Int32Array.from(ids, Number))
        .filter((ids) => ids.length > 0);
      if (lists.length === 0) {
        const { name } = dataset;
        throw new ShapeError(
          `captions: expected one caption or more that is not empty for every image of ${name}, split ${split}, got none for one; quarantine it when preparing`,
        );
      }
      captions.push(lists.map((ids) => model.tokenizer.decode(ids).trim()));
      longest = Math.max(longest, ...lists.map((ids) => ids.length));
      tokens.push(lists);
    }
  }
  return { pixels: Buffer.concat(pixels), captions, tokens, groups, longest };
};

/** Rows of the training split for baselines; undefined where there is none. */
const readTraining = async (context: SplitContext): Promise<CaptionedRows | undefined> =>
  Object.hasOwn(context.dataset.splits, 'train') && context.split !== 'train'
    ? readCaptioned(context, 'train', MOST_BASELINE_ROWS)
    : undefined;

/** The training image with the nearest pixels, for each image. */
const nearestTraining = (context: SplitContext, rows: CaptionedRows, training: CaptionedRows): Int32Array =>
  pixelNeighbours(
    shrunkImages(rows.pixels, context.model.image),
    shrunkImages(training.pixels, context.model.image),
  ).indices;

/** A split with what its simple baselines need, read once for captioning and retrieval. */
export interface CaptionedSplit {
  readonly rows: CaptionedRows;
  /** Absent where there is no training split. */
  readonly training?: CaptionedRows;
  /** Index into `training` of the image with the nearest pixels. */
  readonly nearest?: Int32Array;
}

const readSplit = async (context: SplitContext): Promise<CaptionedSplit> => {
  const rows = await readCaptioned(context, context.split, context.limit);
  const training = await readTraining(context);
  return training && training.captions.length > 0
    ? { rows, training, nearest: nearestTraining(context, rows, training) }
    : { rows };
};

/** The split of a context, read once for all families that score it. */
export const captionedSplit = (context: SplitContext): Promise<CaptionedSplit> =>
  context.shared('captioned rows', () => readSplit(context));

/** All images as patches of the model. */
export const rowPatches = (context: SplitContext, rows: CaptionedRows): ImagePatches => {
  const { image } = context.model;
  return patchesOf(
    rows.captions.map((_, i) => rows.pixels.subarray(i * image.pixels, (i + 1) * image.pixels)),
    image,
  );
};
