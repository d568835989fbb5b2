/** What every evaluator of a split is given. */
import type { SuiteDataset } from '@polygate/datasets';
import { hasColumn, textRow, type RecordBatch } from '@polygate/stream';
import type { Generalist } from './models/uni-perceiver/uni-perceiver-model.ts';
import type { OpenSuite } from './suite-data.ts';

export interface SplitContext {
  readonly model: Generalist;
  readonly data: OpenSuite;
  readonly dataset: SuiteDataset;
  readonly split: string;
  /** Most rows of the split, and of the training split that baselines look at. */
  readonly limit: number;
  /** Chooses rows, masks words and resamples. */
  readonly seed: number;
  readonly batchSize: number;
}

/** Most training rows that a baseline looks at. */
export const MOST_BASELINE_ROWS = 8000;

/**
 * What the samples of a batch share, for intervals: pictures of one concept are no independent samples. Rows without a
 * concept stand for themselves.
 */
export const groupsOf = (batch: RecordBatch): readonly string[] => {
  const [concept, id] = ['concept', 'id'].map((name) => hasColumn(batch, name));
  return Array.from({ length: batch.numRows }, (_, row) => {
    const own = concept ? textRow(batch, 'concept', row) : '';
    // Ids and concepts are different things, also where they are spelled alike.
    if (own !== '') return `concept ${own}`;
    return id ? `id ${textRow(batch, 'id', row)}` : `row ${row}`;
  });
};
