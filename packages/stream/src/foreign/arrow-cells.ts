/** Columns of Arrow data that others wrote, as functions from a row to its value; bytes are views of the buffers. */
import { MessageFault } from '../flatbuffer.ts';
import type { ArrowField, ArrowLayout, NumberArray } from './arrow-types.ts';

/** The value of a row: undefined for null, whole numbers of 64 bits as bigint, lists as arrays, structs as records. */
export type CellReader = (row: number) => unknown;

/** Nodes and buffers of a batch, in the order in which fields take them. */
export class BatchParts {
  readonly #nodes: readonly number[];
  readonly #buffers: readonly Uint8Array[];
  #node = 0;
  #buffer = 0;

  constructor(nodes: readonly number[], buffers: readonly Uint8Array[]) {
    this.#nodes = nodes;
    this.#buffers = buffers;
  }

  node(): number {
    const length = this.#nodes[this.#node];
    if (length === undefined) throw new MessageFault('fewer columns than the schema has', 0);
    this.#node += 1;
    return length;
  }

  /** The next buffer. @throws MessageFault where it is shorter than `bytes` */
  take(bytes: number): Uint8Array {
    const buffer = this.#buffers[this.#buffer];
    if (buffer === undefined) throw new MessageFault('fewer buffers than the schema has', 0);
    this.#buffer += 1;
    if (buffer.length < bytes)
      throw new MessageFault(`a buffer of ${buffer.length} bytes where ${bytes} are needed`, 0);
    return buffer;
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Text, or the bytes of what is not UTF-8, which no reader takes for a text. */
const textOf = (bytes: Uint8Array): string | Uint8Array => {
  try {
    return utf8.decode(bytes);
  } catch {
    return bytes;
  }
};

/** Which rows hold a value; all, where no buffer says otherwise. */
const validityOf = (parts: BatchParts, length: number): ((row: number) => boolean) => {
  const bits = parts.take(0);
  if (bits.length === 0) return () => true;
  if (bits.length * 8 < length) throw new MessageFault(`${bits.length} bytes of nulls for ${length} rows`, 0);
  return (row) => (((bits[row >>> 3] ?? 0) >>> (row & 7)) & 1) === 1;
};

const half = (bits: number): number => {
  const exponent = (bits >>> 10) & 31;
  const fraction = bits & 1023;
  const sign = bits >>> 15 === 1 ? -1 : 1;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
};

const numbersOf = (buffer: Uint8Array, array: NumberArray, length: number): CellReader => {
  const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  const read: Record<NumberArray, (at: number) => unknown> = {
    int8: (at) => view.getInt8(at),
    uint8: (at) => view.getUint8(at),
    int16: (at) => view.getInt16(at, true),
    uint16: (at) => view.getUint16(at, true),
    int32: (at) => view.getInt32(at, true),
    uint32: (at) => view.getUint32(at, true),
    int64: (at) => view.getBigInt64(at, true),
    uint64: (at) => view.getBigUint64(at, true),
    float16: (at) => half(view.getUint16(at, true)),
    float32: (at) => view.getFloat32(at, true),
    float64: (at) => view.getFloat64(at, true),
  };
  const bytes = Number(/\d+/u.exec(array)?.[0]) / 8;
  const at = read[array];
  return (row) => (row < length ? at(row * bytes) : undefined);
};

/** Rising offsets of `length` rows. @throws MessageFault */
const offsetsOf = (parts: BatchParts, length: number, wide: boolean): ((row: number) => number) => {
  const size = wide ? 8 : 4;
  // Writers may leave the buffer of no rows out.
  const buffer = parts.take(length === 0 ? 0 : (length + 1) * size);
  const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  const offset = (row: number): number =>
    length === 0 ? 0 : wide ? Number(view.getBigInt64(row * 8, true)) : view.getInt32(row * 4, true);
  let previous = offset(0);
  if (previous < 0) throw new MessageFault(`an offset of ${previous}`, 0);
  for (let row = 1; row <= length; row += 1) {
    const next = offset(row);
    if (!(next >= previous)) throw new MessageFault('offsets that do not rise', 0);
    previous = next;
  }
  return offset;
};

/** Most rows of a column that takes no bytes. */
const MAX_BODILESS = 2 ** 24;

const isBodiless = ({ kind }: ArrowLayout): boolean => kind === 'null' || kind === 'struct';

const plainCells = (
  field: ArrowField,
  layout: ArrowLayout,
  parts: BatchParts,
  length: number,
): CellReader => {
  // Rows of these have no bytes that their number could be compared with.
  if (field.children.length === 0 && isBodiless(layout) && length > MAX_BODILESS)
    throw new MessageFault(`${length} rows without bytes`, 0);
  if (layout.kind === 'null') return () => undefined;
  const isValid = validityOf(parts, length);
  const valid =
    (read: CellReader): CellReader =>
    (row) =>
      isValid(row) ? read(row) : undefined;
  if (layout.kind === 'bits') {
    const bits = parts.take(Math.ceil(length / 8));
    return valid((row) => (((bits[row >>> 3] ?? 0) >>> (row & 7)) & 1) === 1);
  }
  if (layout.kind === 'fixed') {
    const { bytes, array } = layout;
    const buffer = parts.take(length * bytes);
    return array === undefined
      ? valid((row) => buffer.subarray(row * bytes, (row + 1) * bytes))
      : valid(numbersOf(buffer, array, length));
  }
  if (layout.kind === 'text' || layout.kind === 'bytes') {
    const offset = offsetsOf(parts, length, layout.wide);
    const body = parts.take(offset(length));
    const bytes = (row: number): Uint8Array => body.subarray(offset(row), offset(row + 1));
    return valid(layout.kind === 'bytes' ? bytes : (row) => textOf(bytes(row)));
  }
  if (layout.kind === 'struct') {
    const children = field.children.map((child) => [child.name, cellsOf(child, parts, length)] as const);
    return valid((row) => Object.fromEntries(children.map(([name, read]) => [name, read(row)])));
  }
  const size = layout.kind === 'fixedList' ? layout.size : 0;
  const offset =
    layout.kind === 'list' ? offsetsOf(parts, length, layout.wide) : (row: number): number => row * size;
  const [item] = field.children as readonly [ArrowField];
  const read = cellsOf(item, parts, offset(length));
  return valid((row) => {
    const start = offset(row);
    return Array.from({ length: offset(row + 1) - start }, (_, index) => read(start + index));
  });
};

/**
 * Takes a field's parts. @param needed rows that its parent refers to; a column may be longer
 * @param dictionaries values by id, for fields that hold indices
 * @throws MessageFault for buffers and offsets that do not fit
 */
export const cellsOf = (
  field: ArrowField,
  parts: BatchParts,
  needed: number,
  dictionaries?: ReadonlyMap<bigint, { readonly read: CellReader; readonly length: number }>,
): CellReader => {
  const length = parts.node();
  if (length < needed) throw new MessageFault(`a column of ${length} rows where ${needed} are needed`, 0);
  if (!field.dictionary) return plainCells(field, field.layout, parts, length);
  const indices = plainCells(field, field.dictionary.indices, parts, length);
  const words = dictionaries?.get(field.dictionary.id);
  return (row) => {
    const index = indices(row);
    if (index === undefined || words === undefined) return undefined;
    const at = Number(index);
    return at >= 0 && at < words.length ? words.read(at) : undefined;
  };
};

/** Nodes and buffers that a field takes. */
export const partsOfField = ({
  layout,
  children,
  dictionary,
}: ArrowField): { readonly nodes: number; readonly buffers: number } => {
  const indexLayout = dictionary ? dictionary.indices : layout;
  const lengths: Readonly<Record<ArrowLayout['kind'], number>> = {
    null: 0,
    bits: 2,
    fixed: 2,
    text: 3,
    bytes: 3,
    list: 2,
    fixedList: 1,
    struct: 1,
  };
  let [nodes, buffers] = [1, lengths[indexLayout.kind]];
  for (const child of dictionary ? [] : children) {
    const inner = partsOfField(child);
    nodes += inner.nodes;
    buffers += inner.buffers;
  }
  return { nodes, buffers };
};
