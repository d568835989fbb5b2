import { basename, dirname } from 'node:path';
import { ConfigError, excerpt, FormatError, parseJson } from '@polygate/core';
import { ClassFinder, createLabelIndex, labelName } from '../samples/class-names.ts';
import { captionColumns, labelColumns } from '../tables/column-names.ts';
import { createImageFinder, type ImageFinder, type ImageNameOptions } from '../images/image-finder.ts';
import { ImageRows, rowKey } from '../samples/image-rows.ts';
import { captionsOfFields, firstField, isJsonFields, type JsonFields } from '../samples/json-captions.ts';
import { imageFields, imageInFields } from '../samples/json-images.ts';
import { requireFile } from '../files/paths.ts';
import { readLines, type LineItem } from '../tables/lines.ts';
import { fault, type Fault, type Reader, type ReaderItem, type Sample } from '../samples/sample.ts';
import { requireUtf8 } from '../tables/table-rows.ts';
import { isAbsent, noSplit, splitOfCell } from '../splits/split-cell.ts';
import { SplitFinder } from '../splits/split-names.ts';
import { SplitSearch, type FoundSplits } from '../splits/split-search.ts';
import { z } from 'zod';
import { renameClasses } from '../samples/class-renames.ts';
import { openJsonLines } from '../values/text-rows.ts';
import { openValueTable, type ValueReader, type ValueReaderOptions } from '../values/value-reader.ts';
import { defineReader } from './dataset-reader.ts';
import {
  classSettings,
  linksSetting,
  namesSetting,
  prefixSetting,
  splitColumnOf,
  splitFieldSetting,
  textSetting,
} from './reader-settings.ts';
import { jsonlFit } from './jsonl-fit.ts';
import { openedTable } from './value-table-settings.ts';

export interface JsonlManifestOptions extends ImageNameOptions {
  /** One JSON object a line: `image` (path), `text` or `texts`, `label` (integer or class name), `split`, `id`. */
  readonly file: string;
  /** Folder that image paths are relative to. @default the folder of the file */
  readonly root?: string;
  /** Field of the image's name, or of an object with it. @default the first of image, path, file_name, filename and the like */
  readonly imageColumn?: string;
  /** Field of the captions. @default the first of texts, captions, text, caption and the like */
  readonly captionColumn?: string;
  /** Field of the label. @default the first of label, labels, class, category and the like */
  readonly labelColumn?: string;
  /** Class names in label order, for `label` values that are names or indices. */
  readonly classes?: readonly string[];
  /** Whether classes are those labels that occur, where none are given. @default false */
  readonly findClasses?: boolean;
  /** Field that names the split of a row; `''` for none. @default one whose values name splits */
  readonly splitColumn?: string;
}

/** Lists of captions first: a row may have one of them beside them. */
const captionKeys: readonly string[] = ['texts', 'captions', 'text', ...captionColumns];
/** Labels are a column of 32 bits. */
const MAX_LABEL = 2 ** 31;

/** Fields of a row that are looked at, the first that is there. */
interface RowKeys {
  readonly image: readonly string[];
  readonly caption: readonly string[];
  readonly label: readonly string[];
}

/** What is known of a file before its rows are read. */
interface Survey {
  readonly classes: readonly string[] | undefined;
  readonly labelOf: ((value: unknown) => number | undefined) | undefined;
  /** Field of the splits, where it is followed. */
  readonly split: string | undefined;
  readonly keys: RowKeys;
  readonly finder: ImageFinder;
}

interface Row {
  readonly sample: Sample;
  /** What rows of one image share, where the row names one. */
  readonly key?: string;
}

const parseRow = (line: LineItem, file: string): JsonFields | Fault => {
  const id = `line ${line.number}`;
  if (line.kind === 'bad-line') return fault(id, line.code, line.reason);
  let row: unknown;
  try {
    row = parseJson(line.text, `${basename(file)}, line ${line.number}`, {
      line: line.number,
      nonFinite: 'null',
    });
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return fault(id, 'bad-json', error.message);
  }
  return isJsonFields(row) ? row : fault(id, 'bad-json', `expected a JSON object, got ${excerpt(row)}`);
};

const isFault = (value: JsonFields | Fault): value is Fault =>
  value['kind'] === 'fault' && 'code' in value && 'reason' in value;

/** Collects the splits of rows: of the field that is asked for, else of one that is found. */
const splitsOfFields = (
  asked: string | undefined,
  keys: RowKeys,
): { add(fields: JsonFields): void; resolve(): FoundSplits } => {
  if (asked === undefined) {
    const search = new SplitSearch([...keys.image, ...keys.caption, ...keys.label]);
    return {
      add: (fields) =>
        search.addRow(Object.entries(fields).map(([key, value]) => ({ key, name: key, value }))),
      resolve: () => search.resolve(),
    };
  }
  const finder = new SplitFinder();
  return {
    add: (fields) => {
      const value = asked !== '' && Object.hasOwn(fields, asked) ? fields[asked] : undefined;
      if (!isAbsent(value)) finder.add(value);
    },
    resolve: () => ({ ...finder.resolve(asked, true), key: asked }),
  };
};

const toRow = async (fields: JsonFields, line: number, survey: Survey): Promise<Row | Fault> => {
  const where = `line ${line}`;
  const name = imageInFields(fields, survey.keys.image);
  if (name !== undefined && (typeof name !== 'string' || name.trim() === ''))
    return fault(where, 'no-image-name', `expected a text "image", got ${excerpt(name)}`);
  const texts = captionsOfFields(fields, survey.keys.caption);
  if ('code' in texts) return fault(where, texts.code, texts.reason);
  const value = firstField(fields, survey.keys.label);
  const whole =
    typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < MAX_LABEL
      ? value
      : undefined;
  const label = survey.labelOf ? survey.labelOf(value) : whole;
  if (value !== undefined && survey.labelOf && label === undefined) {
    const classNames = (survey.classes ?? []).slice(0, 8).join(', ');
    return fault(
      where,
      'unknown-label',
      `expected a class name or index${classNames === '' ? '' : ` of ${classNames}`}, got ${excerpt(value)}`,
    );
  }
  if (name === undefined && texts.length === 0)
    return fault(
      where,
      'empty-row',
      `expected "image" or "text", got the keys ${excerpt(Object.keys(fields))}; name them by imageColumn and captionColumn`,
    );
  let split: string | undefined;
  if (survey.split !== undefined) {
    const written = Object.hasOwn(fields, survey.split) ? fields[survey.split] : undefined;
    split = splitOfCell(written);
    if (split === undefined) return noSplit(where, written, ` in "${survey.split}"`);
  }
  const image = typeof name === 'string' ? await survey.finder.find(name.trim()) : undefined;
  if (image?.kind === 'fault') return image;
  const id = labelName(Object.hasOwn(fields, 'id') ? fields['id'] : undefined) ?? image?.key ?? where;
  const sample: Sample = {
    kind: 'sample',
    id,
    ...(image ? { image: { kind: 'path', path: image.path } } : {}),
    ...(texts.length > 0 ? { texts } : {}),
    ...(label === undefined ? {} : { label }),
    ...(split === undefined ? {} : { split }),
  };
  return image ? { sample, key: rowKey(image.key, sample) } : { sample };
};

const isRowFault = (row: Row | Fault): row is Fault => !('sample' in row);

async function* linesOf(file: string): AsyncGenerator<LineItem> {
  for await (const line of readLines(file)) {
    if (line.kind === 'bad-line' || line.text.trim() !== '') yield line;
  }
}

/** Refuses JSON that is one value over many lines: each of its lines would be called broken. */
const requireLines = async (file: string): Promise<void> => {
  for await (const line of linesOf(file)) {
    const text = line.kind === 'line' ? line.text.trim() : '';
    const list = /^\[\s*(?:\{|$)/u.test(text);
    if (!list && text !== '{') return;
    throw new ConfigError(
      `manifest ${file}: expected one JSON object a line, got ${list ? 'a JSON list' : 'an object over several lines'}; write each object on a line of its own (jq -c ${list ? "'.[]'" : '.'})`,
      { code: 'jsonl-layout', fields: { file } },
    );
  }
};

/**
 * Reads a manifest of one JSON object a line. Rows that name one image become one sample with all of their captions,
 * at the place of the last of them.
 * @throws ConfigError where the file is missing, is a JSON list, or has too many labels to be classes
 */
export const openJsonlManifest = async (options: JsonlManifestOptions): Promise<Reader> => {
  const { file } = options;
  await requireFile(file, 'manifest file');
  await requireUtf8(file);
  await requireLines(file);
  const finder = createImageFinder(options.root ?? dirname(file), options);
  const { imageColumn, captionColumn, labelColumn } = options;
  const keys: RowKeys = {
    image: imageColumn === undefined ? imageFields : [imageColumn],
    caption: captionColumn === undefined ? captionKeys : [captionColumn],
    label: labelColumn === undefined ? labelColumns : [labelColumn],
  };
  const classFinder = new ClassFinder(`manifest ${file}`);
  const splits = splitsOfFields(options.splitColumn, keys);
  for await (const line of linesOf(file)) {
    const fields = parseRow(line, file);
    if (isFault(fields)) continue;
    const name = labelName(firstField(fields, keys.label));
    if (name !== undefined && options.findClasses && !options.classes) classFinder.add(name);
    splits.add(fields);
  }
  const decided = splits.resolve();
  const classes = options.classes ?? (options.findClasses ? classFinder.classes() : undefined);
  const survey: Survey = {
    classes,
    labelOf: classes && createLabelIndex(classes, { given: options.classes !== undefined }),
    split: decided.followed ? String(decided.key) : undefined,
    keys,
    finder,
  };
  const rows = new ImageRows();
  for await (const line of linesOf(file)) {
    const fields = parseRow(line, file);
    const row = isFault(fields) ? fields : await toRow(fields, line.number, survey);
    if (!isRowFault(row) && row.key !== undefined) rows.expect(row.key);
  }
  rows.settle();
  return {
    name: basename(file),
    ...(classes ? { classes } : {}),
    ...(decided.followed ? { splits: decided.splits } : {}),
    ...(decided.notes.length > 0 ? { notes: decided.notes } : {}),
    async *read(): AsyncGenerator<ReaderItem> {
      const pass = rows.begin();
      for await (const line of linesOf(file)) {
        const fields = parseRow(line, file);
        const row = isFault(fields) ? fields : await toRow(fields, line.number, survey);
        const item = isRowFault(row)
          ? row
          : row.key === undefined
            ? row.sample
            : pass.add(row.key, row.sample);
        if (item) yield item;
      }
      yield* pass.rest();
    },
  };
};

const kinds = ['captioned-image', 'labelled-image', 'labelled-text', 'text'] as const;

/** Texts with labels, one JSON object a line. */
const openLabelledLines = async (
  options: ValueReaderOptions & { readonly file: string },
): Promise<ValueReader> => {
  const { file, ...rest } = options;
  const part = { id: basename(file), folder: dirname(file), ...(await openJsonLines(file)) };
  return openValueTable({ name: `manifest ${file}`, parts: [part] }, rest);
};

export const jsonlReader = defineReader({
  name: 'jsonl',
  summary:
    'one JSON object a line: images with captions or labels, texts with labels, or texts (`datasets`, pandas, Label Studio)',
  needs: 'a file with a JSON object on each line that names an image or holds a text',
  settings: {
    file: textSetting,
    root: textSetting.optional(),
    imageColumn: textSetting.optional(),
    captionColumn: textSetting.optional(),
    labelColumn: textSetting.optional(),
    prefix: prefixSetting,
    suffix: textSetting.optional(),
    ...classSettings,
    splitColumn: splitFieldSetting,
    links: linksSetting,
    /** Of texts with a label: one field, or two for pairs. @default text, sentence and the like, or a usual pair */
    textColumns: namesSetting.min(1).max(2).optional(),
    kind: z.enum(kinds).default('captioned-image'),
  },
  kinds,
  paths: { file: 'all', root: 'images' },
  // Names count from the file's own folder where no root is given.
  inputs: ({ file, root, kind }) =>
    kind.endsWith('text')
      ? [{ path: file }]
      : [{ path: file }, { path: root ?? dirname(file), of: 'images' }],
  async open(settings, { within, budgets }) {
    const { kind, classes, classNames } = settings;
    if (kind === 'labelled-text') {
      await requireFile(settings.file, 'manifest file');
      await requireLines(settings.file);
      const columns = { ...splitColumnOf(settings), kind, budgets };
      return openedTable(await openLabelledLines({ ...settings, ...columns }), settings);
    }
    const findClasses = kind === 'labelled-image';
    const options = { ...settings, within, findClasses, ...splitColumnOf(settings) };
    const reader = await openJsonlManifest(options);
    return {
      kind,
      reader: findClasses ? renameClasses(reader, classNames) : reader,
      classesGiven: classes !== undefined,
    };
  },
  detect: jsonlFit,
});
