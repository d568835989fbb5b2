/** Folders that `save_to_disk` of Hugging Face's `datasets` writes: Arrow streams, dataset_info.json, state.json. */
import { readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { ConfigError, type Budgets, excerpt, FormatError, isPlainName, parseJson } from '@polygate/core';
import { openArrowTable } from '@polygate/stream';
import { requireFile, requireFolder } from '../files/paths.ts';
import type { LinkOptions } from '../files/folder-listing.ts';
import { isJsonFields, type JsonFields } from '../samples/json-captions.ts';
import { canonicalSplit } from '../splits/split-names.ts';
import { featuresOf, featuresOfMetadata } from '../values/features.ts';
import { openValueTable, type ValueReader, type ValueReaderOptions } from '../values/value-reader.ts';
import { valueKinds } from '../values/value-roles.ts';
import type { ValuePart } from '../values/value-table.ts';
import { defineReader } from './dataset-reader.ts';
import { splitColumnOf, textSetting } from './reader-settings.ts';
import { openedTable, valueTableSettings } from './value-table-settings.ts';

export interface SavedDatasetOptions extends ValueReaderOptions, LinkOptions {
  /** Folder of a `Dataset` (state.json), or of a `DatasetDict` with a folder for each split (dataset_dict.json). */
  readonly path: string;
}

const STATE = 'state.json';
const DICT = 'dataset_dict.json';
const INFO = 'dataset_info.json';

const isThere = async (path: string): Promise<boolean> =>
  (await stat(path).catch(() => undefined))?.isFile() ?? false;

/** A JSON object of a file. @throws FormatError for damage */
const readFields = async (path: string): Promise<JsonFields> => {
  const document = parseJson(await readFile(path), basename(path));
  if (isJsonFields(document)) return document;
  throw new FormatError(
    `${basename(path)}: expected an object, got ${excerpt(document)}; save the dataset again`,
    {
      code: 'bad-json',
      fields: { path },
    },
  );
};

const listOf = (fields: JsonFields, key: string): readonly unknown[] => {
  const value = fields[key];
  return Array.isArray(value) ? value : [];
};

/** A name of a file or folder right in the folder: names come from files that others wrote. @throws FormatError */
const plainName = (value: unknown, path: string): string => {
  if (typeof value === 'string' && isPlainName(value)) return value;
  throw new FormatError(
    `${basename(path)}: expected the name of a file in its own folder, got ${excerpt(value)}; save the dataset again`,
    { code: 'bad-name', fields: { path } },
  );
};

const partsOf = async (
  folder: string,
  {
    prefix,
    split,
    budgets,
  }: { readonly prefix: string; readonly split?: string; readonly budgets?: Partial<Budgets> },
): Promise<ValuePart[]> => {
  const statePath = join(folder, STATE);
  await requireFile(statePath, 'saved dataset');
  const state = await readFields(statePath);
  const indices = state['_indices_data_files'];
  if (Array.isArray(indices) && indices.length > 0)
    throw new ConfigError(
      `saved dataset ${folder}: expected rows in the order in which they lie, got a list of chosen rows beside them (an old version of datasets wrote it); load it and save it again: load_from_disk(...).flatten_indices().save_to_disk(...)`,
      { code: 'saved-indices', fields: { path: folder } },
    );
  const infoPath = join(folder, INFO);
  const info = (await isThere(infoPath)) ? await readFields(infoPath) : {};
  const features = featuresOf(info['features']);
  const files = listOf(state, '_data_files').map((file) =>
    plainName(isJsonFields(file) ? file['filename'] : undefined, statePath),
  );
  const parts: ValuePart[] = [];
  for (const file of files) {
    const path = join(folder, file);
    await requireFile(path, 'saved dataset');
    const table = await openArrowTable(path, budgets);
    parts.push({
      id: `${prefix}${file}`,
      ...(split === undefined ? {} : { split }),
      folder,
      columns: table.columns,
      features: features.size > 0 ? features : featuresOfMetadata(table.metadata),
      groups: (columns) => table.batches(columns),
    });
  }
  return parts;
};

/** Folders of the splits of a `DatasetDict`, in its order. */
const splitsOf = async (path: string): Promise<readonly string[] | undefined> => {
  const file = join(path, DICT);
  if (!(await isThere(file))) return undefined;
  return listOf(await readFields(file), 'splits').map((name) => plainName(name, file));
};

/**
 * Reads what `save_to_disk` wrote: images, captions, labels and texts as {@link openParquet} reads them; the splits of a
 * `DatasetDict` are followed.
 * @throws ConfigError for a folder that is none of these, and columns that can't be told apart; FormatError for damage
 */
export const openSavedDataset = async (options: SavedDatasetOptions): Promise<ValueReader> => {
  const { path, budgets } = options;
  await requireFolder(path, 'saved dataset');
  const splits = await splitsOf(path);
  if (!splits && !(await isThere(join(path, STATE)))) {
    throw new ConfigError(
      `saved dataset ${path}: expected ${STATE} or ${DICT}, got neither; give the folder that save_to_disk wrote`,
      { code: 'saved-layout', fields: { path } },
    );
  }
  const shared = budgets ? { budgets } : {};
  const parts = splits ? [] : await partsOf(path, { prefix: '', ...shared });
  for (const name of splits ?? []) {
    const split = canonicalSplit(name) ?? name;
    parts.push(...(await partsOf(join(path, name), { prefix: `${name}/`, split, ...shared })));
  }
  if (parts.length === 0)
    throw new ConfigError(`saved dataset ${path}: expected files of rows, got an empty list; save it again`, {
      code: 'no-files',
      fields: { path },
    });
  return openValueTable({ name: `saved dataset ${basename(path)}`, parts }, options);
};

export const savedDatasetReader = defineReader({
  name: 'saved-dataset',
  summary: "folders that save_to_disk of Hugging Face's datasets writes, with or without splits",
  needs: 'a folder with state.json and data-*.arrow, or with dataset_dict.json and a folder for each split',
  settings: { path: textSetting, ...valueTableSettings },
  kinds: valueKinds,
  paths: { path: 'all', images: 'images' },
  async open(settings, { within, budgets }) {
    const options = { ...settings, within, budgets, ...splitColumnOf(settings) };
    return openedTable(await openSavedDataset(options), settings);
  },
  async detect(survey) {
    const mark = survey.filesIn('').find(({ name }) => name === STATE || name === DICT);
    const arrow = survey.files.filter(({ extension }) => extension === '.arrow');
    const [first] = arrow;
    if (!mark || !first) return undefined;
    try {
      const { kind } = await openSavedDataset({ path: survey.at() });
      const reason = `${mark.name} and ${arrow.length} Arrow ${arrow.length === 1 ? 'file' : 'files'}, as save_to_disk writes them, read as ${kind}`;
      return { fit: 'sure', reason, sources: [{ path: survey.at(), kind }] };
    } catch (error) {
      if (!(error instanceof ConfigError || error instanceof FormatError)) throw error;
      return { fit: 'nearly', reason: error.message };
    }
  },
});
