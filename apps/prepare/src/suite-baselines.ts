/** Baselines of a written suite, from its shards. */
import {
  majorityAccuracy,
  mostFrequentText,
  pixelNearestNeighbourAccuracy,
  splitFolder,
  type BaselineScores,
  type LabelledPictures,
  type SuiteDataset,
} from '@polygate/datasets';
import { fixedListRow, nestedListRow, openShards, values, type RecordBatch } from '@polygate/stream';
import type { Tokenizer } from '@polygate/tokens';

/** Pairs of training and evaluation pictures beyond which the nearest neighbour is left out. */
const MAX_NEIGHBOUR_PAIRS = 2e7;

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

const readPictures = async (folder: string): Promise<LabelledPictures> => {
  const rows = await readRows(folder, (batch, row) => ({
    pixels: Uint8Array.from(fixedListRow(batch, 'image', row)),
    label: Number(values(batch, 'label')[row] ?? -1),
  }));
  return { pixels: rows.map(({ pixels }) => pixels), labels: rows.map(({ label }) => label) };
};

const labelBaselines = async (
  directory: string,
  dataset: SuiteDataset,
  imageSize: number,
): Promise<Record<string, BaselineScores>> => {
  const out: Record<string, BaselineScores> = {};
  const trainRows = dataset.splits['train']?.rows ?? 0;
  const training = await readLabels(splitFolder(directory, dataset, 'train'));
  let pictures: LabelledPictures | undefined;
  for (const [split, { rows }] of Object.entries(dataset.splits)) {
    if (split === 'train') continue;
    const folder = splitFolder(directory, dataset, split);
    const scores: Record<string, number> = {
      chance: 1 / Math.max(1, dataset.classes?.length ?? 1),
      majority: majorityAccuracy(training, await readLabels(folder)),
    };
    if (dataset.kind === 'labelled-image' && rows * trainRows <= MAX_NEIGHBOUR_PAIRS) {
      pictures ??= await readPictures(splitFolder(directory, dataset, 'train'));
      scores['pixelNearestNeighbour'] = pixelNearestNeighbourAccuracy(
        pictures,
        await readPictures(folder),
        imageSize,
      );
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
  const caption = mostFrequentText((await captions('train')).map((list) => list[0] ?? ''));
  const baselines: Record<string, BaselineScores> = {};
  for (const split of Object.keys(dataset.splits)) {
    if (split === 'train' || caption === undefined) continue;
    const rows = await captions(split);
    const exact = rows.filter((list) => list.includes(caption)).length / Math.max(1, rows.length);
    baselines[split] = { mostFrequentCaptionExactMatch: exact };
  }
  return { baselines, ...(caption === undefined ? {} : { mostFrequentCaption: caption }) };
};

/** The dataset with its baselines; those without training split and plain text have none. */
export const withBaselines = async (
  dataset: SuiteDataset,
  context: { readonly directory: string; readonly imageSize: number; readonly tokenizer: Tokenizer },
): Promise<SuiteDataset> => {
  if (dataset.splits['train'] === undefined || Object.keys(dataset.splits).length < 2) return dataset;
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
