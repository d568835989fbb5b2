import { basename } from 'node:path';
import { captionedRow, type CaptionedLayout } from '../tables/captioned-row.ts';
import { captionColumns, imageColumns } from '../tables/column-names.ts';
import type { RecordItem } from '../tables/delimited.ts';
import { createImageFinder, type ImageFinder, type ImageNameOptions } from '../images/image-finder.ts';
import { joinRows, rowKey } from '../samples/image-rows.ts';
import { isImageName, requireFile, requireFolder } from '../files/paths.ts';
import { type Fault, type Reader, type ReaderItem, type Sample } from '../samples/sample.ts';
import { tableSplits } from '../tables/table-splits.ts';
import { openTable, type Table, type TableOptions } from '../tables/table.ts';
import { captionColumn, imageColumn } from '../tables/wanted-columns.ts';
import { defineReader } from './dataset-reader.ts';
import {
  columnSetting,
  linksSetting,
  prefixSetting,
  splitColumnOf,
  splitColumnSetting,
  tableSettings,
  textSetting,
} from './reader-settings.ts';
import { imageTableVerdict, tableFit } from '../survey/table-fit.ts';

export interface CaptionsCsvOptions extends ImageNameOptions, TableOptions {
  /** The table, with a header line unless `header` is false. */
  readonly file: string;
  /** Folder of the images. */
  readonly images: string;
  /** By name or index. @default the first of image, image_name, filename, file_name and the like; without a header the first */
  readonly imageColumn?: string | number;
  /** By name or index. @default the first of caption, comment, text and the like; without a header the last */
  readonly captionColumn?: string | number;
  /** Column that names the split of a row; `''` for none. @default one whose values name splits */
  readonly splitColumn?: string | number;
}

/** Flickr30k names an image once for each of its captions: `1000092795.jpg#0`. */
const imageName = (cell: string): string => {
  const plain = cell.replace(/#\d+$/u, '');
  return isImageName(plain) ? plain : cell;
};

/** A row's image and caption, or what is wrong with it. */
const toRow = async (
  item: RecordItem,
  layout: CaptionedLayout,
  finder: ImageFinder,
): Promise<{ readonly key: string; readonly sample: Sample } | Fault> => {
  const row = captionedRow(item, layout, 'image');
  if ('code' in row) return row;
  const { captions, split } = row;
  const file = await finder.find(row.name);
  if (file.kind === 'fault') return file;
  const image = { kind: 'path', path: file.path } as const;
  const named = split === undefined ? {} : { split };
  const sample: Sample = { kind: 'sample', id: file.key, image, texts: captions, ...named };
  return { key: rowKey(file.key, sample), sample };
};

/** Rows of one image are put together wherever they stand; its place is that of its first row. */
const collect = async (
  table: Table,
  layout: CaptionedLayout,
  finder: ImageFinder,
): Promise<{ samples: Map<string, Sample[]>; faults: Fault[] }> => {
  const samples = new Map<string, Sample[]>();
  const faults: Fault[] = [];
  for await (const item of table.rows()) {
    const row = await toRow(item, layout, finder);
    if ('code' in row) faults.push(row);
    else {
      const list = samples.get(row.key);
      if (list) list.push(row.sample);
      else samples.set(row.key, [row.sample]);
    }
  }
  return { samples, faults };
};

/**
 * Reads a table of images and captions, one caption a row, as Flickr30k (`image_name| comment_number| comment`) and
 * Flickr8k (`image,caption`) have it, or Flickr's `results.token` without a header (`name#n`, tab, caption); one sample
 * per image with all of its captions.
 * @throws ConfigError for missing files and for columns that are not there (listing those found)
 */
export const openCaptionsCsv = async (options: CaptionsCsvOptions): Promise<Reader> => {
  await requireFile(options.file, 'captions file');
  await requireFolder(options.images, 'captions images');
  const wanted = [imageColumn(options.imageColumn), captionColumn(options.captionColumn)] as const;
  const table = await openTable(options.file, options, wanted);
  const [image, caption] = [table.column(wanted[0]), table.column(wanted[1])];
  const splits = await tableSplits(table, options.splitColumn, [image, caption]);
  const layout: CaptionedLayout = { name: image, caption, split: splits.index, nameOf: imageName };
  const finder = createImageFinder(options.images, options);
  return {
    name: basename(options.file),
    ...(splits.followed ? { splits: splits.splits } : {}),
    ...(splits.notes.length > 0 ? { notes: splits.notes } : {}),
    async *read(): AsyncGenerator<ReaderItem> {
      const { samples, faults } = await collect(table, layout, finder);
      yield* faults;
      for (const rows of samples.values()) yield joinRows(rows);
    },
  };
};

export const captionsCsvReader = defineReader({
  name: 'captions-csv',
  summary: 'a table of images and captions, one caption a row (Flickr8k, Flickr30k, pandas)',
  needs: 'a table with a column of names of images, one of captions, and the folder of the images',
  settings: {
    file: textSetting,
    images: textSetting,
    imageColumn: columnSetting.optional(),
    captionColumn: columnSetting.optional(),
    splitColumn: splitColumnSetting,
    prefix: prefixSetting,
    suffix: textSetting.optional(),
    ...tableSettings,
    links: linksSetting,
  },
  kinds: ['captioned-image'],
  paths: { file: 'all', images: 'images' },
  open: async (settings, { within }) => ({
    reader: await openCaptionsCsv({ ...settings, within, ...splitColumnOf(settings) }),
    kind: 'captioned-image',
  }),
  detect: (survey) =>
    tableFit(survey, (table) =>
      imageTableVerdict(survey, table, { images: imageColumns, names: captionColumns, role: 'captions' }),
    ),
});
