import { basename, extname } from 'node:path';
import { ConfigError, excerpt } from '@polygate/core';
import type { StoredInput } from '@polygate/stream';
import { z } from 'zod';
import { SOUND_EXTENSIONS } from '../audio/decode-sound.ts';
import { requireFile, requireFolder } from '../files/paths.ts';
import { createImageFinder, type ImageFinder } from '../images/image-finder.ts';
import type { LinkOptions } from '../files/folder-listing.ts';
import { SPECTROGRAM } from '../kinds/multimodal/audio-form.ts';
import type { MultimodalSource } from '../multimodal/array-samples.ts';
import { ColumnSurvey, isMissing, numberOf, rowNumbers } from '../multimodal/table-columns.ts';
import { ClassFinder, createLabelIndex } from '../samples/class-names.ts';
import { fault, type Fault, type ReaderItem, type Sample, type SampleContent } from '../samples/sample.ts';
import { noSplit, splitOfCell } from '../splits/split-cell.ts';
import { labelColumns } from '../tables/column-names.ts';
import type { RecordItem } from '../tables/delimited.ts';
import { tableSplits, type TableSplits } from '../tables/table-splits.ts';
import { openTable, type Table, type TableOptions } from '../tables/table.ts';
import { defineReader } from './dataset-reader.ts';
import {
  classesSetting,
  columnSetting,
  linksSetting,
  splitColumnOf,
  splitColumnSetting,
  tableSettings,
  textSetting,
} from './reader-settings.ts';

/** What columns of recordings are usually called. */
const audioColumns: readonly string[] = [
  'audio',
  'recording',
  'sound',
  'wav',
  'audio_file',
  'filename',
  'file_name',
  'file',
  'path',
];

interface MultimodalTableOptions extends TableOptions, LinkOptions {
  readonly file: string;
  /** Column of the classes. @default label, class, target and the like */
  readonly labelColumn?: string | number;
  /** Columns of numbers that are asked, in place of classes. */
  readonly numberColumns?: readonly (string | number)[];
  readonly classes?: readonly string[];
  /** Folder of the recordings that a column names. */
  readonly audio?: string;
  readonly audioColumn?: string | number;
  /** Folder of the images that a column names. */
  readonly images?: string;
  readonly imageColumn?: string | number;
  readonly textColumn?: string | number;
  /** Columns of the table that are an input. @default all others but names; none for an empty list */
  readonly columns?: readonly (string | number)[];
  readonly splitColumn?: string | number;
  readonly spectrogram?: Readonly<Record<string, number>>;
}

/** Indices of columns by what they are. */
interface Layout {
  readonly asked: readonly number[];
  readonly files: readonly { readonly input: string; readonly index: number; readonly finder: ImageFinder }[];
  readonly text: number;
  readonly given: readonly number[] | undefined;
}

const columnAt = (
  table: Table,
  role: string,
  option: string,
  given: string | number | undefined,
  usual: readonly string[] = [],
) => table.column({ role, option, given, usual });

const layoutOf = async (table: Table, options: MultimodalTableOptions): Promise<Layout> => {
  const asked = options.numberColumns?.map((given) => columnAt(table, 'number', 'numberColumns', given)) ?? [
    columnAt(table, 'label', 'labelColumn', options.labelColumn, labelColumns),
  ];
  const files: Layout['files'][number][] = [];
  const add = async (input: string, folder: string | undefined, index: () => number): Promise<void> => {
    if (folder === undefined) return;
    await requireFolder(folder, `table ${input}`);
    files.push({ input, index: index(), finder: createImageFinder(folder, options) });
  };
  await add('audio', options.audio, () =>
    columnAt(table, 'recording', 'audioColumn', options.audioColumn, audioColumns),
  );
  await add('image', options.images, () =>
    columnAt(table, 'image', 'imageColumn', options.imageColumn, ['image', 'image_name']),
  );
  return {
    asked,
    files,
    text: options.textColumn === undefined ? -1 : columnAt(table, 'text', 'textColumn', options.textColumn),
    given: options.columns?.map((given) => columnAt(table, 'input', 'columns', given)),
  };
};

/** The columns that are an input, and what each holds. */
interface TableInput {
  readonly indices: readonly number[];
  readonly columns: NonNullable<StoredInput['columns']>;
  readonly notes: readonly string[];
}

const tableInput = async (table: Table, layout: Layout, splits: TableSplits): Promise<TableInput> => {
  const used = new Set([
    ...layout.asked,
    ...layout.files.map(({ index }) => index),
    layout.text,
    splits.index,
  ]);
  const wanted = layout.given ?? table.columns.map((_, at) => at).filter((at) => !used.has(at));
  const surveys = wanted.map(() => new ColumnSurvey());
  for await (const item of table.rows())
    if (item.kind === 'record') wanted.forEach((index, at) => surveys[at]?.add(item.fields[index] ?? ''));
  const notes: string[] = [];
  const kept = wanted.flatMap((index, at) => {
    const name = table.columns[index] ?? String(index);
    const survey = surveys[at];
    const column = survey?.column(name);
    // A name says nothing of other rows; one that is asked for is taken all the same.
    if (column && (layout.given || !survey?.areNames)) return [{ index, column }];
    notes.push(
      `column "${name}" is not read: ${column ? 'every row has another text' : 'it holds nothing, or too many different texts'}`,
    );
    return [];
  });
  return { indices: kept.map(({ index }) => index), columns: kept.map(({ column }) => column), notes };
};

/** What is asked of a row. */
interface Asked {
  readonly kind: string;
  readonly classes?: readonly string[];
  readonly outputs?: readonly string[];
  of(id: string, cells: readonly string[]): Pick<Sample, 'label' | 'targets'> | Fault;
}

const askedClasses = async (
  table: Table,
  index: number,
  given: readonly string[] | undefined,
): Promise<Asked> => {
  const finder = new ClassFinder('multimodal table');
  for await (const item of table.rows()) {
    const cell = item.kind === 'record' ? (item.fields[index] ?? '').trim() : '';
    if (!given && !isMissing(cell)) finder.add(cell);
  }
  const classes = given ?? finder.classes();
  if (classes.length === 0) {
    throw new ConfigError(
      `multimodal table: expected labels in column "${table.columns[index] ?? index}", got none; set labelColumn to the column that holds them`,
      { code: 'no-labels' },
    );
  }
  const labelOf = createLabelIndex(classes, { given: given !== undefined });
  return {
    kind: 'multimodal-classes',
    classes,
    of(id, [cell = '']) {
      if (isMissing(cell)) return fault(id, 'no-label', 'expected a label, got an empty field');
      const label = labelOf(cell.trim());
      return label === undefined
        ? fault(
            id,
            'unknown-label',
            `expected one of ${classes.slice(0, 8).join(', ')}, got ${excerpt(cell.trim())}`,
          )
        : { label };
    },
  };
};

const askedNumbers = (names: readonly string[]): Asked => ({
  kind: 'multimodal-numbers',
  outputs: names,
  of(id, cells) {
    const targets = names.map((_, at) => numberOf(cells[at] ?? ''));
    const bad = targets.findIndex((value) => value === undefined || Number.isNaN(value));
    return bad < 0
      ? { targets: targets as number[] }
      : fault(
          id,
          'no-target',
          `expected a number in column "${names[bad] ?? ''}", got ${excerpt(cells[bad])}`,
        );
  },
});

/**
 * Reads a table whose rows are samples: its columns are an input, and a recording, an image or a text of each row are others.
 * What a cell lacks is missing; a row whose file is not there is left out with the reason.
 * @throws ConfigError for missing files, columns that are not there (listing those that are), and no label at all
 */
const openMultimodalTable = async (options: MultimodalTableOptions): Promise<MultimodalSource> => {
  const { file, spectrogram = {} } = options;
  await requireFile(file, 'table file');
  const first = options.numberColumns?.[0] ?? options.labelColumn;
  const table = await openTable(file, options, [
    { role: 'label', option: 'labelColumn', given: first, usual: labelColumns },
  ]);
  const layout = await layoutOf(table, options);
  const splits = await tableSplits(table, options.splitColumn, layout.asked);
  const input = await tableInput(table, layout, splits);
  const asked = options.numberColumns
    ? askedNumbers(layout.asked.map((index) => table.columns[index] ?? String(index)))
    : await askedClasses(table, layout.asked[0] ?? 0, options.classes);
  const settings = { ...SPECTROGRAM, ...spectrogram };
  const forms: Readonly<Record<string, StoredInput>> = {
    audio: { modality: 'audio', form: 'audio', shape: [null, settings.bands], spectrogram: { ...settings } },
    image: { modality: 'visual', form: 'image' },
  };
  const inputs: [string, StoredInput][] = layout.files.map(({ input: name }) => [
    name,
    forms[name] as StoredInput,
  ]);
  if (layout.text >= 0) inputs.push(['text', { modality: 'text', form: 'text' }]);
  const { columns } = input;
  if (columns.length > 0)
    inputs.push(['table', { modality: 'table', form: 'values', shape: [columns.length], columns }]);
  const toItem = async (item: RecordItem): Promise<ReaderItem> => {
    const id = `line ${item.line}`;
    if (item.kind === 'bad-record') return fault(id, item.code, item.reason);
    const cells = item.fields;
    const answer = asked.of(
      id,
      layout.asked.map((index) => cells[index] ?? ''),
    );
    if ('kind' in answer) return answer;
    const split = splits.followed ? splitOfCell(cells[splits.index]) : undefined;
    if (splits.followed && split === undefined) return noSplit(id, cells[splits.index]);
    const contents: [string, SampleContent][] = [];
    for (const { input: name, index, finder } of layout.files) {
      const cell = (cells[index] ?? '').trim();
      if (isMissing(cell)) continue;
      const image = await finder.find(cell);
      if (image.kind === 'fault') return image;
      contents.push([name, { kind: 'path', path: image.path }]);
    }
    const text = layout.text < 0 ? '' : (cells[layout.text] ?? '').trim();
    if (!isMissing(text)) contents.push(['text', { kind: 'bytes', bytes: new TextEncoder().encode(text) }]);
    const values = rowNumbers(
      columns,
      input.indices.map((index) => cells[index] ?? ''),
    );
    // A row without any value lacks the table.
    if (values.some((value) => !Number.isNaN(value)))
      contents.push(['table', { kind: 'values', values, shape: [values.length] }]);
    return {
      kind: 'sample',
      id,
      contents: Object.fromEntries(contents),
      ...(isMissing(text) ? {} : { texts: [text] }),
      ...answer,
      ...(split === undefined ? {} : { split }),
    };
  };
  const notes = [...splits.notes, ...input.notes];
  return {
    kind: asked.kind,
    settings: { inputs: Object.fromEntries(inputs), ...(asked.outputs ? { outputs: asked.outputs } : {}) },
    reader: {
      name: basename(file),
      ...(asked.classes ? { classes: asked.classes } : {}),
      ...(splits.followed ? { splits: splits.splits } : {}),
      ...(notes.length > 0 ? { notes } : {}),
      async *read() {
        for await (const item of table.rows()) yield await toItem(item);
      },
    },
  };
};

export const multimodalTableReader = defineReader({
  name: 'multimodal-table',
  summary:
    'a table whose columns are an input (numbers, categories), beside recordings, images or texts that it names',
  needs: 'a table with a column of labels, or of numbers that are asked',
  settings: {
    file: textSetting,
    labelColumn: columnSetting.optional(),
    /** Columns of numbers that are asked, in place of a label. */
    numberColumns: z.array(columnSetting).min(1).optional(),
    /** Folder of recordings (WAV, FLAC, Ogg) that a column names. */
    audio: textSetting.optional(),
    audioColumn: columnSetting.optional(),
    images: textSetting.optional(),
    imageColumn: columnSetting.optional(),
    textColumn: columnSetting.optional(),
    /** Columns that are an input. @default all that are left, but names */
    columns: z.array(columnSetting).optional(),
    splitColumn: splitColumnSetting,
    ...tableSettings,
    classes: classesSetting,
    links: linksSetting,
    /** How recordings become spectrograms. */
    spectrogram: z
      .strictObject({
        /** Samples a second, to which recordings are brought. */
        rate: z.number().int().min(1000).max(192_000).default(SPECTROGRAM.rate),
        /** Bands of the mel scale. */
        bands: z.number().int().min(1).max(512).default(SPECTROGRAM.bands),
        /** Longest part that is read. */
        seconds: z.number().positive().max(3600).default(SPECTROGRAM.seconds),
      })
      .optional(),
  },
  kinds: ['multimodal-classes', 'multimodal-numbers'],
  paths: { file: 'all', audio: 'all', images: 'images' },
  inputs: ({ file, audio, images }) => [
    { path: file },
    ...(audio === undefined ? [] : [{ path: audio }]),
    ...(images === undefined ? [] : [{ path: images, of: 'images' as const }]),
  ],
  async open(settings, { within }) {
    const {
      reader,
      kind,
      settings: own,
    } = await openMultimodalTable({
      ...settings,
      within,
      ...splitColumnOf(settings),
    });
    return { reader, kind, settings: own, classesGiven: settings.classes !== undefined };
  },
  async detect(survey) {
    const sounds = survey.files.filter(({ extension }) => SOUND_EXTENSIONS.includes(extension));
    const [sound] = sounds;
    if (!sound) return undefined;
    const names = new Set(sounds.map(({ name }) => name));
    for (const { id, extension } of survey.files) {
      const table = ['.csv', '.tsv', '.txt'].includes(extension) ? await survey.table(id) : undefined;
      const column = table?.header.findIndex((_, at) =>
        table.rows.some((row) => names.has(basename((row[at] ?? '').trim()))),
      );
      const label = table?.header.find((name) => labelColumns.includes(name.trim().toLowerCase()));
      if (!table || column === undefined || column < 0 || label === undefined) continue;
      return {
        fit: 'sure',
        reason: `${id}, whose column "${table.header[column] ?? ''}" names recordings, with the label "${label}"`,
        sources: [
          {
            file: survey.at(id),
            audio: survey.at(sound.folder),
            audioColumn: table.header[column] ?? column,
            labelColumn: label,
          },
        ],
      };
    }
    return {
      fit: 'nearly',
      reason: `${sounds.length} recordings (${extname(sound.name)}) without a table that names them and their labels`,
    };
  },
});
