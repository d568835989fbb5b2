/** Files of arrays that hold one sample. */
import { stat } from 'node:fs/promises';
import { ConfigError, FormatError, resolveBudgets, StateError } from '@polygate/core';
import type { StoredInput } from '@polygate/stream';
import { numbersOf, type ArraySource } from '../arrays/array-data.ts';
import { arraysOf } from '../arrays/array-files.ts';
import type { SampleContent } from '../samples/sample.ts';

/** A whole array as the content of one sample; a first axis of 1 counts samples. */
export const wholeArray = async (
  source: ArraySource,
  { shape = [], columns }: StoredInput,
): Promise<SampleContent> => {
  await using pass = await source.open();
  const parts: Float64Array[] = [];
  for await (const bytes of pass.items()) parts.push(numbersOf(bytes, pass));
  const values = Float64Array.from(parts.flatMap((part) => [...part]));
  const axes = columns ? 1 : shape.length || 3;
  const isListed = pass.shape.length === axes + 1;
  if (isListed && pass.shape[0] !== 1)
    throw new FormatError(
      `array ${source.name}: expected one sample of ${axes === 1 ? 'one axis' : `${axes} axes`}, got (${pass.shape.join(', ')}); save one of the ${pass.shape[0] ?? 0}, such as array[0]`,
      { code: 'sample' },
    );
  const counted = isListed;
  return { kind: 'values', values, shape: counted ? pass.shape.slice(1) : pass.shape };
};

/** @throws StateError for a path that is no file */
export const requireReadable = async (path: string): Promise<void> => {
  const stats = await stat(path).catch(() => undefined);
  if (stats?.isFile()) return;
  throw new StateError(`sample ${path}: expected a file, got none that can be read`, {
    code: 'missing-file',
  });
};

/** The arrays of a file of one sample. @throws StateError, FormatError for files that can't be read */
export const openArrays = async (path: string): Promise<ReadonlyMap<string, ArraySource>> => {
  await requireReadable(path);
  return arraysOf([path], resolveBudgets()).catch((error: unknown) => {
    if (error instanceof ConfigError)
      throw new FormatError(`sample ${path}: ${error.message}`, { cause: error });
    throw error;
  });
};

/** One input in a file of arrays: the only one, or that of its name. */
export const contentOfArrays = async (
  path: string,
  name: string,
  stored: StoredInput,
): Promise<SampleContent> => {
  const arrays = await openArrays(path);
  const [only] = arrays.values();
  const source = arrays.size === 1 ? only : arrays.get(name);
  if (source) return wholeArray(source, stored);
  throw new FormatError(
    `sample ${path}: expected one array, or one called ${name}, got ${[...arrays.keys()].join(', ') || 'none'}`,
    { code: 'sample' },
  );
};
