/**
 * NumPy's format of one array. Source: numpy.lib.format, versions 1.0 to 3.0. Arrays of Python objects are pickles, which
 * can run any program when they are loaded: they are refused.
 */
import { FormatError, overBudget } from '@polygate/core';
import { ByteCursor } from '../archives/byte-cursor.ts';
import { type ArraySource, type ArrayType, itemLength, widthOf } from './array-data.ts';

const MAGIC = '\u0093NUMPY';
/** Longest header, in bytes. */
const MAX_HEADER_BYTES = 1 << 16;

const types: ReadonlyMap<string, ArrayType> = new Map([
  ['u1', 'uint8'],
  ['i1', 'int8'],
  ['b1', 'bool'],
  ['u2', 'uint16'],
  ['i2', 'int16'],
  ['u4', 'uint32'],
  ['i4', 'int32'],
  ['u8', 'uint64'],
  ['i8', 'int64'],
  ['f4', 'float32'],
  ['f8', 'float64'],
]);

export interface NpyOptions {
  /** Most bytes of one item. */
  readonly imageBytes: number;
  /** Most bytes of an array in order F, which is held whole to be turned. */
  readonly groupBytes: number;
}

interface NpyHeader {
  readonly descr: string;
  readonly fortran: boolean;
  readonly shape: readonly number[];
}

/** The header, which is a Python dict of three keys. */
const parseHeader = (text: string): NpyHeader | undefined => {
  const descr = /['"]descr['"]\s*:\s*(?:['"]([^'"]*)['"]|(\[))/u.exec(text);
  const order = /['"]fortran_order['"]\s*:\s*(True|False)/u.exec(text)?.[1];
  const shape = /['"]shape['"]\s*:\s*\(([\dL,\s]*)\)/u.exec(text)?.[1];
  if (!descr || order === undefined || shape === undefined) return undefined;
  const sides = shape
    .split(',')
    .map((side) => side.trim().replace(/L$/u, ''))
    .filter((side) => side !== '')
    .map(Number);
  return { descr: descr[1] ?? '[', fortran: order === 'True', shape: sides };
};

const readHeader = async (cursor: ByteCursor, fail: (problem: string) => FormatError): Promise<NpyHeader> => {
  const head = await cursor.read(8);
  if (head.length < 8 || Buffer.from(head).toString('latin1', 0, MAGIC.length) !== MAGIC)
    throw fail('another format');
  const wide = (head[6] ?? 0) >= 2;
  const size = await cursor.read(wide ? 4 : 2);
  if (size.length < (wide ? 4 : 2)) throw fail('the end of the file in the header');
  const view = new DataView(size.buffer);
  const length = wide ? view.getUint32(0, true) : view.getUint16(0, true);
  if (length > MAX_HEADER_BYTES) throw fail(`a header of ${length} bytes`);
  const text = await cursor.read(length);
  if (text.length < length) throw fail('the end of the file in the header');
  const header = parseHeader(Buffer.from(text).toString('latin1'));
  if (header) return header;
  throw fail('a header without descr, fortran_order and shape');
};

/** Items of an array in order F, in order C: number `[n, i, j]` lies at `n + N * (i + H * j)`. */
function* turnedItems(
  whole: Uint8Array,
  { shape, width }: { readonly shape: readonly number[]; readonly width: number },
): Generator<Uint8Array> {
  const [count = 0, ...sides] = shape;
  const length = sides.reduce((product, side) => product * side, 1);
  // Place of each number of an item in the whole array, without the item's own.
  const places = new Float64Array(length);
  for (let at = 0; at < length; at += 1) {
    let rest = at;
    let offset = 0;
    for (let axis = sides.length - 1; axis >= 0; axis -= 1) {
      const side = sides[axis] ?? 1;
      const stride = sides.slice(0, axis).reduce((product, each) => product * each, count);
      offset += (rest % side) * stride;
      rest = Math.floor(rest / side);
    }
    places[at] = offset;
  }
  for (let item = 0; item < count; item += 1) {
    const out = new Uint8Array(length * width);
    for (let at = 0; at < length; at += 1) {
      const from = ((places[at] ?? 0) + item) * width;
      out.set(whole.subarray(from, from + width), at * width);
    }
    yield out;
  }
}

/** An array in NumPy's format. @param bytes begins a pass over the bytes of the file */
export const npySource = (
  name: string,
  bytes: () => AsyncIterable<Uint8Array>,
  { imageBytes, groupBytes }: NpyOptions,
): ArraySource => ({
  name,
  async open() {
    const cursor = new ByteCursor(bytes());
    const fail = (problem: string, code = 'npy'): FormatError =>
      new FormatError(`${name}: expected an array of NumPy, got ${problem}`, { code });
    try {
      const { descr, fortran, shape } = await readHeader(cursor, fail);
      if (descr.includes('O'))
        throw fail(
          'Python objects (a pickle), which can run any program when they are loaded, and are not read; save the array as numbers: np.save(file, np.stack(list(array)), allow_pickle=False)',
          'npy-pickle',
        );
      const type = types.get(descr.slice(1));
      if (!type || shape.length === 0)
        throw fail(
          `${shape.length === 0 ? 'a single value' : `the type ${descr.slice(0, 20)}`}; save whole numbers or floats`,
        );
      const width = widthOf(type);
      const size = itemLength(shape, name) * width;
      const count = shape[0] ?? 0;
      if (size > imageBytes)
        throw fail(`items of ${size} bytes: ${overBudget('imageBytes', imageBytes, size)}`);
      if (fortran && shape.length > 1 && size * count > groupBytes)
        throw fail(`an array in order F: ${overBudget('groupBytes', groupBytes, size * count)}`);
      const short = (items: number): FormatError =>
        fail(`${items} items and the end of the file, where ${count} are announced; save it again`);
      return {
        shape,
        type,
        littleEndian: !descr.startsWith('>'),
        async *items() {
          if (fortran && shape.length > 1) {
            const whole = await cursor.read(size * count);
            if (whole.length < size * count) throw short(Math.floor(whole.length / Math.max(1, size)));
            yield* turnedItems(whole, { shape, width });
            return;
          }
          for (let item = 0; item < count; item += 1) {
            const next = await cursor.read(size);
            if (next.length < size) throw short(item);
            yield next;
          }
        },
        [Symbol.asyncDispose]: () => cursor.close(),
      };
    } catch (error) {
      await cursor.close();
      throw error;
    }
  },
});
