/** suite.json: what a prepared folder holds. The writer is the last to touch a suite, so its presence means complete. */
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigError, FormatError, unknownName } from '@polygate/core';
import type { DatasetKind } from './schemas.ts';

export const SUITE_FILE = 'suite.json';
export const SUITE_VERSION = 1;
/** Largest suite.json that is read, in bytes. */
const MAX_SUITE_BYTES = 64 << 20;

/** Scores of baselines on one split, by name, e.g. `chance`, `majority`, `pixelNearestNeighbour`. */
export type BaselineScores = Readonly<Record<string, number>>;

/** Samples that show the same in two splits, which their sources named. */
export interface SplitOverlap {
  readonly splits: readonly [string, string];
  /** Samples of the one whose picture or text the other holds, too. */
  readonly rows: number;
  /** Ids of two that are equal. */
  readonly example: readonly [string, string];
}

/** One prepared dataset. */
export interface SuiteDataset {
  readonly name: string;
  readonly kind: DatasetKind;
  readonly splits: Readonly<Record<string, { readonly rows: number }>>;
  readonly classes?: readonly string[];
  /** Where the sources' own splits share samples. */
  readonly overlaps?: readonly SplitOverlap[];
  /** By split. */
  readonly baselines?: Readonly<Record<string, BaselineScores>>;
  /** The caption that is most frequent in training, for captioned images. */
  readonly mostFrequentCaption?: string;
}

/** How the pictures of a suite were made of files. Suites of older versions don't say fit and background. */
export interface SuiteImage {
  readonly height: number;
  readonly width: number;
  readonly fit?: 'contain' | 'cover';
  /** Colour under transparent parts and beside the picture, as CSS. */
  readonly background?: string;
}

/** Contents of suite.json. */
export interface Suite {
  readonly name: string;
  readonly version: number;
  /** Pixels of all pictures; RGB. */
  readonly image: SuiteImage;
  /** Tokens of a row of text. */
  readonly textLength: number;
  readonly tokenizerHash: string;
  readonly datasets: readonly SuiteDataset[];
  /** Samples left out, by reason. */
  readonly quarantine: Readonly<Record<string, number>>;
  /** Samples that were taken with a loss, by kind, such as `first-frame` for animated pictures. */
  readonly notes?: Readonly<Record<string, number>>;
  /** Hash of the resolved recipe and of all that decides the content. */
  readonly recipeHash: string;
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const check = (value: unknown, path: string): Suite => {
  const fail = (problem: string): never => {
    throw new FormatError(`suite ${path}: ${problem}; run prepare again`, {
      code: 'suite-file',
      fields: { path },
    });
  };
  if (!isRecord(value)) return fail('expected an object, got another value');
  if (value['version'] !== SUITE_VERSION) {
    return fail(`expected version ${SUITE_VERSION}, got ${JSON.stringify(value['version'])}`);
  }
  const image = value['image'];
  if (!isRecord(image) || !Number.isInteger(image['height']) || !Number.isInteger(image['width'])) {
    return fail('expected "image" with height and width');
  }
  for (const key of ['name', 'tokenizerHash', 'recipeHash']) {
    if (typeof value[key] !== 'string') return fail(`expected a text "${key}"`);
  }
  const datasets = value['datasets'];
  if (!Array.isArray(datasets)) return fail('expected a list "datasets"');
  for (const dataset of datasets as readonly unknown[]) {
    if (!isRecord(dataset) || typeof dataset['name'] !== 'string' || !isRecord(dataset['splits'])) {
      return fail('expected datasets with name and splits');
    }
  }
  return value as unknown as Suite;
};

/** Reads suite.json of a prepared folder. @throws ConfigError where there is none, FormatError for a broken one */
export const readSuite = async (directory: string): Promise<Suite> => {
  const path = join(directory, SUITE_FILE);
  const found = await stat(path).catch(() => undefined);
  if (!found?.isFile()) {
    throw new ConfigError(
      `suite: expected a prepared folder, got no ${SUITE_FILE} in ${directory}; run prepare first, or give the folder that it wrote`,
      { code: 'suite-missing', fields: { directory } },
    );
  }
  if (found.size > MAX_SUITE_BYTES)
    throw new FormatError(`suite ${path}: expected a small file, got ${found.size} bytes`);
  let value: unknown;
  try {
    value = JSON.parse(await readFile(path, 'utf8'));
  } catch (cause) {
    throw new FormatError(`suite ${path}: expected JSON, got text that does not parse; run prepare again`, {
      code: 'suite-file',
      fields: { path },
      cause,
    });
  }
  return check(value, path);
};

/** The dataset of a suite with that name. @throws ConfigError listing the known ones */
export const suiteDataset = (suite: Suite, name: string): SuiteDataset => {
  const dataset = suite.datasets.find((candidate) => candidate.name === name);
  if (dataset) return dataset;
  throw unknownName(
    'dataset',
    name,
    suite.datasets.map((candidate) => candidate.name),
  );
};

/** Folder of the shards of a split. @throws ConfigError listing the known splits */
export const splitFolder = (directory: string, dataset: SuiteDataset, split: string): string => {
  if (Object.hasOwn(dataset.splits, split)) return join(directory, dataset.name, split);
  throw unknownName(`split of ${dataset.name}`, split, Object.keys(dataset.splits));
};
