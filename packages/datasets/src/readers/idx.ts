import { type Budgets, ConfigError, resolveBudgets } from '@polygate/core';
import { z } from 'zod';
import { type ImageArrays, openArrayImages, type ArrayImageOptions } from '../arrays/array-images.ts';
import { idxName, idxSource } from '../arrays/idx.ts';
import { expandFiles, inputsOfFiles } from '../files/file-patterns.ts';
import type { LinkOptions } from '../files/folder-listing.ts';
import { withClasses } from '../samples/class-renames.ts';
import type { Reader } from '../samples/sample.ts';
import { splitInName } from '../splits/split-names.ts';
import { defineReader } from './dataset-reader.ts';
import { classSettings, linksSetting, textSetting } from './reader-settings.ts';

export interface IdxOptions extends ArrayImageOptions, LinkOptions {
  /** Files, folders and patterns; images and labels are paired by their names. */
  readonly files: string | readonly string[];
  /** Whether names such as `train-images-idx3-ubyte` and `t10k-...` say the splits. @default true */
  readonly splitsByName?: boolean;
  readonly budgets?: Partial<Budgets>;
}

/** `train-images-idx3-ubyte`, `t10k-labels.idx1-ubyte.gz`: what stands before tells pairs apart. */
const idxFile = /^(.*?)(images|labels)[-_.]idx\d-\w+(?:\.gz)?$/iu;
const extensions = ['-ubyte', '-ubyte.gz', '.idx', '.idx.gz', '-int', '-int.gz', '-float', '-float.gz'];

interface Pair {
  images?: string;
  labels?: string;
}

const pairsOf = (paths: readonly string[]): ReadonlyMap<string, Pair> => {
  const pairs = new Map<string, Pair>();
  for (const path of paths) {
    const [, prefix = '', role = ''] = idxFile.exec(idxName(path)) ?? [];
    if (role === '') continue;
    const key = prefix.replace(/[-_.]+$/u, '').toLowerCase();
    const pair = pairs.get(key) ?? {};
    const part = role.toLowerCase() === 'images' ? 'images' : 'labels';
    // A file that lies unpacked beside its .gz is the same one.
    pair[part] ??= path;
    pairs.set(key, pair);
  }
  return pairs;
};

const splitOf = (key: string): string | undefined =>
  /(?:^|[-_.])t10k$/u.test(key) ? 'test' : splitInName(key);

/**
 * Reads images and labels in files of the idx format, as MNIST, Fashion-MNIST, KMNIST and EMNIST ship, plain or gzip.
 * @throws ConfigError for files without their pair and several pairs of one split; FormatError for damaged files
 */
export const openIdx = async (options: IdxOptions): Promise<Reader> => {
  const paths = await expandFiles(options.files, { ...options, what: 'idx files', extensions });
  const pairs = pairsOf(paths.map(({ path }) => path));
  const { imageBytes } = resolveBudgets(options.budgets);
  const arrays: ImageArrays[] = [];
  const seen = new Map<string, string>();
  for (const [key, { images, labels }] of pairs) {
    if (images === undefined || labels === undefined)
      throw new ConfigError(
        `idx files: expected images and labels of "${key}", got ${images === undefined ? 'labels' : 'images'} alone; name both files`,
        { code: 'idx-pair', fields: { pair: key } },
      );
    const split = (options.splitsByName ?? true) ? splitOf(key) : undefined;
    const other = seen.get(split ?? '');
    if (other !== undefined)
      throw new ConfigError(
        `idx files: expected one pair of files of each split, got "${other}" and "${key}"; name the files of one dataset`,
        { code: 'idx-pair', fields: { pair: key } },
      );
    seen.set(split ?? '', key);
    arrays.push({
      ...(split === undefined ? {} : { split }),
      images: idxSource(images, imageBytes),
      labels: idxSource(labels, imageBytes),
    });
  }
  if (arrays.length === 0)
    throw new ConfigError(
      `idx files: expected names such as train-images-idx3-ubyte and train-labels-idx1-ubyte, got ${paths
        .map(({ id }) => id)
        .slice(0, 4)
        .join(', ')}; rename them`,
      { code: 'idx-pair' },
    );
  return openArrayImages('idx files', arrays, options);
};

export const idxReader = defineReader({
  name: 'idx',
  summary: 'files of the idx format, as MNIST, Fashion-MNIST, KMNIST and EMNIST ship',
  needs: 'train-images-idx3-ubyte and train-labels-idx1-ubyte, also t10k-..., plain or .gz',
  settings: {
    /** A folder, files, patterns, or a list of these. */
    files: z.union([textSetting, z.array(textSetting).min(1)]),
    /** Whether rows and columns are exchanged, as EMNIST has them. */
    transpose: z.boolean().default(false),
    ...classSettings,
    links: linksSetting,
  },
  kinds: ['labelled-image'],
  paths: { files: 'all' },
  inputs: ({ files }) => inputsOfFiles(files),
  async open(settings, { within, budgets }) {
    const reader = await openIdx({
      ...settings,
      within,
      budgets,
      splitsByName: settings.split === undefined,
    });
    return { kind: 'labelled-image', ...withClasses(reader, settings) };
  },
  detect(survey) {
    const pairs = pairsOf(survey.files.map(({ id }) => id));
    if (pairs.size === 0) return undefined;
    const alone = [...pairs].find(([, pair]) => pair.images === undefined || pair.labels === undefined);
    if (alone)
      return { fit: 'nearly', reason: `idx files, but of "${alone[0]}" either images or labels are missing` };
    const names = [...pairs.keys()].join(', ');
    const emnist = /emnist/iu.test(names);
    return {
      fit: 'sure',
      reason: `idx files of images and labels: ${names}${emnist ? '; EMNIST has rows and columns exchanged' : ''}`,
      sources: [{ files: survey.at(), ...(emnist ? { transpose: true } : {}) }],
    };
  },
});
