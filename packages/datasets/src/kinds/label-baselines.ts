/** Baselines of datasets with classes, from their written rows. */
import {
  accuracy,
  chanceTopK,
  majorityBaseline,
  neighbourLabels,
  shrinkImages,
  type ImageSet,
} from '@polygate/evaluation';
import { fixedListRow, values } from '@polygate/stream';
import { splitFolder, type BaselineScores } from '../suite/suite.ts';
import type { BaselineContext } from './dataset-kind.ts';
import { readRows } from './written-rows.ts';

/** Pairs of training and evaluation images beyond which the nearest neighbour is left out. */
const MAX_NEIGHBOUR_PAIRS = 2e7;
/** Side to which images are shrunk before pixels are compared. */
const NEIGHBOUR_SIDE = 16;

const readLabels = (folder: string): Promise<number[]> =>
  readRows(folder, (batch, row) => Number(values(batch, 'label')[row] ?? -1));

/** Images with their labels, shrunk for comparison. */
interface LabelledImages {
  readonly images: ImageSet;
  readonly labels: readonly number[];
}

const readImages = async (folder: string, size: number): Promise<LabelledImages> => {
  const rows = await readRows(folder, (batch, row) => ({
    pixels: Uint8Array.from(fixedListRow(batch, 'image', row)),
    label: Number(values(batch, 'label')[row] ?? -1),
  }));
  const bytes = size * size * 3;
  const pixels = new Uint8Array(rows.length * bytes);
  rows.forEach((row, i) => pixels.set(row.pixels, i * bytes));
  return {
    images: shrinkImages({ pixels, height: size, width: size, channels: 3 }, NEIGHBOUR_SIDE),
    labels: rows.map(({ label }) => label),
  };
};

/**
 * Chance and the most frequent class, on all splits but the training.
 * @param images whether the label of the nearest training image, by pixels, is a baseline, too
 */
export const labelBaselines = async (
  { directory, dataset, imageSize }: BaselineContext,
  { images = false }: { readonly images?: boolean } = {},
): Promise<Record<string, BaselineScores>> => {
  const out: Record<string, BaselineScores> = {};
  const trainRows = dataset.splits['train']?.rows ?? 0;
  const training = await readLabels(splitFolder(directory, dataset, 'train'));
  let trained: LabelledImages | undefined;
  for (const [split, { rows }] of Object.entries(dataset.splits)) {
    if (split === 'train' || rows === 0) continue;
    const folder = splitFolder(directory, dataset, split);
    const scores: Record<string, number> = {
      chance: chanceTopK({ k: 1, classes: Math.max(1, dataset.classes?.length ?? 1) }),
      majority: majorityBaseline(training, await readLabels(folder)).value,
    };
    if (images && rows * trainRows <= MAX_NEIGHBOUR_PAIRS) {
      trained ??= await readImages(splitFolder(directory, dataset, 'train'), imageSize);
      const asked = await readImages(folder, imageSize);
      const answers = neighbourLabels(asked.images, trained.images, trained.labels);
      scores['pixelNearestNeighbour'] = accuracy(answers, asked.labels).value;
    }
    out[split] = scores;
  }
  return out;
};
