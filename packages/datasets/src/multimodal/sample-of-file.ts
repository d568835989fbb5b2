/** One sample of a file, for predictions. */
import { basename, extname } from 'node:path';
import { ConfigError, FormatError, resolveBudgets, StateError } from '@polygate/core';
import { stat } from 'node:fs/promises';
import type { StoredInput } from '@polygate/stream';
import { numbersOf, type ArraySource } from '../arrays/array-data.ts';
import { SOUND_EXTENSIONS } from '../audio/decode-sound.ts';
import { ARRAY_EXTENSIONS, arraysOf } from '../arrays/array-files.ts';
import type { SampleContent } from '../samples/sample.ts';
import { inputName } from './input-names.ts';

/** A whole array as the content of one sample; a first axis of 1 counts samples. */
const wholeArray = async (
  source: ArraySource,
  { shape = [], columns }: StoredInput,
): Promise<SampleContent> => {
  await using pass = await source.open();
  const parts: Float64Array[] = [];
  for await (const bytes of pass.items()) parts.push(numbersOf(bytes, pass));
  const values = Float64Array.from(parts.flatMap((part) => [...part]));
  const axes = columns ? 1 : shape.length || 3;
  const counted = pass.shape.length === axes + 1 && pass.shape[0] === 1;
  return { kind: 'values', values, shape: counted ? pass.shape.slice(1) : pass.shape };
};

/** A recording as the input that is one. @throws FormatError where none of the inputs is */
const soundContent = (
  path: string,
  inputs: Readonly<Record<string, StoredInput>>,
): Readonly<Record<string, SampleContent>> => {
  const name = Object.keys(inputs).find((each) => inputs[each]?.form === 'audio');
  if (name !== undefined) return { [name]: { kind: 'path', path } };
  throw new FormatError(
    `sample ${path}: expected ${Object.keys(inputs).join(', ')} in a file of arrays, got a recording; give what the model was trained on`,
    { code: 'sample' },
  );
};

/**
 * The contents of a sample in a file, by input; inputs that the file lacks are missing.
 * @throws StateError for a path that can't be read, FormatError for a file that has none of the inputs
 */
export const sampleOfFile = async (
  path: string,
  inputs: Readonly<Record<string, StoredInput>>,
): Promise<Readonly<Record<string, SampleContent>>> => {
  const stats = await stat(path).catch(() => undefined);
  if (!stats?.isFile())
    throw new StateError(`sample ${path}: expected a file, got none that can be read`, {
      code: 'missing-file',
    });
  const extension = extname(path).toLowerCase();
  if (SOUND_EXTENSIONS.includes(extension)) return soundContent(path, inputs);
  if (!ARRAY_EXTENSIONS.includes(extension)) {
    throw new FormatError(
      `sample ${path}: expected a file of ${[...ARRAY_EXTENSIONS, ...SOUND_EXTENSIONS].join(', ')}, got ${extension === '' ? 'a name without ending' : extension}`,
      { code: 'sample' },
    );
  }
  const arrays = await arraysOf([path], resolveBudgets()).catch((error: unknown) => {
    if (error instanceof ConfigError)
      throw new FormatError(`sample ${path}: ${error.message}`, { cause: error });
    throw error;
  });
  const names = Object.keys(inputs);
  const contents: [string, SampleContent][] = [];
  for (const [array, source] of arrays) {
    const [only] = names;
    const name = names.length === 1 && arrays.size === 1 ? (only ?? '') : inputName(array);
    const stored = inputs[name];
    if (stored) contents.push([name, await wholeArray(source, stored)]);
  }
  if (contents.length > 0) return Object.fromEntries(contents);
  throw new FormatError(
    `sample ${path}: expected arrays of ${names.join(', ')}, got ${[...arrays.keys()].join(', ') || 'none'} in ${basename(path)}`,
    { code: 'sample' },
  );
};
