/** Captioned images or clips of a split as texts and pixels, for captioning, retrieval and their baselines. */
import { ShapeError } from '@polygate/core';
import { pixelNeighbours } from '@polygate/evaluation';
import { nestedListRow } from '@polygate/stream';
import { shrunkImages } from '../image-patches.ts';
import { middleFrame, type Clip } from '../visual/clip-patches.ts';
import type { VisualSource } from '../visual/visual-source.ts';
import { groupsOf, MOST_BASELINE_ROWS, type SplitContext } from './context.ts';
import { splitBatches } from './split-rows.ts';

export interface CaptionedRows {
  /** Images or clips, or of rows for baselines alone one frame of each. */
  readonly samples: readonly Clip[];
  /** All captions of each sample, at least one, in the dataset's order. */
  readonly captions: readonly (readonly string[])[];
  /** Token ids of them, without end token. */
  readonly tokens: readonly (readonly Int32Array[])[];
  readonly groups: readonly string[];
  /** Tokens of the longest caption, without end token. */
  readonly longest: number;
}

/** Of a source, what rows are read by. */
export type CaptionedSource = Pick<VisualSource, 'name' | 'samples'>;

interface ReadOptions {
  readonly split: string;
  /** Most rows. */
  readonly limit: number;
  /** What is kept of a sample. */
  readonly keep: (sample: Clip) => Clip;
}

/** What stands in for a sample where images are compared by their pixels. */
const stillOf = (sample: Clip): Clip => ({ pixels: Uint8Array.from(middleFrame(sample)), frames: 1 });

/** Rows of a split. */
const readCaptioned = async (
  context: SplitContext,
  source: CaptionedSource,
  { split, limit, keep }: ReadOptions,
): Promise<CaptionedRows> => {
  const { data, dataset, model, seed } = context;
  const samples: Clip[] = [];
  const captions: string[][] = [];
  const tokens: Int32Array[][] = [];
  const groups: string[] = [];
  let longest = 0;
  const shards = await data.shards(dataset.name, split);
  for await (const batch of splitBatches(shards, { limit, seed, batchSize: 512 })) {
    samples.push(...source.samples(batch).map(keep));
    groups.push(...groupsOf(batch));
    for (let row = 0; row < batch.numRows; row += 1) {
      const lists = nestedListRow(batch, 'captions', row)
        .map((ids) => Int32Array.from(ids, Number))
        .filter((ids) => ids.length > 0);
      if (lists.length === 0) {
        const { name } = dataset;
        throw new ShapeError(
          `captions: expected one caption or more that is not empty for every sample of ${name}, split ${split}, got none for one; quarantine it when preparing`,
        );
      }
      captions.push(lists.map((ids) => model.tokenizer.decode(ids).trim()));
      longest = Math.max(longest, ...lists.map((ids) => ids.length));
      tokens.push(lists);
    }
  }
  return { samples, captions, tokens, groups, longest };
};

/** Rows of the training split for baselines; undefined where there is none. */
const readTraining = async (
  context: SplitContext,
  source: CaptionedSource,
): Promise<CaptionedRows | undefined> =>
  Object.hasOwn(context.dataset.splits, 'train') && context.split !== 'train'
    ? readCaptioned(context, source, { split: 'train', limit: MOST_BASELINE_ROWS, keep: stillOf })
    : undefined;

/** The training image with the nearest pixels, for each image: of clips their middle frames. */
const nearestTraining = (context: SplitContext, rows: CaptionedRows, training: CaptionedRows): Int32Array => {
  const shrunk = ({ samples }: CaptionedRows) =>
    shrunkImages(Buffer.concat(samples.map(middleFrame)), context.model.image);
  return pixelNeighbours(shrunk(rows), shrunk(training)).indices;
};

/** A split with what its simple baselines need, read once for captioning and retrieval. */
export interface CaptionedSplit {
  readonly rows: CaptionedRows;
  /** Absent where there is no training split. */
  readonly training?: CaptionedRows;
  /** Index into `training` of the image with the nearest pixels. */
  readonly nearest?: Int32Array;
}

const readSplit = async (context: SplitContext, source: CaptionedSource): Promise<CaptionedSplit> => {
  const { split, limit } = context;
  const rows = await readCaptioned(context, source, { split, limit, keep: (sample) => sample });
  const training = await readTraining(context, source);
  return training && training.captions.length > 0
    ? { rows, training, nearest: nearestTraining(context, rows, training) }
    : { rows };
};

/** The split of a context, read once for all families that score it. */
export const captionedSplit = (context: SplitContext, source: CaptionedSource): Promise<CaptionedSplit> =>
  context.shared(`captioned rows ${source.name}`, () => readSplit(context, source));
