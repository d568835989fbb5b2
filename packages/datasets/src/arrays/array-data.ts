/**
 * Arrays of numbers as files have them, item by item along their first axis: the pixels of one image, one label.
 * Axis legend: N items · H rows · W columns · C channels.
 */
import { FormatError } from '@polygate/core';

/** Types of numbers, with their bytes. */
const widths = {
  uint8: 1,
  int8: 1,
  bool: 1,
  uint16: 2,
  int16: 2,
  uint32: 4,
  int32: 4,
  uint64: 8,
  int64: 8,
  float32: 4,
  float64: 8,
} as const;

export type ArrayType = keyof typeof widths;

/** Bytes of a number. */
export const widthOf = (type: ArrayType): number => widths[type];

/** What a file says of its array. */
export interface ArrayHeader {
  readonly shape: readonly number[];
  readonly type: ArrayType;
  readonly littleEndian: boolean;
}

/** An array that is read from its first item on. */
export interface ArrayPass extends ArrayHeader {
  /** The bytes of each item, in order C. @throws FormatError where the file ends early */
  items(): AsyncGenerator<Uint8Array>;
}

/** An array that can be read several times. */
export interface ArraySource {
  /** Name in errors and ids: that of its file, or of the array in it. */
  readonly name: string;
  /** Begins a pass; what it opens is closed with it. @throws FormatError for another format */
  open(): Promise<ArrayPass & AsyncDisposable>;
}

/** Most items of an array, and most axes. */
const MAX_ITEMS = 2 ** 31;
const MAX_AXES = 8;

/** Numbers of one item. @throws FormatError for a shape that no array has */
export const itemLength = (shape: readonly number[], name: string): number => {
  const sound = shape.length <= MAX_AXES && shape.every((side) => Number.isSafeInteger(side) && side >= 0);
  const length = shape.slice(1).reduce((product, side) => product * side, 1);
  if (sound && (shape[0] ?? 0) <= MAX_ITEMS && length <= MAX_ITEMS) return length;
  throw new FormatError(
    `${name}: expected an array of at most ${MAX_AXES} axes, got the shape (${shape.join(', ')})`,
    {
      code: 'array-shape',
    },
  );
};

/** Reads the numbers of an item. */
export const numbersOf = (bytes: Uint8Array, { type, littleEndian }: ArrayHeader): Float64Array => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const read: Record<ArrayType, (at: number) => number> = {
    uint8: (at) => view.getUint8(at),
    int8: (at) => view.getInt8(at),
    bool: (at) => (view.getUint8(at) === 0 ? 0 : 1),
    uint16: (at) => view.getUint16(at, littleEndian),
    int16: (at) => view.getInt16(at, littleEndian),
    uint32: (at) => view.getUint32(at, littleEndian),
    int32: (at) => view.getInt32(at, littleEndian),
    uint64: (at) => Number(view.getBigUint64(at, littleEndian)),
    int64: (at) => Number(view.getBigInt64(at, littleEndian)),
    float32: (at) => view.getFloat32(at, littleEndian),
    float64: (at) => view.getFloat64(at, littleEndian),
  };
  const width = widths[type];
  const numberAt = read[type];
  return Float64Array.from({ length: Math.floor(bytes.length / width) }, (_, index) =>
    numberAt(index * width),
  );
};
