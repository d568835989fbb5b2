import { basename, dirname } from 'node:path';
import { type Budgets, ConfigError, excerpt } from '@polygate/core';
import { z } from 'zod';
import type { LinkOptions } from '../files/folder-listing.ts';
import { isImageName, requireFile, requireFolder } from '../files/paths.ts';
import { fault, faultOfMany, type Fault, type Reader } from '../samples/sample.ts';
import { listedStem, listsBeside, readSplitLists, splitOfList } from '../splits/split-lists.ts';
import { captionColumns, imageColumns } from '../tables/column-names.ts';
import { openTable, type Table } from '../tables/table.ts';
import { grouped, type TextRow } from '../values/text-rows.ts';
import { openValueTable } from '../values/value-reader.ts';
import type { ValuePart } from '../values/value-table.ts';
import { defineReader } from './dataset-reader.ts';
import { linksSetting, prefixSetting, textSetting } from './reader-settings.ts';

export interface CaptionListOptions extends LinkOptions {
  /** The table: `name.jpg#0`, tab, caption; or caption, tab, address; or Flickr30k's `results.csv`. */
  readonly file: string;
  /** Folder of the images. */
  readonly images: string;
  /** Lists of the images of a split each, which their names say. @default those beside the file; none where `split` says one */
  readonly splitFiles?: readonly string[];
  /** Table of addresses and the files that they were fetched to, for a table of addresses. */
  readonly index?: string;
  /** Split of all rows: lists are then not looked for. */
  readonly split?: string;
  readonly prefix?: string;
  readonly suffix?: string;
  readonly budgets?: Partial<Budgets>;
}

const isAddress = (cell: string): boolean => /^[a-z][a-z0-9+.-]*:\/\//iu.test(cell.trim());
/** `1000268201_693b08cb0e.jpg#0`: the number is that of the caption. */
const plainName = (cell: string): string => cell.trim().replace(/#\w+$/u, '');
const isName = (cell: string): boolean => isImageName(plainName(cell));

/** What columns of a table hold. */
interface Columns {
  readonly table: Table;
  readonly image: number;
  readonly caption: number;
  /** Whether images are named by their addresses. */
  readonly addresses: boolean;
}

const firstCells = async (table: Table): Promise<readonly string[]> => {
  for await (const item of table.rows()) if (item.kind === 'record') return item.fields;
  return [];
};

const columnsOf = async (file: string): Promise<Columns> => {
  const positions = [
    { role: 'image', option: 'images', given: undefined, position: 0 },
    { role: 'caption', option: 'file', given: undefined, position: -1 },
  ];
  const plain = await openTable(file, { header: false }, positions);
  const cells = await firstCells(plain);
  const address = cells.findIndex(isAddress);
  // A caption may well end in a name; beside a column of addresses only a name with the number of its caption counts.
  const name = cells.findIndex((cell) => isName(cell) && (address < 0 || cell !== plainName(cell)));
  const image = name >= 0 ? name : address;
  if (image >= 0 && cells.length > 1) {
    const caption = image === cells.length - 1 ? 0 : cells.length - 1;
    return { table: plain, image, caption, addresses: name < 0 };
  }
  const wanted = [
    { role: 'image', option: 'file', given: undefined, usual: imageColumns },
    { role: 'caption', option: 'file', given: undefined, usual: captionColumns },
  ] as const;
  const table = await openTable(file, {}, wanted);
  return { table, image: table.column(wanted[0]), caption: table.column(wanted[1]), addresses: false };
};

/** Most addresses of an index. */
const MAX_INDEX = 20_000_000;

/** Files by address. @throws ConfigError for a table without both, or too long a one */
const readIndex = async (file: string): Promise<ReadonlyMap<string, string>> => {
  await requireFile(file, 'index');
  const usual = {
    address: ['url', 'image_url', 'address', 'link'],
    name: ['file', 'path', ...imageColumns, 'key'],
  };
  const plain = await openTable(file, { header: false }, [
    { role: 'address', option: 'index', given: undefined, position: 0 },
  ]);
  const cells = await firstCells(plain);
  let [address, name] = [
    cells.findIndex(isAddress),
    cells.findIndex((cell) => isName(cell) && !isAddress(cell)),
  ];
  let table = plain;
  if (address < 0) {
    const wanted = [
      { role: 'address', option: 'index', given: undefined, usual: usual.address },
      { role: 'file', option: 'index', given: undefined, usual: usual.name },
    ] as const;
    table = await openTable(file, {}, wanted);
    [address, name] = [table.column(wanted[0]), table.column(wanted[1])];
  } else if (name < 0) name = cells.findIndex((_, at) => at !== address);
  const index = new Map<string, string>();
  for await (const item of table.rows()) {
    const [from, to] =
      item.kind === 'record' ? [item.fields[address]?.trim(), item.fields[name]?.trim()] : [];
    if (from && to) index.set(from, to);
    if (index.size > MAX_INDEX)
      throw new ConfigError(
        `index ${file}: expected at most ${MAX_INDEX} addresses, got more; split the table`,
        {
          code: 'index',
        },
      );
  }
  return index;
};

interface Rules extends Columns {
  readonly index: ReadonlyMap<string, string> | undefined;
  readonly splits: ReadonlyMap<string, string>;
}

/** Rows with image, caption and split; those that are not fetched or in no list are counted, and told of once. */
async function* rowsOf(file: string, rules: Rules): AsyncGenerator<TextRow | Fault> {
  const { table, image, caption, index, splits } = rules;
  const [unfetched, unlisted] = [new Set<string>(), new Set<string>()];
  for await (const item of table.rows()) {
    const id = `${basename(file)}, line ${item.line}`;
    if (item.kind === 'bad-record') {
      yield fault(id, item.code, item.reason);
      continue;
    }
    const cell = item.fields[image]?.trim() ?? '';
    const name = index && isAddress(cell) ? index.get(cell) : plainName(cell);
    const split = name === undefined ? undefined : splits.get(listedStem(name));
    if (name === undefined) unfetched.add(cell);
    else if (splits.size > 0 && split === undefined) unlisted.add(name);
    else yield { line: item.line, cells: { image: name, caption: item.fields[caption], split } };
  }
  if (unfetched.size > 0)
    yield faultOfMany(
      unfetched.size,
      fault(
        basename(file),
        'not-fetched',
        `expected a file for each address, got none for ${unfetched.size} of them: the index does not have them`,
      ),
    );
  if (unlisted.size > 0)
    yield faultOfMany(
      unlisted.size,
      fault(
        basename(file),
        'no-split',
        `expected each image in a list of a split, got ${unlisted.size} in none, ${excerpt([...unlisted][0] ?? '', 80)} among them`,
      ),
    );
}

/**
 * Reads tables of captions as they were given out: Flickr8k's and Flickr30k's token files and `results.csv`, with lists of
 * the images of each split, and Conceptual Captions (caption, address), whose images must have been fetched. One sample
 * per image with all of its captions.
 * @throws ConfigError for missing files, and for addresses without an index of what they were fetched to
 */
export const openCaptionList = async (options: CaptionListOptions): Promise<Reader> => {
  const { file, images, budgets } = options;
  await requireFile(file, 'caption list');
  await requireFolder(images, 'caption list images');
  const columns = await columnsOf(file);
  if (columns.addresses && options.index === undefined)
    throw new ConfigError(
      `caption list ${file}: expected names of files, got addresses (${excerpt((await firstCells(columns.table))[columns.image] ?? '', 80)}), which are not fetched; fetch them with img2dataset, whose folders sidecar-captions reads, or give as index a table of url and file`,
      { code: 'addresses', fields: { path: file } },
    );
  const index = options.index === undefined ? undefined : await readIndex(options.index);
  const lists = options.splitFiles ?? (options.split === undefined ? await listsBeside(file) : []);
  const splits = await readSplitLists(lists);
  const part: ValuePart = {
    id: basename(file),
    folder: images,
    columns: ['image', 'caption', 'split'].map((name) => ({ name, type: 'text' })),
    features: new Map(),
    groups: () => grouped(rowsOf(file, { ...columns, index, splits })),
  };
  const { reader } = await openValueTable(
    { name: `caption list ${file}`, parts: [part] },
    {
      kind: 'captioned-image',
      imageColumn: 'image',
      captionColumn: 'caption',
      splitColumn: splits.size > 0 ? 'split' : '',
      ...(options.links ? { links: options.links } : {}),
      ...(options.within ? { within: options.within } : {}),
      ...(options.prefix === undefined ? {} : { prefix: options.prefix }),
      ...(options.suffix === undefined ? {} : { suffix: options.suffix }),
      ...(budgets ? { budgets } : {}),
    },
  );
  const notes = [
    ...(lists.length > 0 && !options.splitFiles
      ? [`splits are those of the lists ${lists.map((list) => basename(list)).join(', ')}`]
      : []),
    ...(reader.notes ?? []),
  ];
  return { ...reader, ...(notes.length > 0 ? { notes } : {}) };
};

export const captionListReader = defineReader({
  name: 'caption-list',
  summary: 'captions as they were given out: Flickr8k, Flickr30k, Conceptual Captions, with lists of splits',
  needs: 'lines of name.jpg#0, tab, caption, or of caption, tab, address; and the folder of the images',
  settings: {
    file: textSetting,
    images: textSetting,
    /** Lists of the images of a split each. @default those beside the file */
    splitFiles: z.array(textSetting).optional(),
    /** Table of addresses and the files that they were fetched to. */
    index: textSetting.optional(),
    prefix: prefixSetting,
    suffix: textSetting.optional(),
    links: linksSetting,
  },
  kinds: ['captioned-image'],
  paths: { file: 'all', images: 'images', splitFiles: 'all', index: 'all' },
  inputs: ({ file, images, splitFiles, index }) => [
    ...(splitFiles ? splitFiles.map((path) => ({ path })) : [{ path: dirname(file) }]),
    { path: file },
    { path: images, of: 'images' },
    ...(index === undefined ? [] : [{ path: index }]),
  ],
  async open(settings, { within, budgets }) {
    return { reader: await openCaptionList({ ...settings, within, budgets }), kind: 'captioned-image' };
  },
  async detect(survey) {
    for (const file of survey.files) {
      if (
        !['.txt', '.token', '.tsv', '.csv'].includes(file.extension) ||
        splitOfList(file.name) !== undefined
      )
        continue;
      const [line] = (await survey.lines(file.id)) ?? [];
      const token = /^([^\t]+)#\d\t\S/u.exec(line ?? '');
      if (token) {
        const wanted = plainName(token[1] ?? '');
        const image = survey.neighbours.find(({ name }) => name === wanted);
        if (!image)
          return {
            fit: 'nearly',
            reason: `${file.id} has captions of ${wanted} and others, but no such image lies here`,
          };
        return {
          fit: 'sure',
          reason: `${file.id} has captions as Flickr8k and Flickr30k give them out`,
          sources: [{ file: survey.at(file.id), images: survey.at(image.folder) }],
        };
      }
      if (/^[^\t]+\thttps?:\/\/\S+$/u.test(line ?? ''))
        return {
          fit: 'nearly',
          reason: `${file.id} has captions with addresses, as Conceptual Captions: fetch the images with img2dataset, or give an index`,
        };
    }
    return undefined;
  },
});
