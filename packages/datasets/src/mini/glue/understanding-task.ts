/** The record of a task of mini-GLUE: its classes, what it is made of, and its samples with the split of each. */
import type { NamedRecord } from '@polygate/core';
import type { MiniSet } from '../mini-set.ts';
import type { PackageOptions } from '../fetch/package-files.ts';

export interface LoadTaskOptions {
  /** Every n-th sample is used. */
  readonly every: number;
  readonly packages: PackageOptions;
}

/** Splits of a task: `test` is scored, `validation` is for use during training. */
export type TaskSide = 'train' | 'validation' | 'test';

/** A task, registered by `registerUnderstandingTask`. Its samples have one text, or two in `pairs`, and a label. */
export interface UnderstandingTask extends NamedRecord {
  /** Names of the data sources that it is made of. */
  readonly sources: readonly string[];
  readonly classes: readonly string[];
  readonly pairs: boolean;
  /** Text columns by which leakage is checked, such as `lemma`. */
  readonly extra: readonly string[];
  load(options: LoadTaskOptions): Promise<MiniSet<TaskSide>>;
}
