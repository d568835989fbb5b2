/** The schema message of Arrow data that others wrote: fields with their types, nulls and dictionaries among them. */
import { type flatbuffer, MessageFault } from '../flatbuffer.ts';

type Flatbuffer = ReturnType<typeof flatbuffer>;

/** What cells of a column hold. `other` is what no reader makes use of, such as times. */
export type ValueType =
  | 'text'
  | 'bytes'
  | 'number'
  | 'boolean'
  | 'other'
  | { readonly list: ValueType }
  | { readonly struct: ReadonlyMap<string, ValueType> };

/** How values lie in buffers. */
export type ArrowLayout =
  | { readonly kind: 'null' | 'bits' | 'struct' }
  | { readonly kind: 'fixed'; readonly bytes: number; readonly array: NumberArray | undefined }
  | { readonly kind: 'text' | 'bytes' | 'list'; readonly wide: boolean }
  | { readonly kind: 'fixedList'; readonly size: number };

/** Typed arrays of numbers; values of other fixed types are not read. */
export type NumberArray =
  | 'int8'
  | 'uint8'
  | 'int16'
  | 'uint16'
  | 'int32'
  | 'uint32'
  | 'int64'
  | 'uint64'
  | 'float16'
  | 'float32'
  | 'float64';

export interface ArrowField {
  readonly name: string;
  readonly layout: ArrowLayout;
  readonly children: readonly ArrowField[];
  /** Where values are indices into a dictionary: its id, and the layout of the indices. */
  readonly dictionary?: { readonly id: bigint; readonly indices: ArrowLayout };
}

export interface ArrowSchema {
  readonly fields: readonly ArrowField[];
  readonly metadata: ReadonlyMap<string, string>;
}

/** Deepest nesting of fields, and most fields in all. */
const MAX_DEPTH = 16;
const MAX_FIELDS = 100_000;
/** Most bytes of a value of fixed size, and most items of a list of fixed size. */
const MAX_FIXED = 2 ** 24;

const bounded = (value: number, what: string, at: number): number => {
  if (value < 1 || value > MAX_FIXED) throw new MessageFault(`a ${what} of ${value}`, at);
  return value;
};

const integerLayout = (fb: Flatbuffer, table: number): ArrowLayout => {
  const bits = table === 0 ? 32 : fb.int32(table, 0);
  const signed = table === 0 || fb.byte(table, 1) === 1;
  const array = `${signed ? 'int' : 'uint'}${bits}`;
  if (![8, 16, 32, 64].includes(bits)) throw new MessageFault(`whole numbers of ${bits} bits`, table);
  return { kind: 'fixed', bytes: bits / 8, array: array as NumberArray };
};

const floats = ['float16', 'float32', 'float64'] as const;

/** Layout by the number of the type in Schema.fbs. */
const layoutOf = (fb: Flatbuffer, type: number, table: number): ArrowLayout => {
  const fixed = (bytes: number): ArrowLayout => ({ kind: 'fixed', bytes, array: undefined });
  switch (type) {
    case 1:
      return { kind: 'null' };
    case 2:
      return integerLayout(fb, table);
    case 3: {
      const at = fb.field(table, 0);
      const array = floats[at === 0 ? 0 : fb.view.getInt16(at, true)];
      if (array === undefined) throw new MessageFault('numbers of an unknown precision', table);
      return { kind: 'fixed', bytes: Number(array.slice(5)) / 8, array };
    }
    case 4:
    case 19:
      return { kind: 'bytes', wide: type === 19 };
    case 5:
    case 20:
      return { kind: 'text', wide: type === 20 };
    case 6:
      return { kind: 'bits' };
    case 7:
      return fixed(bounded((fb.field(table, 2) === 0 ? 128 : fb.int32(table, 2)) / 8, 'decimal', table));
    case 8:
      // Days take four bytes, milliseconds eight, which are the default.
      return fixed(fb.field(table, 0) !== 0 && fb.view.getInt16(fb.field(table, 0), true) === 0 ? 4 : 8);
    case 9:
      return fixed(bounded((fb.field(table, 1) === 0 ? 32 : fb.int32(table, 1)) / 8, 'time', table));
    case 10:
    case 18:
      return fixed(8);
    case 12:
    case 17:
    case 21:
      return { kind: 'list', wide: type === 21 };
    case 13:
      return { kind: 'struct' };
    case 15:
      return fixed(bounded(fb.int32(table, 0), 'fixed size', table));
    case 16:
      return { kind: 'fixedList', size: bounded(fb.int32(table, 0), 'list size', table) };
    default:
      throw new MessageFault(
        `the type ${type}, which is not read (unions, views, intervals); cast it`,
        table,
      );
  }
};

const fieldsOf = (
  fb: Flatbuffer,
  list: { readonly at: number; readonly count: number },
  state: { readonly depth: number; readonly seen: { count: number } },
): ArrowField[] => {
  if (state.depth > MAX_DEPTH) throw new MessageFault(`fields nested more than ${MAX_DEPTH} deep`, list.at);
  return Array.from({ length: list.count }, (_, index) => {
    state.seen.count += 1;
    if (state.seen.count > MAX_FIELDS) throw new MessageFault(`more than ${MAX_FIELDS} fields`, list.at);
    const table = fb.pointer(list.at + 4 * index);
    const type = fb.byte(table, 2);
    const typeAt = fb.field(table, 3);
    const children = fieldsOf(fb, fb.vector(table, 5, 4), { ...state, depth: state.depth + 1 });
    if (typeAt === 0) throw new MessageFault('a field without type', table);
    const layout = layoutOf(fb, type, fb.pointer(typeAt));
    const nested = layout.kind === 'list' || layout.kind === 'fixedList';
    if (nested && children.length !== 1) throw new MessageFault(`a list of ${children.length} types`, table);
    const coded = fb.field(table, 4);
    const common = { name: fb.text(table, 0), layout, children };
    if (coded === 0) return common;
    const dictionary = fb.pointer(coded);
    const idAt = fb.field(dictionary, 0);
    const indexAt = fb.field(dictionary, 1);
    return {
      ...common,
      dictionary: {
        id: idAt === 0 ? 0n : fb.view.getBigInt64(idAt, true),
        indices: integerLayout(fb, indexAt === 0 ? 0 : fb.pointer(indexAt)),
      },
    };
  });
};

/** The schema of a schema message. @throws MessageFault for types that are not read and for what no writer writes */
export const readSchema = (fb: Flatbuffer, table: number): ArrowSchema => {
  const endian = fb.field(table, 0);
  if (endian !== 0 && fb.view.getInt16(endian, true) !== 0)
    throw new MessageFault('big-endian numbers; write it on another machine', table);
  const fields = fieldsOf(fb, fb.vector(table, 1, 4), { depth: 0, seen: { count: 0 } });
  const pairs = fb.vector(table, 2, 4);
  const metadata = new Map<string, string>();
  for (let index = 0; index < pairs.count; index += 1) {
    const pair = fb.pointer(pairs.at + 4 * index);
    metadata.set(fb.text(pair, 0), fb.text(pair, 1));
  }
  return { fields, metadata };
};

/** What cells of a field hold. */
export const valueTypeOf = ({ layout, children }: ArrowField): ValueType => {
  const [item] = children;
  switch (layout.kind) {
    case 'text':
    case 'bytes':
      return layout.kind;
    case 'bits':
      return 'boolean';
    case 'fixed':
      return layout.array === undefined ? 'other' : 'number';
    case 'list':
    case 'fixedList':
      return item ? { list: valueTypeOf(item) } : 'other';
    case 'struct':
      return { struct: new Map(children.map((child) => [child.name, valueTypeOf(child)])) };
    default:
      return 'other';
  }
};
