/** Which columns of a table of values are the image, the texts, the label: by setting, feature, name and type. */
import { ConfigError, excerpt } from '@polygate/core';
import { captionColumns, imageColumns, labelColumns } from '../tables/column-names.ts';
import type { ValueTable } from './value-table.ts';
import { describeType, type ValueColumn, type ValueType } from './value-type.ts';

/** Kinds of datasets that a table of values can make. */
export const valueKinds = ['labelled-image', 'captioned-image', 'labelled-text', 'text'] as const;
export type ValueKind = (typeof valueKinds)[number];

export interface ValueRoleOptions {
  /** @default what the columns are: an image with a label or with captions, texts with a label, or text */
  readonly kind?: ValueKind;
  /** @default the column of images, else the first of image, img, jpg and the like */
  readonly imageColumn?: string;
  /** @default the first of caption, captions, text and the like */
  readonly captionColumn?: string;
  /** @default the column of classes, else the first of label, labels, class and the like */
  readonly labelColumn?: string;
  /** Of texts with a label: one column, or two for pairs. @default text, sentence and the like, or a usual pair */
  readonly textColumns?: readonly string[];
  /** Column whose values are the ids of samples. @default id, key or __key__ */
  readonly idColumn?: string;
}

/** The columns that are read. */
export interface ValueRoles {
  readonly kind: ValueKind;
  readonly image?: string;
  /** Whether the image column holds names of files alone. */
  readonly named: boolean;
  readonly texts: readonly string[];
  readonly label?: string;
  readonly id?: string;
}

/** Names that images have beside those of tables: members of archives, older datasets. */
const imageNames: readonly string[] = [
  'image',
  'img',
  ...imageColumns.filter((name) => name !== 'id'),
  'jpg',
  'jpeg',
  'png',
  'webp',
  'image_bytes',
  'bytes',
];
/** Columns called so hold images, or their names, and no texts to learn from. */
const surelyImages: readonly string[] = [
  'image',
  'img',
  'photo',
  'picture',
  'image_name',
  'image_path',
  'image_paths',
  'image_file',
  'image_filename',
  'img_path',
];
/** Names of columns that hold texts. */
export const textNames: readonly string[] = [
  'text',
  'sentence',
  'content',
  'review',
  'txt',
  ...captionColumns,
];
const captionNames: readonly string[] = [...captionColumns.slice(0, 2), 'captions', ...captionColumns, 'txt'];
const idNames: readonly string[] = ['id', 'key', '__key__'];
/** Columns of pairs of texts, as the usual benchmarks call them. */
const pairs: readonly (readonly [string, string])[] = [
  ['sentence1', 'sentence2'],
  ['premise', 'hypothesis'],
  ['question1', 'question2'],
  ['question', 'sentence'],
  ['question', 'passage'],
  ['text1', 'text2'],
  ['text_a', 'text_b'],
];

const isText = (type: ValueType): boolean => type === 'text';
/** Texts, lists of them, and records that hold one, as `{ raw: text }`. */
const isTexts = (type: ValueType): boolean => {
  if (typeof type === 'string') return type === 'text';
  if ('list' in type) return isTexts(type.list);
  return ['caption', 'text', 'raw'].some((name) => {
    const inner = type.struct.get(name);
    return inner !== undefined && isTexts(inner);
  });
};
const isImage = (type: ValueType): boolean =>
  type === 'bytes' || (typeof type === 'object' && 'struct' in type && type.struct.has('bytes'));
const isLabel = (type: ValueType): boolean => type === 'text' || type === 'number' || type === 'boolean';

/** Finds columns of the first file; all files must have those that are taken. */
class ColumnSearch {
  readonly #table: ValueTable;
  readonly #columns: readonly ValueColumn[];

  constructor(table: ValueTable) {
    this.#table = table;
    this.#columns = table.parts[0]?.columns ?? [];
  }

  list(): string {
    return this.#columns
      .slice(0, 20)
      .map(({ name, type }) => `${excerpt(name, 40)} (${describeType(type)})`)
      .join(', ');
  }

  fail(problem: string, remedy: string, code = 'table-column'): ConfigError {
    return new ConfigError(
      `${this.#table.name}: expected ${problem}, got the columns ${this.list()}; ${remedy}`,
      {
        code,
        fields: { columns: this.#columns.map(({ name }) => name) },
      },
    );
  }

  named(name: string, option: string, fits: (type: ValueType) => boolean): string {
    const column = this.#columns.find((each) => each.name === name);
    if (column && fits(column.type)) return name;
    const got = column ? `one of ${describeType(column.type)}` : 'none of that name';
    throw this.fail(
      `a column ${excerpt(name)} for ${option} that holds such values`,
      `it has ${got}: set ${option} to another`,
    );
  }

  byFeature(type: string): readonly string[] {
    const features = this.#table.parts[0]?.features;
    return this.#columns.map(({ name }) => name).filter((name) => features?.get(name)?.type === type);
  }

  /** The first of the names, in any letter case, whose column fits. */
  byName(names: readonly string[], fits: (type: ValueType) => boolean): string | undefined {
    for (const name of names) {
      const match = this.#columns.find((column) => column.name.toLowerCase() === name && fits(column.type));
      if (match) return match.name;
    }
    return undefined;
  }

  byType(fits: (type: ValueType) => boolean): readonly string[] {
    return this.#columns.filter(({ type }) => fits(type)).map(({ name }) => name);
  }

  typeOf(name: string): ValueType {
    return this.#columns.find((column) => column.name === name)?.type ?? 'other';
  }
}

/** One of several columns that would do: the usual name among them, else the only one. */
const choose = (candidates: readonly string[], names: readonly string[]): string | undefined => {
  const usual = names.find((name) => candidates.some((each) => each.toLowerCase() === name));
  return (
    candidates.find((each) => each.toLowerCase() === usual) ??
    (candidates.length === 1 ? candidates[0] : undefined)
  );
};

const imageOf = (search: ColumnSearch, { imageColumn, kind }: ValueRoleOptions): string | undefined => {
  if (imageColumn !== undefined)
    return search.named(imageColumn, 'imageColumn', (type) => isImage(type) || isText(type));
  const features = search.byFeature('Image');
  const match =
    choose(features, imageNames) ??
    search.byName(imageNames, isImage) ??
    choose(search.byType(isImage), imageNames);
  if (match !== undefined || features.length > 1) return match;
  // Names of files are images where the recipe says that there are some.
  return kind?.endsWith('image') ? search.byName(imageNames, isText) : undefined;
};

const labelOf = (search: ColumnSearch, { labelColumn }: ValueRoleOptions): string | undefined => {
  if (labelColumn !== undefined) return search.named(labelColumn, 'labelColumn', isLabel);
  const classes = search.byFeature('ClassLabel').filter((name) => isLabel(search.typeOf(name)));
  return (
    choose(classes, labelColumns) ?? (classes.length > 1 ? undefined : search.byName(labelColumns, isLabel))
  );
};

/** The error of a table without labels; of a usual column whose values are none it says how they become labels. */
const noLabel = (search: ColumnSearch, problem: string): ConfigError => {
  const unfit = search.byName(labelColumns, (type) => !isLabel(type));
  if (unfit === undefined) return search.fail(problem, 'set labelColumn to it');
  const type = search.typeOf(unfit);
  const values = { bytes: 'bytes, which may be texts', other: 'dates, times or the like' };
  const held = type === 'bytes' || type === 'other' ? values[type] : describeType(type);
  return search.fail(
    problem,
    `${excerpt(unfit)} holds ${held}: write its values as texts or numbers, or set labelColumn to another`,
  );
};

const sentencesOf = (search: ColumnSearch, { textColumns }: ValueRoleOptions): readonly string[] => {
  if (textColumns) return textColumns.map((name) => search.named(name, 'textColumns', isText));
  const pair = pairs.find((names) => names.every((name) => search.byName([name], isText) !== undefined));
  if (pair) return pair.map((name) => search.byName([name], isText) ?? name);
  const others = search.byType(isText).filter((name) => !imageNames.includes(name.toLowerCase()));
  const one = search.byName(textNames, isText) ?? choose(others, textNames);
  return one === undefined ? [] : [one];
};

/**
 * Chooses the columns that are read.
 * @throws ConfigError where a column is missing or is one of several that would do, listing all with their types
 */
export const rolesOf = (table: ValueTable, options: ValueRoleOptions): ValueRoles => {
  const search = new ColumnSearch(table);
  const image = options.kind?.endsWith('text') ? undefined : imageOf(search, options);
  const label =
    options.kind === 'text' || options.kind === 'captioned-image' ? undefined : labelOf(search, options);
  const caption =
    options.captionColumn === undefined
      ? search.byName(captionNames, isTexts)
      : search.named(options.captionColumn, 'captionColumn', isTexts);
  const sentences = image === undefined ? sentencesOf(search, options) : [];
  const kind = options.kind ?? usualKind(search, { image, label, caption, sentences });
  const idNamed = options.idColumn;
  const isId = (type: ValueType): boolean => type === 'text' || type === 'number';
  const id = idNamed === undefined ? search.byName(idNames, isId) : search.named(idNamed, 'idColumn', isId);
  const common = { kind, named: false, ...(id === undefined ? {} : { id }) };
  if (kind.endsWith('text')) {
    if (sentences.length === 0) throw search.fail('a column of texts', 'set textColumns to it');
    if (kind === 'text') return { ...common, texts: sentences };
    if (label === undefined) throw noLabel(search, 'a column of labels');
    return { ...common, texts: sentences, label };
  }
  if (image === undefined) throw search.fail('one column of images', 'set imageColumn to it');
  const named = isText(search.typeOf(image));
  if (kind === 'labelled-image') {
    if (label === undefined) throw noLabel(search, 'one column of labels');
    return { ...common, image, named, texts: [], label };
  }
  if (caption === undefined) throw search.fail('a column of captions', 'set captionColumn to it');
  return { ...common, image, named, texts: [caption] };
};

const usualKind = (
  search: ColumnSearch,
  columns: {
    readonly image: string | undefined;
    readonly label: string | undefined;
    readonly caption: string | undefined;
    readonly sentences: readonly string[];
  },
): ValueKind => {
  const { image, label, caption, sentences } = columns;
  if (image !== undefined) {
    if (label !== undefined && caption !== undefined)
      throw search.fail(
        'images with either labels or captions',
        `set kind to "labelled-image" (${label}) or "captioned-image" (${caption})`,
        'table-kind',
      );
    return label === undefined && caption !== undefined ? 'captioned-image' : 'labelled-image';
  }
  const names = search.byName(surelyImages, isText);
  if (names !== undefined)
    throw search.fail(
      `images in "${names}", which holds texts`,
      'if these name files, set kind to labelled-image or captioned-image, and images to their folder; else set kind to text or labelled-text',
      'table-kind',
    );
  if (sentences.length > 0) return label === undefined ? 'text' : 'labelled-text';
  throw search.fail(
    'a column of images or texts',
    'set kind, and imageColumn with labelColumn or captionColumn, or textColumns',
    'table-kind',
  );
};
