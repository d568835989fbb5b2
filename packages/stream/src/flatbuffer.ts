/**
 * Flatbuffers over bounded reads, as Arrow's messages have them. Every position is read through a DataView, which refuses
 * positions outside the bytes; lists are compared with the bytes that are left before a loop over them begins.
 * Source: FlatBuffers internals.
 */

/** Thrown inside the decoder; the caller adds file and batch. */
export class MessageFault extends Error {
  readonly offset: number;

  constructor(detail: string, offset: number) {
    super(detail);
    this.offset = offset;
  }
}

/** Bytes of Arrow's structs of two numbers: nodes, buffers. */
export const STRUCT_BYTES = 16;

const decoder = new TextDecoder();

/** Flatbuffer tables over bounded reads; positions count from the start of the whole message. */
export const flatbuffer = (view: DataView) => {
  const integer = (at: number): number => {
    const value = Number(view.getBigInt64(at, true));
    if (!Number.isSafeInteger(value) || value < 0) throw new MessageFault(`a length of ${value}`, at);
    return value;
  };
  const pointer = (at: number): number => at + view.getUint32(at, true);
  /** Position of field `index` of the table at `table`, or 0 when it is left out. */
  const field = (table: number, index: number): number => {
    const vtable = table - view.getInt32(table, true);
    const size = view.getUint16(vtable, true);
    const slot = 4 + 2 * index;
    const offset = slot + 2 > size ? 0 : view.getUint16(vtable + slot, true);
    return offset === 0 ? 0 : table + offset;
  };
  const structs = (table: number, index: number, expected: number, name: string): number => {
    const at = field(table, index);
    const vector = at === 0 ? 0 : pointer(at);
    const count = at === 0 ? 0 : view.getUint32(vector, true);
    if (count !== expected)
      throw new MessageFault(`${count} ${name} where the schema has ${expected}`, vector);
    return vector + 4;
  };
  /** Start and length of the vector of field `index`, each item of `size` bytes; none where it is left out. */
  const vector = (
    table: number,
    index: number,
    size: number,
  ): { readonly at: number; readonly count: number } => {
    const at = field(table, index);
    if (at === 0) return { at: 0, count: 0 };
    const start = pointer(at);
    const count = view.getUint32(start, true);
    if (count * size > view.byteLength - start - 4)
      throw new MessageFault(`a list of ${count} items beyond the end`, start);
    return { at: start + 4, count };
  };
  const text = (table: number, index: number): string => {
    const { at, count } = vector(table, index, 1);
    return decoder.decode(new Uint8Array(view.buffer, view.byteOffset + at, count));
  };
  const byte = (table: number, index: number): number => {
    const at = field(table, index);
    return at === 0 ? 0 : view.getUint8(at);
  };
  const int32 = (table: number, index: number): number => {
    const at = field(table, index);
    return at === 0 ? 0 : view.getInt32(at, true);
  };
  return { integer, pointer, field, structs, vector, text, byte, int32, view };
};
