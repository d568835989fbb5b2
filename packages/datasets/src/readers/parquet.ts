import { dirname } from 'node:path';
import { ConfigError, FormatError } from '@polygate/core';
import { z } from 'zod';
import { expandFiles, inputsOfFiles } from '../files/file-patterns.ts';
import type { LinkOptions } from '../files/folder-listing.ts';
import { isImageName } from '../files/paths.ts';
import { openParquetFile, type ParquetFile } from '../parquet/parquet-file.ts';
import { splitsOfFiles } from '../splits/file-splits.ts';
import { splitInName } from '../splits/split-names.ts';
import { featuresOfMetadata } from '../values/features.ts';
import { fetchedRows } from '../values/fetched-rows.ts';
import { openValueTable, type ValueReader, type ValueReaderOptions } from '../values/value-reader.ts';
import {
  rolesOf,
  textNames,
  valueKinds,
  type ValueRoleOptions,
  type ValueRoles,
} from '../values/value-roles.ts';
import type { ValuePart, ValueTable } from '../values/value-table.ts';
import { describeType } from '../values/value-type.ts';
import { namedImages } from '../survey/named-images.ts';
import type { PathSurvey, SurveyedFile } from '../survey/path-survey.ts';
import { someOf } from '../survey/split-sources.ts';
import { captionColumns, columnIn, imageColumns, labelColumns } from '../tables/column-names.ts';
import { defineReader, type ReaderFit } from './dataset-reader.ts';
import { splitColumnOf, textSetting } from './reader-settings.ts';
import { openedTable, valueTableSettings } from './value-table-settings.ts';

const extensions = ['.parquet', '.pq'];

export interface ParquetOptions extends ValueReaderOptions, LinkOptions {
  /** Files, folders and patterns such as `data/train-*.parquet`. */
  readonly files: string | readonly string[];
  /** Whether names such as `train-00000-of-00002.parquet` or `train/0000.parquet` say the splits. @default true */
  readonly splitsByName?: boolean;
}

/** Files in several folders may be several datasets of one repository. */
const folderNotes = (ids: readonly string[]): string[] => {
  const folders = [...new Set(ids.map((id) => id.slice(0, Math.max(0, id.lastIndexOf('/')))))];
  const others = folders.filter((folder) => splitInName(folder.split('/').at(-1) ?? '') === undefined);
  return others.length > 1
    ? [
        `files of ${others.length} folders (${others.slice(0, 4).join(', ')}) are read as one dataset; give one folder if they are several`,
      ]
    : [];
};

const listedFiles = (files: readonly { readonly id: string }[]): string =>
  `${files.length === 1 ? 'a file' : `${files.length} files`} (${someOf(files.map(({ id }) => id))})`;

/**
 * Reads Parquet files, as Hugging Face's hub has datasets: images as `{ bytes, path }`, as bytes or as names of files,
 * classes by the metadata `huggingface`, captions as texts or lists of them, labelled texts, texts. What is read is what
 * the columns hold, or what `kind` says. Row groups are read one by one.
 * @throws ConfigError for files and columns that are not there; FormatError for damaged files, also while reading
 */
export const openParquet = async (options: ParquetOptions): Promise<ValueReader> => {
  const listed = await expandFiles(options.files, {
    ...options,
    what: 'Parquet',
    extensions: ['.parquet', '.pq'],
  });
  const ids = listed.map(({ id }) => id);
  const byName = (options.splitsByName ?? true) ? splitsOfFiles(ids) : { splits: [], notes: [] };
  const parts: ValuePart[] = [];
  const files: { readonly path: string; readonly id: string; readonly file: ParquetFile }[] = [];
  for (const { path, id } of listed) {
    files.push({ path, id, file: await openParquetFile(path, options.budgets) });
  }
  // A shard without rows says nothing, and its writer may not have known the types of its columns.
  const empty = files.some(({ file }) => file.rows > 0) ? files.filter(({ file }) => file.rows === 0) : [];
  for (const [index, { path, id, file }] of files.entries()) {
    if (file.rows === 0 && empty.length > 0) continue;
    const split = byName.splits[index];
    const part: ValuePart = {
      id,
      ...(split === undefined ? {} : { split }),
      folder: dirname(path),
      columns: file.columns,
      features: featuresOfMetadata(file.metadata),
      groups: (columns) => file.groups(columns),
    };
    parts.push(fetchedRows(part));
  }
  const name = `Parquet ${typeof options.files === 'string' ? options.files : (ids[0] ?? '')}`;
  const opened = await openValueTable({ name, parts }, options);
  const emptyNotes = empty.length > 0 ? [`${listedFiles(empty)} without rows: left out`] : [];
  const notes = [...byName.notes, ...emptyNotes, ...folderNotes(ids), ...(opened.reader.notes ?? [])];
  return { ...opened, reader: { ...opened.reader, ...(notes.length > 0 ? { notes } : {}) } };
};

/** Its reading of a file whose rows name images that lie beside it. */
const namedImagesFit = async (survey: PathSurvey, file: SurveyedFile): Promise<ReaderFit | undefined> => {
  const table = await survey.table(file.id);
  const convention = /^metadata\./iu.test(file.name);
  if (!table || convention) return undefined;
  const image = columnIn(table.header, imageColumns);
  const names = table.rows.map((row) => row[image] ?? '').filter((name) => name !== '');
  if (image < 0 || !names.some(isImageName)) return undefined;
  const found = namedImages(survey, names);
  const name = table.header[image] ?? '';
  if (!found) {
    const reason = `${file.id} names images in ${name}, such as ${names[0] ?? ''}, which are not there: give the folder that holds both`;
    return { fit: 'nearly', reason };
  }
  const caption = columnIn(table.header, captionColumns);
  const label = columnIn(table.header, labelColumns);
  if (caption < 0 && label < 0)
    return { fit: 'nearly', reason: `${file.id} names images in ${name}, but neither captions nor labels` };
  const kind = caption < 0 ? 'labelled-image' : 'captioned-image';
  const { prefix, suffix } = found;
  const source = {
    files: survey.at(file.id),
    kind,
    images: survey.at(found.folder),
    imageColumn: name,
    ...(caption < 0
      ? { labelColumn: table.header[label] ?? '' }
      : { captionColumn: table.header[caption] ?? '' }),
    ...(prefix === undefined ? {} : { prefix }),
    ...(suffix === undefined ? {} : { suffix }),
  };
  const what = caption < 0 ? 'labels' : 'captions';
  return { fit: 'sure', reason: `${file.id} names images in ${name}, and their ${what}`, sources: [source] };
};

/** Settings that are offered for an answer. */
const MAX_ASKS = 4;

/** Settings, each of which says what the columns do not: the kind, or the column of captions, labels or texts. */
const answersOf = (table: ValueTable): readonly string[] => {
  const names = (table.parts[0]?.columns ?? []).map(({ name }) => name);
  const offers: readonly (readonly [string, ValueRoleOptions])[] = [
    ...valueKinds.map((kind) => [`kind=${kind}`, { kind }] as const),
    ...names.map((name) => [`captionColumn=${name}`, { captionColumn: name }] as const),
    ...names.map((name) => [`labelColumn=${name}`, { labelColumn: name }] as const),
    ...names.map((name) => [`textColumns=["${name}"]`, { textColumns: [name] }] as const),
  ];
  const answers = offers.filter(([, options]) => {
    try {
      // An id or a price is a column of labels by its type alone.
      const { label } = rolesOf(table, options);
      return label === undefined || label !== options.labelColumn || isTextColumn(table, label);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      return false;
    }
  });
  return answers.slice(0, MAX_ASKS).map(([setting]) => setting);
};

const isTextColumn = (table: ValueTable, column: string): boolean =>
  table.parts[0]?.columns.some(({ name, type }) => name === column && type === 'text') ?? false;

/** Which column the captions are taken of, where others would do. */
const otherTexts = (table: ValueTable, { kind, texts: [caption] }: ValueRoles): string => {
  if (kind !== 'captioned-image' || caption === undefined) return '';
  const others = (table.parts[0]?.columns ?? []).map(({ name }) => name).filter((name) => name !== caption);
  const usual = others.filter((name) => columnIn([name], textNames) >= 0);
  return usual.length > 0
    ? ` with the captions in ${caption}; captionColumn takes others (${someOf(usual)})`
    : '';
};

const isParquet = ({ extension }: SurveyedFile): boolean => extensions.includes(extension);

export const parquetReader = defineReader({
  name: 'parquet',
  summary:
    "Parquet files: datasets of Hugging Face's hub, tables of pandas and others with images, texts and labels",
  needs: '.parquet files with a column of images or texts, and one of labels or captions',
  settings: {
    /** A file, a folder, a pattern such as `data/train-*.parquet`, or a list of these. */
    files: z.union([textSetting, z.array(textSetting).min(1)]),
    ...valueTableSettings,
  },
  kinds: valueKinds,
  paths: { files: 'all', images: 'images' },
  inputs: ({ files, images }) => [
    ...inputsOfFiles(files),
    ...(images === undefined ? [] : [{ path: images, of: 'images' } as const]),
  ],
  async open(settings, { within, budgets }) {
    const splitsByName = settings.split === undefined && settings.splitColumn === undefined;
    const options = { ...settings, within, budgets, splitsByName, ...splitColumnOf(settings) };
    return openedTable(await openParquet(options), settings);
  },
  async detect(survey) {
    const files = survey.files.filter(isParquet);
    const [first] = files;
    // A folder that holds images, too, is described by its table; other readers know it.
    const others = survey.files.some(({ name, extension }) => isImageName(name) || extension === '.tar');
    if (!first || (others && survey.kind === 'file')) return undefined;
    const named = files.length === 1 ? await namedImagesFit(survey, first) : undefined;
    if (named || others) return named;
    const shown = `${files.length} Parquet ${files.length === 1 ? 'file' : 'files'}`;
    try {
      const file = await openParquetFile(survey.at(first.id));
      const columns = file.columns.slice(0, 8).map(({ name, type }) => `${name} (${describeType(type)})`);
      const part = {
        id: first.id,
        folder: '.',
        columns: file.columns,
        features: featuresOfMetadata(file.metadata),
      };
      const table: ValueTable = { name: shown, parts: [{ ...part, groups: file.groups }] };
      let roles: ValueRoles;
      try {
        roles = rolesOf(table, {});
      } catch (error) {
        if (!(error instanceof ConfigError)) throw error;
        const asks = answersOf(table);
        if (asks.length === 0) throw error;
        return { fit: 'nearly', reason: error.message, sources: [{ files: survey.at() }], asks };
      }
      const { kind, texts } = roles;
      // A column that is one of texts by its type alone may hold the names of categories.
      const isDoubtful =
        kind.endsWith('text') &&
        texts.length === 1 &&
        !textNames.includes(texts[0]?.toLowerCase() ?? '') &&
        file.columns.length > 2;
      const reason = `${shown} with the columns ${columns.join(', ')}, read as ${kind}${otherTexts(table, roles)}`;
      return { fit: isDoubtful ? 'likely' : 'sure', reason, sources: [{ files: survey.at(), kind }] };
    } catch (error) {
      if (!(error instanceof ConfigError || error instanceof FormatError)) throw error;
      return { fit: 'nearly', reason: `${shown}, but ${error.message}` };
    }
  },
});
