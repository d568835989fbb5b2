import { basename } from 'node:path';
import type { StoredInput } from '@polygate/stream';
import { z } from 'zod';
import { requireFile } from '../files/paths.ts';
import { SPECTROGRAM } from '../kinds/multimodal/audio-form.ts';
import type { MultimodalSource } from '../multimodal/array-samples.ts';
import { askedClasses, askedNames, askedNumbers } from '../multimodal/asked-columns.ts';
import { isMissing, rowNumbers } from '../multimodal/table-columns.ts';
import { multimodalTableFit } from '../multimodal/table-fit.ts';
import { layoutOf, tableInput, type MultimodalTableOptions } from '../multimodal/table-layout.ts';
import { fault, type ReaderItem, type SampleContent } from '../samples/sample.ts';
import { noSplit, splitOfCell } from '../splits/split-cell.ts';
import type { RecordItem } from '../tables/delimited.ts';
import { openTables } from '../tables/joined-tables.ts';
import { tableSplits } from '../tables/table-splits.ts';
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

/**
 * Reads a table whose rows are samples: its columns are an input, and a recording, an image or a text of each row are others.
 * What a cell lacks is missing; a row whose file is not there is left out with the reason.
 * @throws ConfigError for missing files, columns that are not there (listing those that are), and no label at all
 */
const openMultimodalTable = async (options: MultimodalTableOptions): Promise<MultimodalSource> => {
  const { spectrogram = {} } = options;
  const files = [options.file].flat();
  for (const file of files) await requireFile(file, 'table file');
  const first = options.numberColumns?.[0] ?? options.labelColumn;
  const table = await openTables(files, options, [
    { role: 'label', option: 'labelColumn', given: first, usual: askedNames },
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
  /** The column that an input is of, as predictions on rows look for it. */
  const named = (index: number): Pick<StoredInput, 'column'> => ({ column: table.columns[index] ?? '' });
  const inputs: [string, StoredInput][] = layout.files.map(({ input: name, index }) => [
    name,
    { ...(forms[name] as StoredInput), ...named(index) },
  ]);
  if (layout.text >= 0) inputs.push(['text', { modality: 'text', form: 'text', ...named(layout.text) }]);
  const { columns } = input;
  if (columns.length > 0)
    inputs.push(['table', { modality: 'table', form: 'values', shape: [columns.length], columns }]);
  const toItem = async (item: RecordItem): Promise<ReaderItem> => {
    const id = `${item.file === undefined ? '' : `${item.file} `}line ${item.line}`;
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
      name: basename(files[0] ?? ''),
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
    'a table (CSV, JSON lines, Parquet) whose columns are an input, beside recordings, images or texts that it names',
  needs: 'a table with a column of labels, or of numbers that are asked',
  settings: {
    /** A table, or several of the same columns, whose names may say their splits. */
    file: z.union([textSetting, z.array(textSetting).min(1)]),
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
    ...[file].flat().map((path) => ({ path })),
    ...(audio === undefined ? [] : [{ path: audio }]),
    ...(images === undefined ? [] : [{ path: images, of: 'images' as const }]),
  ],
  async open(settings, { within }) {
    const {
      reader,
      kind,
      settings: datasetSettings,
    } = await openMultimodalTable({
      ...settings,
      within,
      ...splitColumnOf(settings),
    });
    return { reader, kind, settings: datasetSettings, classesGiven: settings.classes !== undefined };
  },
  detect: multimodalTableFit,
});
