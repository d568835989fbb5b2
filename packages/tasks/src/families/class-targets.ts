/** Classes as targets: the labels of rows, and the names of classes as candidates. */
import type { AttributeRow } from '@polygate/attributes';
import { ConfigError, ShapeError } from '@polygate/core';
import { values, type RecordBatch } from '@polygate/stream';
import {
  createTaskCandidates,
  nameCandidates,
  type CandidateSettings,
  type TaskTokenizer,
} from '../candidates.ts';
import { segmentRows } from '../signatures.ts';
import type { TaskSettings } from '../task.ts';

/** Longest name of a class where nothing is said, end token included. */
export const LONGEST_NAME = 32;

/** Settings of every task whose candidates are the names of classes. */
export interface ClassSettings extends Pick<TaskSettings, 'name'>, CandidateSettings {
  /** Class names in label order. */
  readonly classes: readonly string[];
  readonly tokenizer: TaskTokenizer;
  /** Longest class name in tokens, end token included. @default 32 */
  readonly maximumTokens?: number | undefined;
  /** Attributes of the names. @default those of names of images */
  readonly row?: AttributeRow;
}

/** The column `label` of a batch. @throws ShapeError for a label that is none of the classes */
export const classLabels = (
  batch: RecordBatch,
  { name, classes }: Pick<ClassSettings, 'name' | 'classes'>,
): Int32Array => {
  const labels = Int32Array.from(values(batch, 'label'), Number);
  const bad = labels.find((id) => id < 0 || id >= classes.length);
  if (bad === undefined) return labels;
  throw new ShapeError(
    `task "${name}": expected labels from 0 to ${classes.length - 1}, got ${bad}; the data was prepared with other classes`,
  );
};

/** How a task chooses among the names of its classes. @throws ConfigError for names that repeat or have no token */
export const createClassCandidates = (settings: ClassSettings): ReturnType<typeof createTaskCandidates> => {
  const { name, classes, tokenizer, maximumTokens = LONGEST_NAME, row = segmentRows.name } = settings;
  const repeated = classes.find((label, i) => classes.indexOf(label) !== i);
  if (repeated !== undefined) {
    throw new ConfigError(
      `task "${name}": expected class names that differ, got "${repeated}" twice; their targets would be the same`,
    );
  }
  const options = { tokenizer, row, maximum: maximumTokens };
  return createTaskCandidates(nameCandidates(`classes:${name}`, classes, options), settings);
};
