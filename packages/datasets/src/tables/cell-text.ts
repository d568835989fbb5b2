import { plainValue } from '../values/value-type.ts';

/** A value as the text of a cell: what is missing, and what has no text of its own, is an empty one. */
export const cellText = (value: unknown): string => {
  const cell = plainValue(value);
  return typeof cell === 'string' || typeof cell === 'number' || typeof cell === 'boolean'
    ? String(cell)
    : '';
};
