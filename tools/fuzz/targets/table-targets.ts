/** Tables whose cells are values (Parquet, Arrow of others), and arrays of images. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  openCaptionList,
  openIdx,
  openImageMetadata,
  openNumpyArrays,
  openParquet,
  openParquetFile,
} from '@polygate/datasets';
import { openArrowTable } from '@polygate/stream';
import { pick } from '../byte-mutations.ts';
import { expectRight, type FuzzTarget, type Mutator } from '../target.ts';
import { textMutations } from '../text-mutations.ts';
import { mutateJson } from '../json-mutations.ts';
import { checkKeys, fileIn, readTwice, utf8 } from './reading.ts';
import { tinyImage } from './images.ts';

const packages = join(import.meta.dirname, '..', '..', '..', 'packages');
/** The script is built into another folder than the sources lie in. */
const fixturesOf = async (...path: string[]): Promise<readonly Uint8Array[]> => {
  const folders = [join(packages, ...path), join(process.cwd(), 'packages', ...path)];
  for (const folder of folders) {
    const names = await readdir(folder).catch(() => []);
    if (names.length > 0) return Promise.all(names.sort().map((name) => readFile(join(folder, name))));
  }
  throw new Error(`no fixtures in ${folders.join(' or ')}`);
};

const foreignFixtures = (names: readonly string[]): Promise<readonly Uint8Array[]> => {
  const path = ['test', 'foreign', 'fixtures', 'formats'];
  return Promise.all(names.map((name) => readFile(join(process.cwd(), ...path, name))));
};

/** Bytes of the magic at either end, and of the footer's length before the last. */
const MAGIC = 4;
const TAIL = 8;

/** Damages one byte between two places, so that what stands there counts something else. */
const damage = (bytes: Uint8Array, from: number, to: number, random: Parameters<Mutator>[1]): Uint8Array => {
  const copy = Buffer.from(bytes);
  const at = from + random.integer(Math.max(1, to - from));
  if (at >= copy.length) return copy;
  const value = copy[at] ?? 0;
  copy[at] =
    pick(random, [value ^ (1 << random.integer(8)), value + 1, value - 1, 0, 0x7f, 0x80, 0xff, 0xfe]) & 0xff;
  return copy;
};

const footerStart = (bytes: Uint8Array): number => {
  if (bytes.length < TAIL + MAGIC) return 0;
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(bytes.length - TAIL, true);
  return Math.max(0, bytes.length - TAIL - length);
};

const mutateFooter: Mutator = (bytes, random) =>
  damage(bytes, footerStart(bytes), bytes.length - TAIL, random);
const mutatePages: Mutator = (bytes, random) => damage(bytes, MAGIC, footerStart(bytes), random);
/** Several bytes in a row that read as one large number. */
const mutateVarint: Mutator = (bytes, random) => {
  const copy = Buffer.from(bytes);
  const at = random.integer(Math.max(1, copy.length - TAIL - 5));
  copy.fill(0xff, at, at + 1 + random.integer(4));
  copy[at + 4] = pick(random, [0x07, 0x0f, 0x7f, 0x01]);
  return copy;
};

/** Damage of the list at the end of an archive. */
const mutateTail: Mutator = (bytes, random) =>
  damage(bytes, Math.max(0, bytes.length - 600), bytes.length, random);

/** Damage of the schema and of the first batch's description, which come first. */
const mutateHead: Mutator = (bytes, random) => damage(bytes, 0, Math.min(bytes.length, 6000), random);

const parquet: FuzzTarget = {
  name: 'parquet',
  errors: ['FormatError'],
  async open(folder) {
    const save = fileIn(folder, 'table.parquet');
    return {
      seeds: await fixturesOf('datasets', 'test', 'fixtures', 'parquet'),
      mutators: [mutateFooter, mutatePages, mutatePages, mutateVarint],
      async parse(bytes) {
        const file = await openParquetFile(await save(bytes), { groupBytes: 2 ** 24 });
        let rows = 0;
        for await (const { length, columns } of file.groups(file.columns.map(({ name }) => name))) {
          rows += length;
          for (const read of columns.values()) for (let row = 0; row < length; row += 1) read(row);
        }
        expectRight(rows === file.rows, `${rows} rows of ${file.rows}`);
      },
    };
  },
};

const parquetReader: FuzzTarget = {
  name: 'parquet-reader',
  errors: ['ConfigError', 'FormatError'],
  async open(folder) {
    const save = fileIn(folder, 'table.parquet');
    return {
      seeds: await fixturesOf('datasets', 'test', 'fixtures', 'parquet'),
      mutators: [mutateFooter, mutatePages, mutateVarint],
      async parse(bytes) {
        const files = await save(bytes);
        const budgets = { groupBytes: 2 ** 24 };
        const labels = { kind: 'labelled-image', imageColumn: 'image' } as const;
        const texts = {
          kind: 'labelled-text',
          textColumns: ['text', 'words'],
          labelColumn: 'truth',
        } as const;
        for (const options of [labels, texts, { kind: 'text', textColumns: ['big_text'] } as const])
          await checkKeys(await readTwice((await openParquet({ files, budgets, ...options })).reader));
      },
    };
  },
};

const arrow: FuzzTarget = {
  name: 'arrow-table',
  errors: ['FormatError'],
  async open(folder) {
    const save = fileIn(folder, 'table.arrow');
    return {
      seeds: await fixturesOf('datasets', 'test', 'fixtures', 'arrow'),
      mutators: [mutateHead, mutateVarint],
      async parse(bytes) {
        const table = await openArrowTable(await save(bytes), { groupBytes: 2 ** 24 });
        const names = table.columns.map(({ name }) => name);
        for await (const { length, columns } of table.batches(names))
          for (const read of columns.values()) for (let row = 0; row < length; row += 1) read(row);
      },
    };
  },
};

const npz: FuzzTarget = {
  name: 'npz',
  errors: ['ConfigError', 'FormatError'],
  async open(folder) {
    const save = fileIn(folder, 'arrays.npz');
    const seeds = await foreignFixtures(['mnist.npz', 'medmnist.npz']);
    return {
      seeds,
      mutators: [mutateHead, mutateTail],
      async parse(bytes) {
        const budgets = { imageBytes: 2 ** 20, groupBytes: 2 ** 24 };
        await readTwice(await openNumpyArrays({ files: await save(bytes), budgets }));
      },
    };
  },
};

const npy: FuzzTarget = {
  name: 'npy',
  errors: ['ConfigError', 'FormatError'],
  async open(folder) {
    const [images, labels] = await foreignFixtures(['npy/images.npy', 'npy/labels.npy']);
    const save = fileIn(folder, 'images.npy');
    await fileIn(folder, 'labels.npy')(labels ?? new Uint8Array(0));
    return {
      seeds: [images ?? new Uint8Array(0)],
      mutators: [mutateHead, ...textMutations],
      async parse(bytes) {
        await save(bytes);
        const budgets = { imageBytes: 2 ** 20, groupBytes: 2 ** 24 };
        await readTwice(await openNumpyArrays({ files: folder, budgets }));
      },
    };
  },
};

const idx: FuzzTarget = {
  name: 'idx',
  errors: ['ConfigError', 'FormatError'],
  async open(folder) {
    const [images, labels] = await foreignFixtures([
      'MNIST/raw/train-images-idx3-ubyte',
      'MNIST/raw/train-labels-idx1-ubyte',
    ]);
    const save = fileIn(folder, 'train-images-idx3-ubyte');
    await fileIn(folder, 'train-labels-idx1-ubyte')(labels ?? new Uint8Array(0));
    return {
      seeds: [images ?? new Uint8Array(0)],
      mutators: [mutateHead],
      async parse(bytes) {
        await save(bytes);
        await readTwice(await openIdx({ files: folder, budgets: { imageBytes: 2 ** 20 } }));
      },
    };
  },
};

const imageMetadata: FuzzTarget = {
  name: 'image-metadata',
  errors: ['ConfigError', 'FormatError'],
  async open(folder) {
    await fileIn(folder, 'a.png')(await tinyImage());
    const save = fileIn(folder, 'metadata.jsonl');
    const lines = ['{"file_name":"a.png","text":["one","two"]}', '{"file_name":"b.png","text":["three"]}'];
    return {
      seeds: [utf8(lines.join('\n'))],
      mutators: [mutateJson, ...textMutations],
      async parse(bytes) {
        await save(bytes);
        await readTwice((await openImageMetadata({ path: folder })).reader);
      },
    };
  },
};

const captionList: FuzzTarget = {
  name: 'caption-list',
  errors: ['ConfigError', 'FormatError'],
  async open(folder) {
    const save = fileIn(folder, 'token.txt');
    const list = await fileIn(folder, 'train.txt')(utf8('a.png\nb.png\n'));
    await fileIn(folder, 'a.png')(await tinyImage());
    return {
      seeds: [
        utf8('a.png#0\tone , two\nb.png#0\tthree\na.png#1\tfour\n'),
        utf8('image_name| comment_number| comment\na.png| 0| one\nb.png| 0| two\n'),
      ],
      mutators: textMutations,
      async parse(bytes) {
        const file = await save(bytes);
        for (const splitFiles of [[], [list]])
          await readTwice(await openCaptionList({ file, images: folder, splitFiles }));
      },
    };
  },
};

export const tableTargets: readonly FuzzTarget[] = [
  parquet,
  parquetReader,
  arrow,
  npz,
  npy,
  idx,
  imageMetadata,
  captionList,
];
