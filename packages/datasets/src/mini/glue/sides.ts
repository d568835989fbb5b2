/** Splits of mini-GLUE, by the hash of what decides them: a lemma, a subject, a text. */
import { bucketOf } from '../../splits/split.ts';
import type { TaskSide } from './understanding-task.ts';

/** Percentage of lemmas and subjects that are `test`. */
const VALIDATION_PERCENT = 3;

/**
 * The side of a key: `test` by the hash that the running text goes by too, so that what is tested is in no training text.
 * A share of the others is `validation`.
 */
export const sideOf = (key: string, testPercent: number): TaskSide => {
  if (bucketOf(key) < testPercent) return 'test';
  return bucketOf(`validation/${key}`) < VALIDATION_PERCENT ? 'validation' : 'train';
};
