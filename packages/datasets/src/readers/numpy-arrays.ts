import { type Budgets, ConfigError, FormatError, resolveBudgets } from '@polygate/core';
import { z } from 'zod';
import type { ArraySource } from '../arrays/array-data.ts';
import { arraysOf } from '../arrays/array-files.ts';
import { type ArrayImageOptions, type ImageArrays, openArrayImages } from '../arrays/array-images.ts';
import { expandFiles, inputsOfFiles } from '../files/file-patterns.ts';
import type { LinkOptions } from '../files/folder-listing.ts';
import { withClasses } from '../samples/class-renames.ts';
import type { Reader } from '../samples/sample.ts';
import { knownSplit } from '../splits/split-names.ts';
import { defineReader } from './dataset-reader.ts';
import { classSettings, linksSetting, textSetting } from './reader-settings.ts';

export interface NumpyArraysOptions extends ArrayImageOptions, LinkOptions {
  /** `.npz` or `.npy` files, folders and patterns. */
  readonly files: string | readonly string[];
  /** Array of the images, where there is one pair alone. @default x, images, data and the like, for each split */
  readonly imageArray?: string;
  /** Array of the labels. @default y, labels, targets and the like, for each split */
  readonly labelArray?: string;
  /** Whether names such as `x_train` and `val_images` say the splits. @default true */
  readonly splitsByName?: boolean;
  readonly budgets?: Partial<Budgets>;
}

const imageWords: ReadonlySet<string> = new Set(['x', 'image', 'images', 'img', 'imgs', 'data', 'features']);
const labelWords: ReadonlySet<string> = new Set([
  'y',
  'label',
  'labels',
  'target',
  'targets',
  'class',
  'classes',
]);

interface Role {
  readonly role: 'images' | 'labels';
  readonly split: string;
}

/** What an array is, by the words of its name: `x_train`, `val_images`, `testY`; undefined for others. */
const roleOf = (name: string): Role | undefined => {
  const words = name
    .replace(/([a-z])([A-Z])/gu, '$1_$2')
    .toLowerCase()
    .split(/[\s_.-]+/u)
    .filter((word) => word !== '');
  const splits = words.flatMap((word) => knownSplit(word) ?? []);
  const rest = words.filter((word) => knownSplit(word) === undefined);
  const [word = ''] = rest;
  if (splits.length > 1 || rest.length !== 1) return undefined;
  const role = imageWords.has(word) ? 'images' : labelWords.has(word) ? 'labels' : undefined;
  return role && { role, split: splits[0] ?? '' };
};

const pairsOf = (arrays: ReadonlyMap<string, ArraySource>, options: NumpyArraysOptions): ImageArrays[] => {
  const shown = [...arrays.keys()].slice(0, 12).join(', ');
  const fail = (problem: string): ConfigError =>
    new ConfigError(
      `NumPy arrays: expected ${problem}, got the arrays ${shown}; set imageArray and labelArray, or give other files`,
      { code: 'array-names', fields: { arrays: [...arrays.keys()] } },
    );
  const { imageArray, labelArray } = options;
  if (imageArray !== undefined || labelArray !== undefined) {
    const [images, labels] = [arrays.get(imageArray ?? ''), arrays.get(labelArray ?? '')];
    if (!images || !labels) throw fail(`the arrays "${imageArray ?? ''}" and "${labelArray ?? ''}"`);
    return [{ images, labels }];
  }
  const pairs = new Map<string, Partial<Record<Role['role'], ArraySource>>>();
  for (const [name, source] of arrays) {
    const role = roleOf(name);
    if (!role) continue;
    const pair = pairs.get(role.split) ?? {};
    if (pair[role.role]) throw fail(`one array of ${role.role} in each split`);
    pair[role.role] = source;
    pairs.set(role.split, pair);
  }
  if (pairs.size === 0) throw fail('names such as x_train and y_train, or images and labels');
  return [...pairs].map(([split, { images, labels }]) => {
    if (!images || !labels) throw fail(`images and labels of each split, also of "${split}"`);
    const named = split !== '' && (options.splitsByName ?? true);
    return { images, labels, ...(named ? { split } : {}) };
  });
};

/**
 * Reads images and labels in NumPy's files: `mnist.npz` as Keras ships it, MedMNIST, `x_train.npy` beside `y_train.npy`.
 * Arrays of Python objects are refused. Images of order C are read one by one.
 * @throws ConfigError for names and shapes that are no images and labels; FormatError for damaged files and pickles
 */
export const openNumpyArrays = async (options: NumpyArraysOptions): Promise<Reader> => {
  const paths = await expandFiles(options.files, {
    ...options,
    what: 'NumPy arrays',
    extensions: ['.npz', '.npy'],
  });
  const arrays = await arraysOf(
    paths.map(({ path }) => path),
    resolveBudgets(options.budgets),
  );
  return openArrayImages('NumPy arrays', pairsOf(arrays, options), options);
};

export const numpyArraysReader = defineReader({
  name: 'numpy-arrays',
  summary: 'NumPy files (.npz, .npy) of images and labels, as Keras and MedMNIST ship theirs',
  needs: 'arrays such as x_train and y_train, or images and labels, in .npz or .npy files',
  settings: {
    /** A file, a folder, a pattern, or a list of these. */
    files: z.union([textSetting, z.array(textSetting).min(1)]),
    imageArray: textSetting.optional(),
    labelArray: textSetting.optional(),
    ...classSettings,
    links: linksSetting,
  },
  kinds: ['labelled-image'],
  paths: { files: 'all' },
  inputs: ({ files }) => inputsOfFiles(files),
  async open(settings, { within, budgets }) {
    const options = { ...settings, within, budgets, splitsByName: settings.split === undefined };
    return { kind: 'labelled-image', ...withClasses(await openNumpyArrays(options), settings) };
  },
  async detect(survey) {
    const files = survey.files.filter(({ extension }) => extension === '.npz' || extension === '.npy');
    if (files.length === 0) return undefined;
    try {
      const paths = files.map(({ id }) => survey.at(id));
      const arrays = await arraysOf(paths, resolveBudgets());
      const pairs = pairsOf(arrays, { files: paths });
      for (const { images } of pairs) {
        await using pass = await images.open();
        if (pass.shape.length > 2) continue;
        const reason = `expected images of three or four axes, got (${pass.shape.join(', ')}) in ${images.name}`;
        return { fit: 'nearly', reason };
      }
      const names = pairs.map(({ images, labels }) => `${images.name} and ${labels.name}`);
      return {
        fit: 'sure',
        reason: `arrays of NumPy: ${names.join(', ')}`,
        sources: [{ files: survey.at() }],
      };
    } catch (error) {
      if (!(error instanceof ConfigError || error instanceof FormatError)) throw error;
      return { fit: 'nearly', reason: error.message };
    }
  },
});
