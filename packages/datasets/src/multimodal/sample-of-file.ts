/** One sample of a file, for predictions. */
import { basename, dirname, extname } from 'node:path';
import { excerpt, FormatError, parseJson } from '@polygate/core';
import { readFile } from 'node:fs/promises';
import type { StoredInput } from '@polygate/stream';
import { SOUND_EXTENSIONS } from '../audio/decode-sound.ts';
import { ARRAY_EXTENSIONS } from '../arrays/array-files.ts';
import { isJsonFields, type JsonFields } from '../samples/json-captions.ts';
import type { SampleContent } from '../samples/sample.ts';
import { openArrays, requireReadable, wholeArray } from './array-content.ts';
import { sampleOfFields, type FieldOptions } from './sample-of-fields.ts';
import { inputName } from './input-names.ts';

/** Endings of files whose rows are samples. */
const TABLES: readonly string[] = ['.csv', '.tsv', '.jsonl', '.ndjson', '.parquet', '.pq'];

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

/** The object in a file of JSON. @throws FormatError for another value */
const objectOf = async (path: string): Promise<JsonFields> => {
  const value = parseJson(await readFile(path, 'utf8'), path, { nonFinite: 'null' });
  if (isJsonFields(value)) return value;
  throw new FormatError(`sample ${path}: expected a JSON object of values and paths, got ${excerpt(value)}`, {
    code: 'sample',
  });
};

/** Whether a sample is given by its values: the text of a JSON object. */
const isObject = (text: string): boolean => text.trimStart().startsWith('{');

/**
 * The contents of a sample in a file, by input: arrays, a recording, or a JSON object of values and paths, which may also be
 * given as it is; inputs that are lacking are missing.
 * @param options `folder`: that paths of an object count from, by default that of its file, else the working directory
 * @throws StateError for a path that can't be read, FormatError for a file that has none of the inputs
 */
export const sampleOfFile = async (
  path: string,
  inputs: Readonly<Record<string, StoredInput>>,
  options: Pick<FieldOptions, 'onNew'> & { readonly folder?: string | undefined } = {},
): Promise<Readonly<Record<string, SampleContent>>> => {
  const { onNew, folder } = options;
  const told = onNew ? { onNew } : {};
  if (isObject(path)) {
    const value = parseJson(path, 'sample', { nonFinite: 'null' });
    return sampleOfFields(value as JsonFields, inputs, {
      name: excerpt(path),
      folder: folder ?? '.',
      ...told,
    });
  }
  await requireReadable(path);
  const extension = extname(path).toLowerCase();
  if (extension === '.json')
    return sampleOfFields(await objectOf(path), inputs, {
      name: path,
      folder: folder ?? dirname(path),
      ...told,
    });
  if (SOUND_EXTENSIONS.includes(extension)) return soundContent(path, inputs);
  if (!ARRAY_EXTENSIONS.includes(extension)) {
    throw new FormatError(
      `sample ${path}: expected a file of ${['.json', ...ARRAY_EXTENSIONS, ...SOUND_EXTENSIONS].join(', ')}, or a JSON object, got ${extension === '' ? 'a name without ending' : extension}${TABLES.includes(extension) ? '; the rows of a table are given by --table' : ''}`,
      { code: 'sample' },
    );
  }
  const arrays = await openArrays(path);
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
