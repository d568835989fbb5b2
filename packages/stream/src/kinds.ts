/**
 * Field kinds: the closed set of column types that streams carry, and their Arrow types.
 * Every field is non-nullable: a missing value is a bad sample, which belongs in quarantine, not in a batch.
 */
import {
  Binary,
  type DataType,
  DataType as DataTypes,
  Field,
  FixedSizeList,
  Float32,
  Float64,
  Int16,
  Int32,
  Int8,
  List,
  Uint16,
  Uint32,
  Uint8,
  Utf8,
} from 'apache-arrow';
import { ConfigError, excerpt } from '@polygate/core';

/** Kinds whose rows are one number. */
export type PrimitiveKind =
  'int8' | 'uint8' | 'int16' | 'uint16' | 'int32' | 'uint32' | 'float32' | 'float64';

/** Type of a column: numbers, text, bytes, a fixed count of numbers, or a list of any of these. */
export type FieldKind =
  | PrimitiveKind
  | 'utf8'
  | 'binary'
  | { readonly fixedList: PrimitiveKind; readonly size: number }
  | { readonly list: FieldKind };

/** The typed arrays of the primitive kinds. */
export type NumericArray =
  Int8Array | Uint8Array | Int16Array | Uint16Array | Int32Array | Uint32Array | Float32Array | Float64Array;

interface NumericConstructor {
  readonly BYTES_PER_ELEMENT: number;
  new (length: number): NumericArray;
  new (values: ArrayLike<number>): NumericArray;
  new (buffer: ArrayBufferLike, byteOffset: number, length: number): NumericArray;
}

interface Primitive {
  readonly array: NumericConstructor;
  readonly type: DataType;
}

const primitives: Readonly<Record<PrimitiveKind, Primitive>> = {
  int8: { array: Int8Array, type: new Int8() },
  uint8: { array: Uint8Array, type: new Uint8() },
  int16: { array: Int16Array, type: new Int16() },
  uint16: { array: Uint16Array, type: new Uint16() },
  int32: { array: Int32Array, type: new Int32() },
  uint32: { array: Uint32Array, type: new Uint32() },
  float32: { array: Float32Array, type: new Float32() },
  float64: { array: Float64Array, type: new Float64() },
};

/** Lists inside lists deeper than this are refused: nothing needs them, and a reader must bound its recursion. */
const MAX_LIST_DEPTH = 4;
/** Largest fixed list, in values: one 8192 x 8192 RGBA image. */
const MAX_FIXED_LIST_SIZE = 2 ** 28;

const knownKinds = [...Object.keys(primitives), 'utf8', 'binary', '{fixedList, size}', '{list}'];

/** Whether a name is one of the primitive kinds. */
export const isPrimitive = (kind: unknown): kind is PrimitiveKind =>
  typeof kind === 'string' && Object.hasOwn(primitives, kind);

/** The typed-array constructor of a primitive kind. */
export const arrayOf = (kind: PrimitiveKind): NumericConstructor => primitives[kind].array;

/** Text of a kind for messages, e.g. `fixedList<uint8, 12288>` or `list<list<int32>>`. */
export const describeKind = (kind: FieldKind): string => {
  if (typeof kind === 'string') return kind;
  return 'list' in kind ? `list<${describeKind(kind.list)}>` : `fixedList<${kind.fixedList}, ${kind.size}>`;
};

/** Checks a kind that came from outside (a recipe, a manifest). @throws ConfigError listing the known kinds */
export const parseKind = (value: unknown, path: string, depth = 0): FieldKind => {
  if (isPrimitive(value) || value === 'utf8' || value === 'binary') return value;
  if (typeof value === 'object' && value !== null && depth < MAX_LIST_DEPTH) {
    const { fixedList, size, list } = value as { fixedList?: unknown; size?: unknown; list?: unknown };
    if (list !== undefined) return Object.freeze({ list: parseKind(list, path, depth + 1) });
    if (isPrimitive(fixedList) && Number.isSafeInteger(size)) {
      const length = size as number;
      if (length >= 1 && length <= MAX_FIXED_LIST_SIZE) return Object.freeze({ fixedList, size: length });
    }
  }
  throw new ConfigError(
    `${path}: expected a field kind, one of ${knownKinds.join(', ')} (fixed lists of primitives with a size of ` +
      `1 to ${MAX_FIXED_LIST_SIZE}, lists at most ${MAX_LIST_DEPTH} deep), got ${excerpt(value)}; choose one of these`,
    { code: 'unknown-kind', fields: { place: path, got: value } },
  );
};

const item = (type: DataType): Field => new Field('item', type, false);

/** The Arrow type of a kind. */
export const arrowType = (kind: FieldKind): DataType => {
  if (isPrimitive(kind)) return primitives[kind].type;
  if (kind === 'utf8') return new Utf8();
  if (kind === 'binary') return new Binary();
  if ('list' in kind) return new List(item(arrowType(kind.list)));
  return new FixedSizeList(kind.size, item(arrowType(kind.fixedList)));
};

/** The kind of an Arrow type, or undefined where streams have none for it. */
export const kindOfType = (type: DataType): FieldKind | undefined => {
  if (DataTypes.isUtf8(type)) return 'utf8';
  if (DataTypes.isBinary(type)) return 'binary';
  if (DataTypes.isList(type)) {
    const list = kindOfType((type.children[0] as Field).type);
    return list === undefined ? undefined : { list };
  }
  if (DataTypes.isFixedSizeList(type)) {
    const fixedList = kindOfType((type.children[0] as Field).type);
    return isPrimitive(fixedList) ? { fixedList, size: type.listSize } : undefined;
  }
  const text = type.toString().toLowerCase();
  return isPrimitive(text) ? text : undefined;
};
