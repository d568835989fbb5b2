/** Baselines of captioned datasets, from their written rows. */
import { exactMatch, mostFrequentCaption } from '@polygate/evaluation';
import { nestedListRow } from '@polygate/stream';
import { splitFolder, type BaselineScores, type SuiteDataset } from '../suite/suite.ts';
import type { BaselineContext } from './dataset-kind.ts';
import { readRows } from './written-rows.ts';

/** The most frequent training caption, as an answer to every image of the other splits. */
export const captionBaselines = async ({
  directory,
  dataset,
  tokenizer,
}: BaselineContext): Promise<Pick<SuiteDataset, 'baselines' | 'mostFrequentCaption'>> => {
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
