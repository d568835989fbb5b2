/** One cell of a column of splits, or value of a field of JSON lines: the split that it names, or what is wrong with it. */
import { excerpt } from '@polygate/core';
import { fault, type Fault } from '../samples/sample.ts';
import { canonicalSplit } from './split-names.ts';

/** What programs for tables write or read for a value that is not there (pandas' `na_values`, R, SQL), in lower case. */
const absent: ReadonlySet<string> = new Set([
  '',
  'nan',
  '-nan',
  'na',
  'n/a',
  '<na>',
  '#na',
  '#n/a',
  '#n/a n/a',
  'nat',
  'null',
  '\\n',
  'none',
  '1.#ind',
  '-1.#ind',
  '1.#qnan',
  '-1.#qnan',
]);

/** Whether a value says that there is none. */
export const isAbsent = (value: unknown): boolean =>
  value === undefined ||
  value === null ||
  Number.isNaN(value) ||
  (typeof value === 'string' && absent.has(value.trim().toLowerCase()));

/** The split that a value names, as `canonicalSplit` writes it; undefined for none. */
export const splitOfCell = (value: unknown): string | undefined =>
  typeof value === 'string' && !isAbsent(value) ? canonicalSplit(value) : undefined;

/** The fault of a row whose split is not known. @param where the field, for rows that name theirs */
export const noSplit = (id: string, value: unknown, where = ''): Fault => {
  const empty = typeof value === 'string' && value.trim() === '';
  const name =
    isAbsent(value) || typeof value !== 'string'
      ? 'the name of a split'
      : 'a name of letters and digits for a split';
  return fault(
    id,
    'no-split',
    `expected ${name}${where}, got ${empty ? 'an empty field' : excerpt(value, 80)}`,
  );
};
