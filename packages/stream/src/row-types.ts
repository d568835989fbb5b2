/** What the rows and the columns of a typed schema are to the compiler. */
import type { FieldKind, NumericArray, PrimitiveKind } from './kinds.ts';
import type { Fields, TypedSchema } from './schema.ts';

/** A list column given as Arrow holds it: row i is values[offsets[i] .. offsets[i + 1]). Borrowed, not copied. */
export interface ListInput {
  readonly offsets: Int32Array;
  readonly values: ColumnInput;
}

/**
 * Values of one column. Primitives: a typed array (kept, zero-copy, when its type is the column's) or numbers.
 * utf8: strings. binary: byte arrays. fixedList: one flat typed array of rows * size values, or one array per row.
 * list: one array per row, or {@link ListInput}.
 */
export type ColumnInput =
  NumericArray | readonly number[] | readonly string[] | readonly ColumnInput[] | ListInput;

/** One value of a column. */
export type ValueOf<K extends FieldKind> = K extends PrimitiveKind
  ? number
  : K extends 'utf8'
    ? string
    : K extends 'binary'
      ? Uint8Array
      : K extends { readonly fixedList: PrimitiveKind }
        ? NumericArray | readonly number[]
        : K extends { readonly list: infer L extends FieldKind }
          ? readonly ValueOf<L>[] | (L extends PrimitiveKind ? NumericArray : never)
          : never;

/** Values of a column for `buildBatch`: one per row, or typed arrays of all rows. */
export type ColumnOf<K extends FieldKind> = K extends PrimitiveKind
  ? NumericArray | readonly number[]
  : K extends 'utf8'
    ? readonly string[]
    : K extends 'binary'
      ? readonly Uint8Array[]
      : K extends { readonly fixedList: PrimitiveKind }
        ? NumericArray | readonly (NumericArray | readonly number[])[]
        : readonly ValueOf<K>[] | ListInput;

/** Columns by name; any where the compiler doesn't know the schema's. */
export type ColumnsOf<F extends Fields> = string extends keyof F
  ? Readonly<Record<string, ColumnInput>>
  : { readonly [N in keyof F]: ColumnOf<F[N]> };

/** A row as an object. */
export type Row<F extends Fields> = { readonly [N in keyof F]: ValueOf<F[N]> };

/** The rows of a schema: `type Image = RowOf<typeof schema>`. */
export type RowOf<S extends TypedSchema> = S extends TypedSchema<infer F> ? Row<F> : never;
