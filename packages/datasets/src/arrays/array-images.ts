/**
 * Images and labels in arrays as a reader of samples.
 * Axis legend: N items · H rows · W columns · C channels.
 */
import { ConfigError, excerpt, FormatError } from '@polygate/core';
import { ClassFinder, createLabelIndex } from '../samples/class-names.ts';
import { fault, type Reader, type ReaderItem } from '../samples/sample.ts';
import { orderSplits } from '../splits/split-names.ts';
import { type ArrayHeader, type ArraySource, numbersOf } from './array-data.ts';

/** Images with their labels, of one split. */
export interface ImageArrays {
  readonly split?: string;
  readonly images: ArraySource;
  readonly labels: ArraySource;
}

export interface ArrayImageOptions {
  /** Class names in label order. @default the labels that occur, in order of value */
  readonly classes?: readonly string[];
  /** Whether rows and columns are exchanged, as EMNIST has them. @default false */
  readonly transpose?: boolean;
}

type Channels = 1 | 3 | 4;

/** How the numbers of an item become pixels. */
interface PixelLayout {
  readonly height: number;
  readonly width: number;
  readonly channels: Channels;
  /** Whether channels come before rows and columns. */
  readonly planes: boolean;
}

const isChannels = (side: number | undefined): side is Channels => side === 1 || side === 3 || side === 4;

/** [N, H, W], [N, H, W, C], [N, C, H, W], or [N, H·W] of square images. @throws ConfigError for other shapes */
const layoutOf = ({ name }: ArraySource, { shape }: ArrayHeader): PixelLayout => {
  const [, first = 0, second = 0, third] = shape;
  if (shape.length === 3) return { height: first, width: second, channels: 1, planes: false };
  // Four channels are rarer than images of four rows or columns.
  const last = isChannels(third) && (third !== 4 || !isChannels(first) || first === 4);
  if (shape.length === 4 && isChannels(third) && last)
    return { height: first, width: second, channels: third, planes: false };
  if (shape.length === 4 && isChannels(first) && third !== undefined)
    return { height: second, width: third, channels: first, planes: true };
  const side = Math.round(Math.sqrt(first));
  if (shape.length === 2 && side > 0 && side * side === first)
    return { height: side, width: side, channels: 1, planes: false };
  throw new ConfigError(
    `${name}: expected images as (N, H, W), (N, H, W, C) or (N, C, H, W) with 1, 3 or 4 channels, or square ones as (N, H*W), got (${shape.join(', ')}); reshape the array, or name another`,
    { code: 'array-shape', fields: { shape } },
  );
};

/** Labels as an array has them: whole numbers (N) or (N, 1), or one of C columns that is 1. Undefined for no label. */
const labelOfItem = (numbers: Float64Array): number | undefined => {
  if (numbers.length === 1) return Number.isSafeInteger(numbers[0]) ? numbers[0] : undefined;
  const ones = numbers.reduce((count, value) => count + (value === 1 ? 1 : 0), 0);
  const zeros = numbers.reduce((count, value) => count + (value === 0 ? 1 : 0), 0);
  return ones === 1 && zeros === numbers.length - 1 ? numbers.indexOf(1) : undefined;
};

const readLabels = async (source: ArraySource): Promise<(number | undefined)[]> => {
  await using pass = await source.open();
  const labels: (number | undefined)[] = [];
  if (pass.shape.length > 2)
    throw new ConfigError(
      `${source.name}: expected labels as (N), (N, 1) or one-hot (N, C), got (${pass.shape.join(', ')}); name another array`,
      { code: 'array-shape', fields: { shape: pass.shape } },
    );
  for await (const bytes of pass.items()) labels.push(labelOfItem(numbersOf(bytes, pass)));
  return labels;
};

/** Largest numbers of floating-point images that are too large for 0 to 1 and too small for 0 to 255. */
const UNCLEAR_MOST = 32;

/** Largest number of a floating-point array up to the first that is plainly of 0 to 255; undefined for other arrays. */
const mostOf = async (source: ArraySource): Promise<number | undefined> => {
  await using pass = await source.open();
  if (!pass.type.startsWith('float')) return undefined;
  let most = 0;
  for await (const bytes of pass.items()) {
    for (const value of numbersOf(bytes, pass)) if (value > most) most = value;
    if (most > UNCLEAR_MOST) break;
  }
  return most;
};

/**
 * Factor to pixels of all floating-point arrays of a dataset: one of its splits alone may be all black.
 * @throws ConfigError for numbers that are no pixels, such as standardised ones
 */
const floatScale = async (name: string, list: readonly ImageArrays[]): Promise<number> => {
  let most = 0;
  for (const { images } of list) most = Math.max(most, (await mostOf(images)) ?? 0);
  if (most <= 1) return 255;
  if (most > UNCLEAR_MOST) return 1;
  throw new ConfigError(
    `${name}: expected numbers from 0 to 1, or from 0 to 255, got floating-point images whose largest number is ${most}; bring them to 0 to 1, or to whole numbers from 0 to 255`,
    { code: 'array-range', fields: { most } },
  );
};

/** The split of each pair of arrays. @throws ConfigError where some are named and others are not */
const requireAllOrNone = (name: string, list: readonly ImageArrays[]): void => {
  const without = list.find(({ split }) => split === undefined);
  const named = orderSplits(list.flatMap(({ split }) => split ?? []));
  if (!without || named.length === 0) return;
  throw new ConfigError(
    `${name}: expected a split in the names of all arrays or of none, got ${named.join(', ')} and ${without.images.name} without one; leave it out, or set split, which takes all of them for one`,
    { code: 'unnamed-split', fields: { splits: named, array: without.images.name } },
  );
};

interface PixelRules {
  readonly header: ArrayHeader;
  readonly layout: PixelLayout;
  readonly scale: number;
  readonly transpose: boolean;
}

/** Bytes of pixels [H, W, C], or undefined where a number is none from 0 to 255. */
const pixelsOf = (
  bytes: Uint8Array,
  { header, layout, scale, transpose }: PixelRules,
): Uint8Array | undefined => {
  const { height, width, channels, planes } = layout;
  const plain = header.type === 'uint8';
  if (plain && !planes && !transpose) return bytes;
  const numbers = plain ? bytes : numbersOf(bytes, header);
  const out = new Uint8Array(numbers.length);
  let at = 0;
  for (let row = 0; row < height; row += 1) {
    for (let column = 0; column < width; column += 1) {
      const pixel = transpose ? column * height + row : row * width + column;
      for (let channel = 0; channel < channels; channel += 1) {
        const from = planes ? channel * height * width + pixel : pixel * channels + channel;
        const value = Math.round((numbers[from] ?? NaN) * scale);
        if (!(value >= 0 && value <= 255)) return undefined;
        out[at] = value;
        at += 1;
      }
    }
  }
  return out;
};

interface Opened extends ImageArrays {
  readonly layout: PixelLayout;
  readonly scale: number;
  readonly classIds: readonly (number | undefined)[];
}

const openArrays = async (arrays: ImageArrays, floats: number): Promise<Opened> => {
  const read = await readLabels(arrays.labels);
  await using pass = await arrays.images.open();
  const layout = layoutOf(arrays.images, pass);
  if (pass.shape[0] !== read.length)
    throw new FormatError(
      `${arrays.images.name}: expected as many images as labels in ${arrays.labels.name}, got ${pass.shape[0] ?? 0} and ${read.length}; name arrays that belong together`,
      { code: 'array-lengths' },
    );
  const scale = pass.type.startsWith('float') ? floats : pass.type === 'bool' ? 255 : 1;
  return { ...arrays, layout, classIds: read, scale };
};

/**
 * Reads images and labels of arrays. Numbers are pixels from 0 to 255, or from 0 to 1 where none of the floating-point
 * arrays has a larger one. A label of -1 beside one of 0 says that there is none. Ids are `ARRAY/NUMBER`.
 * @throws ConfigError for shapes that are no images or labels, numbers that are no pixels, splits that only some arrays
 * name, and no label at all; FormatError for damaged files
 */
export const openArrayImages = async (
  name: string,
  list: readonly ImageArrays[],
  { classes: given, transpose = false }: ArrayImageOptions = {},
): Promise<Reader> => {
  requireAllOrNone(name, list);
  const floats = await floatScale(name, list);
  const opened: Opened[] = [];
  for (const arrays of list) opened.push(await openArrays(arrays, floats));
  // As Hugging Face's datasets mark rows without a label.
  const marks = opened.some(({ classIds }) => classIds.includes(0));
  const all = opened.map((each) => ({
    ...each,
    classIds: each.classIds.map((label) => (marks && label === -1 ? undefined : label)),
  }));
  const finder = new ClassFinder(name);
  for (const { classIds } of all)
    for (const label of classIds) if (label !== undefined && !given) finder.add(String(label));
  const classes = given ?? finder.classes();
  if (classes.length === 0)
    throw new ConfigError(`${name}: expected whole numbers as labels, got none; name another array`, {
      code: 'no-labels',
    });
  const indexOf = createLabelIndex(classes, { given: given !== undefined });
  const splits = all.map(({ split }) => split);
  const followed = !splits.includes(undefined);
  return {
    name,
    classes,
    ...(followed ? { splits: orderSplits(splits.map((split) => split ?? '')) } : {}),
    async *read(): AsyncGenerator<ReaderItem> {
      for (const { images, layout, scale, classIds, split } of all) {
        await using pass = await images.open();
        const rules: PixelRules = { header: pass, layout, scale, transpose };
        const [height, width] = transpose ? [layout.width, layout.height] : [layout.height, layout.width];
        const turned: PixelRules = { ...rules, layout: { ...layout, height, width } };
        let item = 0;
        for await (const bytes of pass.items()) {
          const id = `${images.name}/${item}`;
          const label = classIds[item];
          item += 1;
          const index = label === undefined ? undefined : indexOf(label);
          const pixels = pixelsOf(bytes, turned);
          if (label === undefined)
            yield fault(
              id,
              'no-label',
              'expected a whole number or one 1 among zeros, got another label, or -1',
            );
          else if (index === undefined)
            yield fault(id, 'unknown-label', `expected one of ${excerpt(classes.slice(0, 8))}, got ${label}`);
          else if (!pixels)
            yield fault(id, 'bad-pixels', 'expected numbers from 0 to 255, or from 0 to 1, got others');
          else
            yield {
              kind: 'sample',
              id,
              image: { kind: 'pixels', pixels, height, width, channels: layout.channels },
              label: index,
              ...(followed && split !== undefined ? { split } : {}),
            };
        }
      }
    },
  };
};
