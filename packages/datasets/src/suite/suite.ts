/** suite.json: what a prepared folder holds. The writer is the last to touch a suite, so its presence means complete. */
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import {
  ConfigError,
  excerpt,
  FormatError,
  isPlainName,
  parseJson,
  sealOf,
  unknownName,
} from '@polygate/core';
import { type FileDigest, type LinkPolicy, recoverDirectory, requireInside } from '@polygate/core/node';
import { isColour } from '../images/image-decode.ts';

export const SUITE_FILE = 'suite.json';
export const SUITE_VERSION = 1;
/** Largest suite.json that is read, in bytes. */
const MAX_SUITE_BYTES = 64 << 20;

/** Scores of baselines on one split, by name, e.g. `chance`, `majority`, `pixelNearestNeighbour`. */
export type BaselineScores = Readonly<Record<string, number>>;

/** Samples that show the same in two splits, which their sources named or which two datasets drew. */
export interface SplitOverlap {
  readonly splits: readonly [string, string];
  /** Dataset of the second split, where it is not this one. */
  readonly dataset?: string;
  /** Samples of the one whose image or text the other holds, too. */
  readonly rows: number;
  /** Ids of two that are equal. */
  readonly example: readonly [string, string];
}

/** Samples that show the same under different labels. */
export interface LabelConflicts {
  /** Samples whose label is not that of the first one that shows the same. */
  readonly rows: number;
  /** Ids of two of them, and the labels that they have. */
  readonly example: readonly [string, string];
  readonly labels: readonly [string, string];
}

/** One prepared dataset. */
export interface SuiteDataset {
  readonly name: string;
  /** Name of the kind of its rows. */
  readonly kind: string;
  readonly splits: Readonly<Record<string, { readonly rows: number }>>;
  readonly classes?: readonly string[];
  /** Settings of its kind that it was prepared with, such as how clips are sampled. @default none */
  readonly settings?: Readonly<Record<string, unknown>>;
  /** Where the sources' own splits share samples, and where another dataset trains on what this one holds out. */
  readonly overlaps?: readonly SplitOverlap[];
  /** Where samples that show the same have different labels. */
  readonly labelConflicts?: LabelConflicts;
  /** By split. */
  readonly baselines?: Readonly<Record<string, BaselineScores>>;
  /** The caption that is most frequent in training, for captioned images. */
  readonly mostFrequentCaption?: string;
}

/** How the images of a suite were made of files. Suites of older versions don't say fit and background. */
export interface SuiteImage {
  readonly height: number;
  readonly width: number;
  readonly fit?: 'contain' | 'cover';
  /** Colour under transparent parts and beside the image, as CSS. */
  readonly background?: string;
}

/** Contents of suite.json. */
export interface Suite {
  readonly name: string;
  readonly version: number;
  /** Pixels of all images; RGB. */
  readonly image: SuiteImage;
  /** Tokens of a row of text. */
  readonly textLength: number;
  readonly tokenizerHash: string;
  readonly datasets: readonly SuiteDataset[];
  /** Samples left out, by reason. */
  readonly quarantine: Readonly<Record<string, number>>;
  /** Samples that were taken with a loss, by kind, such as `first-frame` for animated images. */
  readonly notes?: Readonly<Record<string, number>>;
  /** Hash of the resolved recipe and of all that decides the content. */
  readonly recipeHash: string;
  /** Size and hash of each file but the shards, which their manifests vouch for. Older suites have none. */
  readonly files?: Readonly<Record<string, FileDigest>>;
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;

const isTexts = (value: unknown): boolean =>
  Array.isArray(value) && value.every((text) => typeof text === 'string');

const isNumbers = (value: unknown): boolean =>
  isRecord(value) && Object.values(value).every((number) => typeof number === 'number');

const isPair = (value: unknown): boolean => isTexts(value) && (value as readonly unknown[]).length === 2;

const isOverlap = (value: unknown): boolean =>
  isRecord(value) &&
  isPair(value['splits']) &&
  isPair(value['example']) &&
  isCount(value['rows']) &&
  (value['dataset'] === undefined || typeof value['dataset'] === 'string');

/** What is wrong with a dataset, or undefined. Its names become folders: they must lead nowhere else. */
const datasetProblem = (dataset: unknown): string | undefined => {
  if (!isRecord(dataset)) return `expected datasets with name and splits, got ${excerpt(dataset)}`;
  const { name, kind, splits, classes, settings, baselines, overlaps, mostFrequentCaption } = dataset;
  if (!isPlainName(name)) return `expected names of datasets that are names of folders, got ${excerpt(name)}`;
  if (typeof kind !== 'string') return `expected the kind of ${name}, got ${excerpt(kind)}`;
  if (!isRecord(splits)) return `expected splits by name for ${name}, got ${excerpt(splits)}`;
  for (const [split, entry] of Object.entries(splits)) {
    if (!isPlainName(split))
      return `expected names of splits that are names of folders for ${name}, got ${excerpt(split)}`;
    if (!isRecord(entry) || !isCount(entry['rows']))
      return `expected a number of rows for ${name}/${excerpt(split)}, got ${excerpt(entry)}`;
  }
  if (classes !== undefined && !isTexts(classes))
    return `expected a list of class names for ${name}, got ${excerpt(classes)}`;
  if (settings !== undefined && !isRecord(settings))
    return `expected settings by name for ${name}, got ${excerpt(settings)}`;
  if (baselines !== undefined && !(isRecord(baselines) && Object.values(baselines).every(isNumbers)))
    return `expected baselines by split for ${name}, got ${excerpt(baselines)}`;
  if (overlaps !== undefined && !(Array.isArray(overlaps) && overlaps.every(isOverlap)))
    return `expected overlaps of two splits each for ${name}, got ${excerpt(overlaps)}`;
  if (mostFrequentCaption !== undefined && typeof mostFrequentCaption !== 'string')
    return `expected a text "mostFrequentCaption" for ${name}, got ${excerpt(mostFrequentCaption)}`;
  return undefined;
};

/** What is wrong with the list of files, or undefined. Its paths are read: they must lead nowhere else. */
const filesProblem = (files: unknown): string | undefined => {
  if (files === undefined) return undefined;
  if (!isRecord(files)) return `expected files by path, got ${excerpt(files)}`;
  for (const [path, digest] of Object.entries(files)) {
    if (!path.split('/').every(isPlainName))
      return `expected paths of files inside the suite, got ${excerpt(path)}`;
    if (!isRecord(digest) || !isCount(digest['bytes']) || typeof digest['sha256'] !== 'string')
      return `expected bytes and sha256 of ${excerpt(path)}, got ${excerpt(digest)}`;
  }
  return undefined;
};

const check = (value: unknown, path: string): Suite => {
  const fail = (problem: string): never => {
    throw new FormatError(`suite ${path}: ${problem}; run prepare again`, {
      code: 'suite-file',
      fields: { path },
    });
  };
  if (!isRecord(value)) return fail(`expected an object, got ${excerpt(value)}`);
  if (value['version'] !== SUITE_VERSION) {
    return fail(`expected version ${SUITE_VERSION}, got ${excerpt(value['version'])}`);
  }
  const image = value['image'];
  if (!isRecord(image) || ![image['height'], image['width']].every((side) => isCount(side) && side !== 0)) {
    return fail(`expected "image" with height and width, got ${excerpt(image)}`);
  }
  const { fit, background } = image;
  if (fit !== undefined && fit !== 'contain' && fit !== 'cover')
    return fail(`expected "image.fit" of contain or cover, got ${excerpt(fit)}`);
  if (background !== undefined && !(typeof background === 'string' && isColour(background)))
    return fail(`expected a colour "image.background", got ${excerpt(background)}`);
  for (const key of ['name', 'tokenizerHash', 'recipeHash']) {
    if (typeof value[key] !== 'string') return fail(`expected a text "${key}", got ${excerpt(value[key])}`);
  }
  if (!isCount(value['textLength']))
    return fail(`expected a number "textLength", got ${excerpt(value['textLength'])}`);
  const datasets = value['datasets'];
  if (!Array.isArray(datasets)) return fail(`expected a list "datasets", got ${excerpt(datasets)}`);
  for (const dataset of datasets as readonly unknown[]) {
    const problem = datasetProblem(dataset);
    if (problem !== undefined) return fail(problem);
  }
  for (const key of ['quarantine', 'notes']) {
    const counts = value[key];
    if (!isNumbers(counts) && !(key === 'notes' && counts === undefined))
      return fail(`expected counts "${key}", got ${excerpt(counts)}`);
  }
  const names = (datasets as readonly { readonly name: string }[]).map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) return fail(`expected datasets of different names, got ${excerpt(twice)} twice`);
  const problem = filesProblem(value['files']);
  if (problem !== undefined) return fail(problem);
  // The seal is the file's, not the suite's.
  const { sha256: _, ...suite } = value;
  return suite as unknown as Suite;
};

/**
 * Reads suite.json of a prepared folder. A suite that a killed preparation had set aside is put back first.
 * @throws ConfigError where there is none, or links lead out of the folder; FormatError for one that is broken or was edited
 */
export const readSuite = async (directory: string, policy: LinkPolicy = {}): Promise<Suite> => {
  const path = join(directory, SUITE_FILE);
  await recoverDirectory(directory);
  const stats = await stat(path).catch(() => undefined);
  if (!stats?.isFile()) {
    throw new ConfigError(
      `suite: expected a prepared folder, got no ${SUITE_FILE} in ${directory}; run prepare first, or give the folder that it wrote`,
      { code: 'suite-missing', fields: { directory } },
    );
  }
  if (stats.size > MAX_SUITE_BYTES)
    throw new FormatError(`suite ${path}: expected a small file, got ${stats.size} bytes`);
  const bytes = await readFile(path);
  const suite = check(parseJson(bytes, `suite ${path}`, { remedy: 'run prepare again' }), path);
  const seal = sealOf(bytes.toString('utf8'));
  // Suites that list their files were sealed, all of them: without the seal, too, they were edited.
  if (seal === 'broken' || (seal === 'absent' && suite.files)) {
    throw new FormatError(
      `suite ${path}: expected the SHA-256 of itself at its end, got ${seal === 'broken' ? 'that of another content' : 'none'}; it is damaged or was edited: restore it from a copy or run prepare again`,
      { code: 'suite-file', fields: { path } },
    );
  }
  await requireInside(directory, path, policy);
  for (const dataset of suite.datasets)
    for (const split of Object.keys(dataset.splits))
      await requireInside(directory, join(directory, dataset.name, split), policy);
  return suite;
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
