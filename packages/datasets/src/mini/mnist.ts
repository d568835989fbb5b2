/**
 * Handwritten digits: 10,000 images of 28 x 28 pixels, white on black, from the `mnist` package. The package mixes
 * the official sides, so the split is by the hash of the pixels: equal images are on one side.
 */
import { FormatError } from '@polygate/core';
import type { Reader, ReaderItem, Sample } from '../samples/sample.ts';
import { splitByHash } from '../splits/split.ts';
import { digitNames, type HandwrittenDigit } from './digits.ts';
import { openSource, type PackageOptions } from './packages.ts';
import { mnistSmall } from './sources/mnist-small.ts';

const SIDE = 28;
const AREA = SIDE * SIDE;

export interface MnistOptions {
  /** Percentage of images in `test`. @default 15 */
  readonly testPercent?: number;
  /** @default 3 */
  readonly validationPercent?: number;
  /** Images used of each digit, for fast tests. @default all */
  readonly perDigit?: number;
}

/** The digits with their reader. */
export interface MnistSet {
  readonly reader: Reader;
  splitOf(sample: Sample): 'train' | 'validation' | 'test';
}

const loadDigit = async (
  files: { read(path: string): Promise<Buffer> },
  digit: number,
  limit: number,
): Promise<readonly Uint8Array[]> => {
  const path = `src/digits/${digit}.json`;
  const { data } = JSON.parse((await files.read(path)).toString('utf8')) as { data: readonly number[] };
  if (data.length % AREA !== 0) {
    throw new FormatError(
      `mnist ${path}: expected images of ${AREA} pixels, got ${data.length} pixels in all`,
    );
  }
  const count = Math.min(limit, data.length / AREA);
  const bytes = new Uint8Array(count * AREA);
  // Intensities are 0 to 1 with three decimals; 255 steps give the original bytes back.
  for (let i = 0; i < bytes.length; i += 1) bytes[i] = Math.round((data[i] ?? 0) * 255);
  return Array.from({ length: count }, (_, i) => bytes.subarray(i * AREA, (i + 1) * AREA));
};

/** Loads the digits. @throws FormatError for other package content */
export const loadMnist = async (
  options: MnistOptions = {},
  packages: PackageOptions = {},
): Promise<MnistSet> => {
  const files = await openSource(mnistSmall, packages);
  const digits: (readonly Uint8Array[])[] = [];
  for (const digit of digitNames.keys()) {
    digits.push(await loadDigit(files, digit, options.perDigit ?? Infinity));
  }
  return {
    reader: {
      name: 'mnist',
      classes: digitNames,
      async *read(): AsyncGenerator<ReaderItem> {
        for (const [label, name] of digitNames.entries()) {
          for (const [index, pixels] of (digits[label] ?? []).entries()) {
            const image = { kind: 'pixels', pixels, height: SIDE, width: SIDE, channels: 1 } as const;
            yield { kind: 'sample', id: `${name}/${String(index).padStart(4, '0')}`, image, label };
          }
        }
      },
    },
    splitOf(sample) {
      const pixels = sample.image?.kind === 'pixels' ? sample.image.pixels : new Uint8Array(0);
      const percents = { test: options.testPercent ?? 15, validation: options.validationPercent ?? 3 };
      return splitByHash(Buffer.from(pixels).toString('latin1'), percents);
    },
  };
};

/** The same digits for what is made of them, each on the side that it has as a still. */
export const loadSmallDigits = async (
  packages: PackageOptions = {},
): Promise<readonly HandwrittenDigit[]> => {
  const { reader, splitOf } = await loadMnist({}, packages);
  const digits: HandwrittenDigit[] = [];
  for await (const item of reader.read()) {
    if (item.kind !== 'sample' || item.image?.kind !== 'pixels') continue;
    const { pixels } = item.image;
    digits.push({ id: item.id, side: splitOf(item), label: item.label ?? 0, pixels });
  }
  return digits;
};
