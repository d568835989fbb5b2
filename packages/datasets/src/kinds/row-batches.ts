/** Rows -> record batches, and what the rows of all kinds share. Faults are handed on, not thrown. */
import { buildBatch, type ColumnInput, type RecordBatch, type Schema } from '@polygate/stream';
import type { Tokenizer } from '@polygate/tokens';
import { fault, type Fault, type Sample } from '../samples/sample.ts';
import type { FaultHandler } from '../samples/select-samples.ts';

/** What all row builders need. */
export interface RowOptions {
  /** A schema of {@link datasetSchema}. */
  readonly schema: Schema;
  readonly onFault: FaultHandler;
  /** Told of every row made. */
  readonly onRow?: () => void;
  /** Rows of the batches handed on. @default 64 */
  readonly rowsPerBatch?: number;
}

/** One row: values by column. */
export type Row = Readonly<Record<string, ColumnInput | string | number>>;

/** What was lost of a sample that is used all the same. */
export interface SampleNote {
  readonly id: string;
  /** Stable name by which notes are counted, e.g. `first-frame`. */
  readonly code: string;
  readonly text: string;
}

/** Bytes of rows that wait to become a batch: large images make batches of fewer rows. */
const PENDING_BYTES = 2 ** 26;

/** Bytes of the arrays of a row, those of lists of arrays among them. */
export const rowBytes = (row: Row): number => {
  let bytes = 0;
  for (const value of Object.values(row)) {
    const parts: readonly unknown[] = Array.isArray(value) ? (value as readonly unknown[]) : [value];
    for (const part of parts) if (ArrayBuffer.isView(part)) bytes += part.byteLength;
  }
  return bytes;
};

/** Whether a row could not be made. */
export const isFaultRow = (row: Row | Fault): row is Fault => row['kind'] === 'fault';

/** Groups rows into batches; the columns are those of the schema. */
export async function* batchRows(rows: AsyncIterable<Row>, options: RowOptions): AsyncGenerator<RecordBatch> {
  const limit = options.rowsPerBatch ?? 64;
  const names = options.schema.fields.map((field) => field.name);
  let pending: Row[] = [];
  let bytes = 0;
  const build = (): RecordBatch => {
    const columns = names.map((name) => [name, pending.map((row) => row[name])] as const);
    pending = [];
    bytes = 0;
    return buildBatch(options.schema, Object.fromEntries(columns) as Record<string, ColumnInput>);
  };
  for await (const row of rows) {
    pending.push(row);
    bytes += rowBytes(row);
    options.onRow?.();
    if (pending.length === limit || bytes >= PENDING_BYTES) yield build();
  }
  if (pending.length > 0) yield build();
}

/** The further text columns of a sample that the schema has. */
export const extraColumns = (sample: Sample, schema: Schema): Record<string, string> => {
  const names = schema.fields.map((field) => field.name);
  return Object.fromEntries(Object.entries(sample.extra ?? {}).filter(([name]) => names.includes(name)));
};

/** Token ids of a text, or why it can't be used: a special token written out would end or mask it. */
export const encodeText = (id: string, text: string, tokenizer: Tokenizer): Int32Array | Fault => {
  if (text.trim() === '') return fault(id, 'empty-caption', 'expected a text, got an empty one');
  const ids = tokenizer.encode(text.trim());
  const { spe, endoftext } = tokenizer.specials;
  return ids.includes(spe) || ids.includes(endoftext)
    ? fault(id, 'special-token', 'expected plain text, got one with a special token written out')
    : ids;
};
