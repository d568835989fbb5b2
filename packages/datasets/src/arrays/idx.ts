/**
 * Files of the idx format, as MNIST and its kin ship: a magic number with type and axes, their lengths, numbers, all
 * big-endian; plain or gzip. Source: "The MNIST database of handwritten digits", "The IDX file format".
 */
import { basename } from 'node:path';
import { FormatError, overBudget } from '@polygate/core';
import { ByteCursor } from '../archives/byte-cursor.ts';
import { readBytes } from '../archives/byte-source.ts';
import { type ArraySource, type ArrayType, itemLength, widthOf } from './array-data.ts';

const types: ReadonlyMap<number, ArrayType> = new Map([
  [0x08, 'uint8'],
  [0x09, 'int8'],
  [0x0b, 'int16'],
  [0x0c, 'int32'],
  [0x0d, 'float32'],
  [0x0e, 'float64'],
]);
/** Most axes. */
const MAX_AXES = 4;

/** A name without `.gz`: what the file is called, however it is packed. */
export const idxName = (path: string): string => basename(path).replace(/\.gz$/iu, '');

/** An array in an idx file. @param imageBytes most bytes of one item */
export const idxSource = (path: string, imageBytes: number): ArraySource => {
  const name = idxName(path);
  return {
    name,
    async open() {
      const cursor = new ByteCursor(readBytes(path));
      const fail = (problem: string): FormatError =>
        new FormatError(`${basename(path)}: expected an idx file, got ${problem}; fetch it again`, {
          code: 'idx',
          fields: { path },
        });
      try {
        const head = await cursor.read(4);
        const type = types.get(head[2] ?? 0);
        const axes = head[3] ?? 0;
        if (head.length < 4 || head[0] !== 0 || head[1] !== 0 || !type || axes < 1 || axes > MAX_AXES)
          throw fail(`one that begins with ${Buffer.from(head).toString('hex') || 'nothing'}`);
        const sides = await cursor.read(4 * axes);
        if (sides.length < 4 * axes) throw fail(`the end of the file after ${cursor.offset} bytes`);
        const view = new DataView(sides.buffer);
        const shape = Array.from({ length: axes }, (_, axis) => view.getUint32(4 * axis));
        const bytes = itemLength(shape, name) * widthOf(type);
        if (bytes > imageBytes)
          throw fail(`items of ${bytes} bytes: ${overBudget('imageBytes', imageBytes, bytes)}`);
        return {
          shape,
          type,
          littleEndian: false,
          async *items() {
            for (let item = 0; item < (shape[0] ?? 0); item += 1) {
              const next = await cursor.read(bytes);
              if (next.length < bytes)
                throw fail(`${item} items and the end of the file, where ${shape[0] ?? 0} are announced`);
              yield next;
            }
            if ((await cursor.read(1)).length > 0)
              throw fail(`more bytes behind the ${shape[0] ?? 0} items that are announced`);
          },
          [Symbol.asyncDispose]: () => cursor.close(),
        };
      } catch (error) {
        await cursor.close();
        throw error;
      }
    },
  };
};
