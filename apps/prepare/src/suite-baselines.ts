/** Baselines of a written suite, from its shards. */
import { splitFolder, type BaselineScores, type SuiteDataset } from '@polygate/datasets';
import {
  accuracy,
  chanceTopK,
  exactMatch,
  majorityBaseline,
  mostFrequentCaption,
  neighbourLabels,
  shrinkPictures,
  type PictureSet,
} from '@polygate/evaluation';
import { fixedListRow, nestedListRow, openShards, values, type RecordBatch } from '@polygate/stream';
import type { Tokenizer } from '@polygate/tokens';

/** Pairs of training and evaluation pictures beyond which the nearest neighbour is left out. */
const MAX_NEIGHBOUR_PAIRS = 2e7;
/** Side to which pictures are shrunk before pixels are compared. */
const NEIGHBOUR_SIDE = 16;

const readRows = async <T>(folder: string, toRow: (batch: RecordBatch, row: number) => T): Promise<T[]> => {
  const shards = await openShards(folder);
  try {
    const out: T[] = [];
    for await (const batch of shards.batches()) {
      for (let row = 0; row < batch.numRows; row += 1) out.push(toRow(batch, row));
    }
    return out;
  } finally {
    await shards.close();
  }
};

const readLabels = (folder: string): Promise<number[]> =>
  readRows(folder, (batch, row) => Number(values(batch, 'label')[row] ?? -1));

/** Pictures with their labels, shrunk for comparison. */
interface LabelledPictures {
  readonly pictures: PictureSet;
  readonly labels: readonly number[];
}

const readPictures = async (folder: string, size: number): Promise<LabelledPictures> => {
  const rows = await readRows(folder, (batch, row) => ({
    pixels: Uint8Array.from(fixedListRow(batch, 'image', row)),
    label: Number(values(batch, 'label')[row] ?? -1),
  }));
  const bytes = size * size * 3;
  const pixels = new Uint8Array(rows.length * bytes);
  rows.forEach((row, i) => pixels.set(row.pixels, i * bytes));
  return {
    pictures: shrinkPictures({ pixels, height: size, width: size, channels: 3 }, NEIGHBOUR_SIDE),
    labels: rows.map(({ label }) => label),
  };
};

const labelBaselines = async (
  directory: string,
  dataset: SuiteDataset,
  imageSize: number,
): Promise<Record<string, BaselineScores>> => {
  const out: Record<string, BaselineScores> = {};
  const trainRows = dataset.splits['train']?.rows ?? 0;
  const training = await readLabels(splitFolder(directory, dataset, 'train'));
  let known: LabelledPictures | undefined;
  for (const [split, { rows }] of Object.entries(dataset.splits)) {
    if (split === 'train' || rows === 0) continue;
    const folder = splitFolder(directory, dataset, split);
    const scores: Record<string, number> = {
      chance: chanceTopK({ k: 1, classes: Math.max(1, dataset.classes?.length ?? 1) }),
      majority: majorityBaseline(training, await readLabels(folder)).value,
    };
    if (dataset.kind === 'labelled-image' && rows * trainRows <= MAX_NEIGHBOUR_PAIRS) {
      known ??= await readPictures(splitFolder(directory, dataset, 'train'), imageSize);
      const asked = await readPictures(folder, imageSize);
      const answers = neighbourLabels(asked.pictures, known.pictures, known.labels);
      scores['pixelNearestNeighbour'] = accuracy(answers, asked.labels).value;
    }
    out[split] = scores;
  }
  return out;
};

const captionBaselines = async (
  directory: string,
  dataset: SuiteDataset,
  tokenizer: Tokenizer,
): Promise<Pick<SuiteDataset, 'baselines' | 'mostFrequentCaption'>> => {
  const captions = (split: string): Promise<string[][]> =>
    readRows(splitFolder(directory, dataset, split), (batch, row) =>
      nestedListRow(batch, 'captions', row).map((ids) => tokenizer.decode(Array.from(ids, Number))),
    );
  const training = (await captions('train')).flat();
  const caption = training.length === 0 ? undefined : mostFrequentCaption(training);
  const baselines: Record<string, BaselineScores> = {};
  for (const split of Object.keys(dataset.splits)) {
    if (split === 'train' || caption === undefined) continue;
    const rows = await captions(split);
    if (rows.length === 0) continue;
    const pairs = rows.map((references) => ({ candidate: caption, references }));
    baselines[split] = { mostFrequentCaptionExactMatch: exactMatch(pairs).value };
  }
  return { baselines, ...(caption === undefined ? {} : { mostFrequentCaption: caption }) };
};

/** The dataset with its baselines; those without training split and plain text have none. */
export const withBaselines = async (
  dataset: SuiteDataset,
  context: { readonly directory: string; readonly imageSize: number; readonly tokenizer: Tokenizer },
): Promise<SuiteDataset> => {
  if (!dataset.splits['train']?.rows || Object.keys(dataset.splits).length < 2) return dataset;
  switch (dataset.kind) {
    case 'labelled-image':
    case 'labelled-text':
      return { ...dataset, baselines: await labelBaselines(context.directory, dataset, context.imageSize) };
    case 'captioned-image':
      return { ...dataset, ...(await captionBaselines(context.directory, dataset, context.tokenizer)) };
    case 'text':
      return dataset;
    default:
      return dataset.kind satisfies never;
  }
};
