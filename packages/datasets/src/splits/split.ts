/**
 * Splits by hash: the side of a sample depends on its key alone, so that it stays the same when others are added,
 * on every machine, and in every dataset that shares the key.
 */
import { hashText } from '@polygate/core';

/** Percentages of a hash split; the rest is `train`. */
export interface SplitPercents {
  /** @default 0 */
  readonly validation?: number;
  /** @default 0 */
  readonly test?: number;
}

/** Bucket 0..99 of a key: FNV-1a modulo 100. */
export const bucketOf = (key: string): number => hashText(key) % 100;

/** `test` gets the lowest buckets, `validation` the next. A salt makes an independent split of the same keys. */
export const splitByHash = (
  key: string,
  percents: SplitPercents,
  salt = '',
): 'train' | 'validation' | 'test' => {
  const bucket = bucketOf(`${salt}${key}`);
  const { test = 0, validation = 0 } = percents;
  if (bucket < test) return 'test';
  return bucket < test + validation ? 'validation' : 'train';
};
