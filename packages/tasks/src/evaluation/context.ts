/** What every evaluator of a split is given. */
import type { SuiteDataset } from '@polygate/datasets';
import { hasColumn, textRow, type RecordBatch, type ShardSet } from '@polygate/stream';
import type { TaskModel } from '../model.ts';

/** Where the rows of splits come from. */
export interface SplitData {
  /** Shards of a split; the lender closes them. @throws ConfigError listing the known datasets or splits */
  shards(dataset: string, split: string): Promise<ShardSet>;
}

/** A task that is scored although the model was not trained on it. */
export interface DescribedTask {
  /** Stands in reports. */
  readonly name: string;
  /** What its family keeps of its settings. */
  readonly settings?: Readonly<Record<string, unknown>>;
  /** Task of the model whose routing it is served by, for routers that look at the task. */
  readonly servedBy?: string | undefined;
}

export interface SplitContext {
  readonly model: TaskModel;
  readonly data: SplitData;
  readonly dataset: SuiteDataset;
  readonly split: string;
  /** Most rows of the split, and of the training split that baselines look at. */
  readonly limit: number;
  /** Chooses rows, masks words and resamples. */
  readonly seed: number;
  readonly batchSize: number;
  /** The task, where it is none that the model was trained on. @default the family's that was trained on the dataset */
  readonly task?: DescribedTask;
  /**
   * Whether reports that say more (`detail`) are wanted too; they may cost.
   * @default false
   */
  readonly details?: boolean;
  /** Options of the family's own prediction, such as a beam width. @default the family's */
  readonly options?: Readonly<Record<string, unknown>>;
  /** What several families need of the split, made by the first that asks. */
  shared<T>(key: string, make: () => Promise<T>): Promise<T>;
}

/** A {@link SplitContext.shared} of its own. */
export const createShared = (): SplitContext['shared'] => {
  const made = new Map<string, Promise<unknown>>();
  return <T>(key: string, make: () => Promise<T>): Promise<T> => {
    const before = made.get(key) as Promise<T> | undefined;
    if (before) return before;
    const value = make();
    made.set(key, value);
    return value;
  };
};

/** Most training rows that a baseline looks at. */
export const MOST_BASELINE_ROWS = 8000;

/**
 * What the samples of a batch share, for intervals: images of one concept are no independent samples. Rows without a
 * concept stand for themselves.
 */
export const groupsOf = (batch: RecordBatch): readonly string[] => {
  const [concept, id] = ['concept', 'id'].map((name) => hasColumn(batch, name));
  return Array.from({ length: batch.numRows }, (_, row) => {
    const name = concept ? textRow(batch, 'concept', row) : '';
    // Ids and concepts are different things, also where they are spelled alike.
    if (name !== '') return `concept ${name}`;
    return id ? `id ${textRow(batch, 'id', row)}` : `row ${row}`;
  });
};
