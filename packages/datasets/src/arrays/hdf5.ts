/** Arrays of HDF5 files by their paths, such as `train/force`. Objects, texts and references are no arrays of numbers. */
import { open } from 'node:fs/promises';
import { FormatError, overBudget } from '@polygate/core';
import { type ArraySource, type ArrayType, itemLength, widthOf } from './array-data.ts';

/** Rows that are read at once hold about so many bytes. */
const CHUNK_BYTES = 2 ** 22;
/** Most arrays of a file, and groups within one another: a group may hold one above it. */
const MAX_ARRAYS = 4096;
const MAX_DEPTH = 64;

const types: ReadonlyMap<string, ArrayType> = new Map([
  ['B', 'uint8'],
  ['b', 'int8'],
  ['H', 'uint16'],
  ['h', 'int16'],
  ['I', 'uint32'],
  ['i', 'int32'],
  ['Q', 'uint64'],
  ['q', 'int64'],
  ['f', 'float32'],
  ['d', 'float64'],
]);

/** What is used of the reader's groups and datasets. */
interface Node {
  readonly type?: string;
  readonly shape?: readonly number[] | null;
  readonly dtype?: unknown;
  keys?(): readonly string[];
  get?(name: string): Node | null;
  slice?(ranges: readonly (readonly [number, number])[]): unknown;
}

interface OpenFile extends Node {
  close(): void;
}

/** What a file begins with, behind a block of a user's own of 512 bytes or twice that, and so on. */
const SIGNATURE = '\u0089HDF\r\n\u001a\n';
const STARTS = [0, 512, 1024, 2048] as const;

const hasSignature = async (path: string): Promise<boolean> => {
  const file = await open(path).catch(() => undefined);
  try {
    for (const start of file ? STARTS : []) {
      const bytes = Buffer.alloc(SIGNATURE.length);
      await file?.read(bytes, 0, bytes.length, start);
      if (bytes.toString('latin1') === SIGNATURE) return true;
    }
    return false;
  } finally {
    await file?.close();
  }
};

const damaged = (path: string, cause?: unknown): FormatError =>
  new FormatError(`${path}: expected a file of HDF5, got another format or a damaged one`, {
    code: 'hdf5',
    cause,
  });

/** What the library gives. @throws FormatError where it meets something that it can't read, at whichever call */
const guarded = <T>(path: string, read: () => T): T => {
  try {
    return read();
  } catch (cause) {
    throw cause instanceof FormatError ? cause : damaged(path, cause);
  }
};

/** @throws FormatError for a file of another format */
const openFile = async (path: string): Promise<OpenFile> => {
  // The library writes pages of its own about files that are none.
  if (!(await hasSignature(path))) throw damaged(path);
  const h5 = await import('h5wasm/node');
  await h5.ready;
  return guarded(path, () => {
    const file = new h5.File(path, 'r') as unknown as OpenFile;
    file.keys?.();
    return file;
  });
};

/** Paths of the datasets below a group. */
const pathsOf = (group: Node, above = '', paths: string[] = []): string[] => {
  if (above.split('/').length > MAX_DEPTH)
    throw new FormatError(
      `HDF5: expected at most ${MAX_DEPTH} groups within one another, got ${above.slice(0, 80)}...; save the arrays in fewer`,
      { code: 'hdf5' },
    );
  for (const name of group.keys?.() ?? []) {
    const node = group.get?.(name);
    const path = above === '' ? name : `${above}/${name}`;
    if (node?.keys) pathsOf(node, path, paths);
    else if (node?.shape && node.shape.length > 0) paths.push(path);
    if (paths.length > MAX_ARRAYS)
      throw new FormatError(`HDF5: expected at most ${MAX_ARRAYS} arrays, got more; give a smaller file`, {
        code: 'hdf5',
      });
  }
  return paths;
};

const bytesOf = (values: unknown): Uint8Array => {
  const view = values as ArrayBufferView;
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
};

const sourceOf = (path: string, name: string, imageBytes: number): ArraySource => ({
  name,
  async open() {
    const file = await openFile(path);
    try {
      const { node, shape, dtype } = guarded(path, () => {
        const dataset = file.get?.(name);
        return { node: dataset, shape: dataset?.shape, dtype: dataset?.dtype };
      });
      const type = typeof dtype === 'string' ? types.get(dtype.slice(-1)) : undefined;
      if (!node?.slice || !shape || shape.length === 0 || !type) {
        throw new FormatError(
          `${name}: expected an array of whole numbers or floats in ${path}, got ${typeof dtype === 'string' ? `the type ${dtype}` : 'another type'}; name other arrays, or save numbers`,
          { code: 'hdf5' },
        );
      }
      const size = itemLength(shape, name) * widthOf(type);
      if (size > imageBytes)
        throw new FormatError(
          `${name}: expected items that fit, got ${overBudget('imageBytes', imageBytes, size)}`,
          {
            code: 'hdf5',
          },
        );
      const [count = 0, ...sides] = shape;
      const { slice } = node;
      return {
        shape,
        type,
        littleEndian: true,
        async *items() {
          const rows = Math.max(1, Math.floor(CHUNK_BYTES / Math.max(1, size)));
          for (let start = 0; start < count; start += rows) {
            const end = Math.min(count, start + rows);
            const ranges = [[start, end] as const, ...sides.map((side) => [0, side] as const)];
            const bytes = await Promise.resolve(guarded(path, () => bytesOf(slice.call(node, ranges))));
            for (let row = 0; row < end - start; row += 1) yield bytes.slice(row * size, (row + 1) * size);
          }
        },
        [Symbol.asyncDispose]: () => Promise.resolve(file.close()),
      };
    } catch (error) {
      file.close();
      throw error;
    }
  },
});

/** The arrays of an HDF5 file by their paths. @throws FormatError for a file of another format */
export const hdf5Sources = async (
  path: string,
  { imageBytes }: { readonly imageBytes: number },
): Promise<readonly ArraySource[]> => {
  const file = await openFile(path);
  try {
    return guarded(path, () => pathsOf(file)).map((name) => sourceOf(path, name, imageBytes));
  } finally {
    file.close();
  }
};
