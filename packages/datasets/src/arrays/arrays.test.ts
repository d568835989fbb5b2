import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openIdx } from '../readers/idx.ts';
import { openNumpyArrays } from '../readers/numpy-arrays.ts';
import type { Reader, ReaderItem } from '../samples/sample.ts';

let root = '';
let count = 0;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'polygate-arrays-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

const put = async (files: Readonly<Record<string, Uint8Array>>): Promise<string> => {
  count += 1;
  const folder = await mkdtemp(join(root, `case${count}-`));
  for (const [name, bytes] of Object.entries(files)) await writeFile(join(folder, name), bytes);
  return folder;
};

const idx = (type: number, shape: readonly number[], bytes: readonly number[]): Buffer => {
  const head = Buffer.alloc(4 + 4 * shape.length);
  head[2] = type;
  head[3] = shape.length;
  shape.forEach((side, axis) => head.writeUInt32BE(side, 4 + 4 * axis));
  return Buffer.concat([head, Buffer.from(bytes)]);
};

const npy = (header: string, bytes: readonly number[] | Buffer = []): Buffer => {
  const text = Buffer.from(header.padEnd(53, ' ') + '\n');
  const size = Buffer.alloc(2);
  size.writeUInt16LE(text.length);
  return Buffer.concat([Buffer.from('\u0093NUMPY\u0001\u0000', 'latin1'), size, text, Buffer.from(bytes)]);
};
const header = (descr: string, shape: string, fortran = 'False'): string =>
  `{'descr': '${descr}', 'fortran_order': ${fortran}, 'shape': ${shape}, }`;

const read = async (reader: Reader): Promise<ReaderItem[]> => {
  const items: ReaderItem[] = [];
  for await (const item of reader.read()) items.push(item);
  return items;
};
const pixelsOf = (items: readonly ReaderItem[]): (readonly number[] | string)[] =>
  items.map((item) =>
    item.kind === 'fault' ? item.code : item.image?.kind === 'pixels' ? [...item.image.pixels] : 'none',
  );

const labels = idx(8, [2], [1, 0]);

describe('idx files', () => {
  it('give images, labels and splits, packed or not', async () => {
    const images = idx(8, [2, 2, 2], [1, 2, 3, 4, 5, 6, 7, 8]);
    const files = await put({
      'train-images-idx3-ubyte.gz': gzipSync(images),
      'train-labels-idx1-ubyte.gz': gzipSync(labels),
      't10k-images.idx3-ubyte': images,
      't10k-labels.idx1-ubyte': labels,
    });
    const reader = await openIdx({ files });
    expect(reader.classes).toEqual(['0', '1']);
    expect(reader.splits).toEqual(['train', 'test']);
    const items = await read(reader);
    expect(pixelsOf(items)).toEqual([
      [1, 2, 3, 4],
      [5, 6, 7, 8],
      [1, 2, 3, 4],
      [5, 6, 7, 8],
    ]);
    expect(items[0]).toMatchObject({
      id: 't10k-images.idx3-ubyte/0',
      label: 1,
      split: 'test',
      image: { height: 2, width: 2, channels: 1 },
    });
    expect(items[2]?.id).toBe('train-images-idx3-ubyte/0');
  });

  it('are turned where rows and columns are exchanged', async () => {
    const images = idx(8, [2, 2, 3], [1, 2, 3, 4, 5, 6, 9, 9, 9, 9, 9, 9]);
    const files = await put({ 'a-images-idx3-ubyte': images, 'a-labels-idx1-ubyte': labels });
    const [first] = await read(await openIdx({ files, transpose: true }));
    // Rows 1 2 3 and 4 5 6 become 1 4, 2 5 and 3 6.
    expect(first).toMatchObject({ image: { height: 3, width: 2, pixels: Uint8Array.of(1, 4, 2, 5, 3, 6) } });
  });

  it('are refused where they are damaged or do not belong together', async () => {
    const images = idx(8, [2, 2, 2], [1, 2, 3, 4, 5, 6, 7, 8]);
    const refused = async (files: Readonly<Record<string, Uint8Array>>): Promise<string> => {
      const folder = await put(files);
      try {
        await read(await openIdx({ files: folder }));
      } catch (error) {
        return (error as Error).message;
      }
      return 'nothing';
    };
    const pair = (image: Uint8Array, label: Uint8Array) => ({
      'train-images-idx3-ubyte': image,
      'train-labels-idx1-ubyte': label,
    });
    expect(await refused(pair(images, idx(8, [3], [1, 0, 1])))).toMatch(
      /as many images as labels .*, got 2 and 3; /u,
    );
    expect(await refused(pair(images.subarray(0, 20), labels))).toMatch(
      /got 1 items and the end of the file, where 2 are announced/u,
    );
    expect(await refused(pair(Buffer.from('hello world'), labels))).toMatch(
      /got one that begins with 68656c6c; fetch it again$/u,
    );
    expect(await refused(pair(idx(8, [2, 1e5, 1e5], []), labels))).toMatch(
      /budget imageBytes|array of at most/u,
    );
    expect(await refused({ 'train-images-idx3-ubyte': images })).toMatch(
      /expected images and labels of "train", got images alone/u,
    );
    expect(
      await refused({
        ...pair(images, labels),
        'train2-images-idx3-ubyte': images,
        'train2-labels-idx1-ubyte': labels,
      }),
    ).toMatch(/one pair of files of each split, got "train" and "train2"/u);
  });
});

describe('arrays of NumPy', () => {
  const targets = npy(header('<i8', '(2,)'), [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);

  it('are read in order C and F, of whole numbers and floats', async () => {
    const c = npy(header('|u1', '(2, 2, 2)'), [1, 2, 3, 4, 5, 6, 7, 8]);
    // Number [n, i, j] of order C lies at n + 2 (i + 2 j): 1 5 3 7 2 6 4 8.
    const f = npy(header('|u1', '(2, 2, 2)', 'True'), [1, 5, 3, 7, 2, 6, 4, 8]);
    const floats = Buffer.alloc(32);
    [0, 0.2, 0.4, 0.6, 0.8, 1, 0.5, 0].forEach((value, at) => floats.writeFloatBE(value, 4 * at));
    for (const [images, expected] of [
      [
        c,
        [
          [1, 2, 3, 4],
          [5, 6, 7, 8],
        ],
      ],
      [
        f,
        [
          [1, 2, 3, 4],
          [5, 6, 7, 8],
        ],
      ],
      [
        npy(header('>f4', '(2, 4)'), floats),
        [
          [0, 51, 102, 153],
          [204, 255, 128, 0],
        ],
      ],
    ] as const) {
      const files = await put({ 'images.npy': images, 'labels.npy': targets });
      const items = await read(await openNumpyArrays({ files }));
      expect(pixelsOf(items)).toEqual(expected);
      expect(items[0]).toMatchObject({ id: 'images/0', label: 1 });
    }
  });

  it('report pixels and labels that are none', async () => {
    const images = npy(header('<i2', '(2, 1, 1)'), [1, 1, 255, 0]);
    const hot = npy(header('|u1', '(2, 3)'), [0, 1, 1, 0, 0, 1]);
    const files = await put({ 'x.npy': images, 'y.npy': hot });
    expect(pixelsOf(await read(await openNumpyArrays({ files })))).toEqual(['no-label', [255]]);
  });

  it('refuses pickles, and says how to save them', async () => {
    const files = await put({ 'x.npy': npy(header('|O', '(2,)')), 'y.npy': targets });
    await expect(openNumpyArrays({ files })).rejects.toMatchObject({
      name: 'FormatError',
      code: 'npy-pickle',
      message:
        'x: expected an array of NumPy, got Python objects (a pickle), which can run any program when they are loaded, and are not read; save the array as numbers: np.save(file, np.stack(list(array)), allow_pickle=False)',
    });
  });

  it.each([
    [
      'structures',
      npy("{'descr': [('a', '<i4')], 'fortran_order': False, 'shape': (2,), }"),
      /got the type \[; save/u,
    ],
    ['text', npy(header('<U3', '(2,)')), /got the type <U3; save whole numbers or floats/u],
    ['a single value', npy(header('<i4', '()')), /got a single value/u],
    ['another format', Buffer.from('not an array at all'), /got another format/u],
    [
      'a header cut short',
      npy(header('|u1', '(2, 1)')).subarray(0, 20),
      /got the end of the file in the header/u,
    ],
    [
      'a file cut short',
      npy(header('|u1', '(2, 4)'), [1, 2, 3]),
      /got 0 items and the end of the file, where 2 are announced/u,
    ],
    [
      'volumes',
      npy(header('|u1', '(2, 5, 5, 5)'), Buffer.alloc(250)),
      /expected images as \(N, H, W\).*got \(2, 5, 5, 5\)/u,
    ],
  ])('%s: an error says what is wrong', async (_, images, text) => {
    const files = await put({ 'x.npy': images, 'y.npy': targets });
    const all = async (): Promise<void> => void (await read(await openNumpyArrays({ files })));
    await expect(all()).rejects.toThrow(text);
  });

  it('are found by their names, else by settings', async () => {
    const images = npy(header('|u1', '(2, 1, 1)'), [1, 2]);
    const files = await put({ 'photo.npy': images, 'kind.npy': targets });
    await expect(openNumpyArrays({ files })).rejects.toThrow(
      'NumPy arrays: expected names such as x_train and y_train, or images and labels, got the arrays kind, photo; set imageArray and labelArray, or give other files',
    );
    const reader = await openNumpyArrays({ files, imageArray: 'photo', labelArray: 'kind' });
    expect(pixelsOf(await read(reader))).toEqual([[1], [2]]);
  });

  it('refuses archives that are damaged', async () => {
    const files = await put({ 'x.npz': Buffer.from('PK\u0003\u0004 and no end') });
    await expect(openNumpyArrays({ files })).rejects.toThrow(
      /^x\.npz: expected a zip archive, got another format/u,
    );
  });
});

describe('arrays of several splits', () => {
  const floats = (values: readonly number[]): Buffer => {
    const bytes = Buffer.alloc(4 * values.length);
    values.forEach((value, at) => bytes.writeFloatLE(value, 4 * at));
    return bytes;
  };
  const images = (values: readonly number[]): Buffer =>
    npy(header('<f4', `(${values.length / 4}, 2, 2)`), floats(values));
  const marks = (...values: readonly number[]): Buffer =>
    npy(
      header('|i1', `(${values.length},)`),
      values.map((value) => value & 0xff),
    );

  it('have one scale: a split of black images does not make 1 the largest number', async () => {
    const files = await put({
      'x_train.npy': images([0, 255, 128, 64]),
      'y_train.npy': marks(0),
      'x_test.npy': images([0, 1, 0, 1]),
      'y_test.npy': marks(0),
    });
    expect(pixelsOf(await read(await openNumpyArrays({ files })))).toEqual([
      [0, 1, 0, 1],
      [0, 255, 128, 64],
    ]);
  });

  it('are refused where their numbers are no pixels', async () => {
    const files = await put({ 'x.npy': images([0, 3.25, 1, 2]), 'y.npy': marks(0) });
    await expect(openNumpyArrays({ files })).rejects.toThrow(
      'NumPy arrays: expected numbers from 0 to 1, or from 0 to 255, got floating-point images whose largest number is 3.25; bring them to 0 to 1, or to whole numbers from 0 to 255',
    );
  });

  it('take -1 beside 0 for no label, and for a class where no label is 0', async () => {
    const x = images([0, 1, 0, 1, 1, 1, 0, 0, 0, 0, 1, 1]);
    const zeros = await openNumpyArrays({ files: await put({ 'x.npy': x, 'y.npy': marks(0, -1, 1) }) });
    expect(zeros.classes).toEqual(['0', '1']);
    expect(pixelsOf(await read(zeros))).toEqual([[0, 255, 0, 255], 'no-label', [0, 0, 255, 255]]);
    const signs = await openNumpyArrays({ files: await put({ 'x.npy': x, 'y.npy': marks(1, -1, 1) }) });
    expect(signs.classes).toEqual(['-1', '1']);
  });

  it('are refused where only some are named after splits', async () => {
    const x = images([0, 1, 0, 1]);
    const one = { 'x_train.npy': x, 'y_train.npy': marks(0), 'x_test.npy': x, 'y_test.npy': marks(0) };
    const files = await put({ ...one, 'images.npy': x, 'labels.npy': marks(0) });
    await expect(openNumpyArrays({ files })).rejects.toThrow(
      'NumPy arrays: expected a split in the names of all arrays or of none, got train, test and images without one; leave it out, or set split, which takes all of them for one',
    );
    expect((await openNumpyArrays({ files, splitsByName: false })).splits).toBeUndefined();
  });

  it('of idx end where they say', async () => {
    const files = await put({
      'train-images-idx3-ubyte': idx(8, [2, 2, 2], [1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 9]),
      'train-labels-idx1-ubyte': labels,
    });
    const reader = await openIdx({ files });
    await expect(read(reader)).rejects.toThrow(
      'train-images-idx3-ubyte: expected an idx file, got more bytes behind the 2 items that are announced; fetch it again',
    );
  });
});
