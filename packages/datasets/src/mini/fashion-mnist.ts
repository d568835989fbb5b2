/**
 * Fashion-MNIST: 28 x 28 grey images of clothing. The package mixes the official sides, so the split is by the hash of the
 * pixels. Empty rows are faults, and of equal images the first is kept: so do those that the classes share.
 */
import { FormatError, parseJson } from '@polygate/core';
import { fault, type Reader, type ReaderItem } from '../samples/sample.ts';
import { splitByHash } from '../splits/split.ts';
import type { MiniSet } from './mini-set.ts';
import { openSource, type PackageOptions } from './packages.ts';
import { fashionMnist } from './sources/fashion-mnist.ts';

const SIDE = 28;
const AREA = SIDE * SIDE;

/** Class names, in the order of the published labels. */
const fashionNames: readonly string[] = [
  't-shirt',
  'trousers',
  'pullover',
  'dress',
  'coat',
  'sandal',
  'shirt',
  'sneaker',
  'bag',
  'ankle boot',
];

export interface FashionOptions {
  /** Percentage of images in `test`. @default 14, near the official 10,000 of 70,000 */
  readonly testPercent?: number;
  /** @default 3 */
  readonly validationPercent?: number;
  /** Images used of each class, from the first on, for fast tests. @default all */
  readonly perClass?: number;
}

/** Rows of a class: numbers from 0 to 255, or to 1. */
const parseRows = (bytes: Uint8Array, path: string): readonly (readonly number[])[] => {
  const { data } = parseJson(bytes, path) as { readonly data?: unknown };
  if (Array.isArray(data) && data.every((row) => Array.isArray(row))) return data as number[][];
  throw new FormatError(`fashion-mnist ${path}: expected {"data": [[...], ...]}, got another form`);
};

/** Loads the images. @throws FormatError for other package content */
export const loadFashion = async (
  options: FashionOptions = {},
  packages: PackageOptions = {},
): Promise<MiniSet<'train' | 'validation' | 'test'>> => {
  const { testPercent: test = 14, validationPercent: validation = 3, perClass = Infinity } = options;
  const files = await openSource(fashionMnist, packages);
  const reader: Reader = {
    name: 'fashion-mnist',
    classes: fashionNames,
    async *read(): AsyncGenerator<ReaderItem> {
      const seen = new Map<string, string>();
      for (const [label, name] of fashionNames.entries()) {
        const path = `src/clothes/${label}.json`;
        const rows = parseRows(await files.read(path), path);
        for (const [index, row] of rows.slice(0, perClass).entries()) {
          const id = `${name.replace(' ', '-')}/${String(index).padStart(4, '0')}`;
          if (row.length !== AREA) {
            yield fault(id, 'empty-row', `expected ${AREA} pixels, got ${row.length}`);
            continue;
          }
          const pixels = Uint8Array.from(row);
          const key = Buffer.from(pixels).toString('latin1');
          const other = seen.get(key);
          if (other !== undefined) {
            yield fault(id, 'duplicate', `expected an image of its own, got that of ${other}`);
            continue;
          }
          seen.set(key, id);
          const image = { kind: 'pixels', pixels, height: SIDE, width: SIDE, channels: 1 } as const;
          yield { kind: 'sample', id, image, label, split: splitByHash(key, { test, validation }) };
        }
      }
    },
  };
  return { reader, splitOf: ({ split }) => split as 'train' | 'validation' | 'test' };
};
