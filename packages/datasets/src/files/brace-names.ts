/** Names of files as WebDataset writes those of many archives: `train-{000..127}.tar`, `{train,val}.tar`. */
import { ConfigError, excerpt } from '@polygate/core';

/** Most names that one pattern stands for. */
const MAX_NAMES = 100_000;

const tooMany = (pattern: string): ConfigError =>
  new ConfigError(
    `files: expected at most ${MAX_NAMES} names, got more by ${excerpt(pattern)}; give a smaller range`,
    { code: 'brace-names' },
  );

/** The words of one pair of braces; undefined where it is no pattern and stands for itself. */
const words = (inner: string, pattern: string): string[] | undefined => {
  const range = /^(\d{1,9})\.\.(\d{1,9})$/u.exec(inner);
  if (!range) return inner.includes(',') ? inner.split(',') : undefined;
  const [from = '', to = ''] = range.slice(1);
  if (Number(to) - Number(from) >= MAX_NAMES) throw tooMany(pattern);
  const padded = [from, to].some((text) => text.length > 1 && text.startsWith('0'));
  const width = padded ? Math.max(from.length, to.length) : 0;
  const count = Math.max(Number(to) - Number(from) + 1, 0);
  return Array.from({ length: count }, (_, n) => String(Number(from) + n).padStart(width, '0'));
};

/** All names that a pattern stands for, in order; a name without pattern is itself. @throws ConfigError for too many */
export const expandBraces = (pattern: string): string[] => {
  let names = [''];
  for (const part of pattern.split(/(\{[^{}]*\})/u)) {
    const list = (part.startsWith('{') ? words(part.slice(1, -1), pattern) : undefined) ?? [part];
    if (names.length * list.length > MAX_NAMES) throw tooMany(pattern);
    names = names.flatMap((name) => list.map((word) => name + word));
  }
  return names;
};
