/** Samples -> record batches of the prepared kinds: decoding, tokenizing, packing. Faults are handed on, not thrown. */
import { availableParallelism } from 'node:os';
import { ByteGate, ConfigError, resolveBudgets } from '@polygate/core';
import { buildBatch, type ColumnInput, mapOrdered, type RecordBatch, type Schema } from '@polygate/stream';
import type { Tokenizer } from '@polygate/tokens';
import { decodeImage, type DecodeOptions } from '../images/image-decode.ts';
import { packLines, type PackedRow } from './packing.ts';
import { fault, type Fault, type Reader, type Sample } from '../samples/sample.ts';

/** Told of every sample that falls out, in order. */
export type FaultHandler = (fault: Fault) => void;

export interface SelectOptions {
  /** Which samples to pass on. */
  readonly accept: (sample: Sample) => boolean;
  /** Told of the reader's faults; leave it out in later passes over one reader, so that each is counted once. */
  readonly onFault?: FaultHandler;
}

/** The samples of one split of a reader. */
export async function* selectSamples(reader: Reader, options: SelectOptions): AsyncGenerator<Sample> {
  for await (const item of reader.read()) {
    if (item.kind === 'fault') options.onFault?.(item);
    else if (options.accept(item)) yield item;
  }
}

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

type Row = Readonly<Record<string, ColumnInput | string | number>>;

/** Bytes of rows that wait to become a batch: large pictures make batches of fewer rows. */
const PENDING_BYTES = 2 ** 26;

/** Bytes of the arrays of a row, those of lists of arrays among them. */
const rowBytes = (row: Row): number => {
  let bytes = 0;
  for (const value of Object.values(row)) {
    const parts: readonly unknown[] = Array.isArray(value) ? (value as readonly unknown[]) : [value];
    for (const part of parts) if (ArrayBuffer.isView(part)) bytes += part.byteLength;
  }
  return bytes;
};

/** Groups rows into batches; the columns are those of the schema. */
async function* batchRows(rows: AsyncIterable<Row>, options: RowOptions): AsyncGenerator<RecordBatch> {
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

const extraColumns = (sample: Sample, schema: Schema): Record<string, string> => {
  const names = schema.fields.map((field) => field.name);
  const known = Object.entries(sample.extra ?? {}).filter(([name]) => names.includes(name));
  return Object.fromEntries(known);
};

/** Token ids of a text, or why it can't be used: a special token written out would end or mask it. */
const encodeText = (id: string, text: string, tokenizer: Tokenizer): Int32Array | Fault => {
  if (text.trim() === '') return fault(id, 'empty-caption', 'expected a text, got an empty one');
  const ids = tokenizer.encode(text.trim());
  const { spe, endoftext } = tokenizer.specials;
  return ids.includes(spe) || ids.includes(endoftext)
    ? fault(id, 'special-token', 'expected plain text, got one with a special token written out')
    : ids;
};

const captionsOf = (sample: Sample, tokenizer: Tokenizer, onFault: FaultHandler): Int32Array[] => {
  const captions: Int32Array[] = [];
  for (const [index, text] of (sample.texts ?? []).entries()) {
    const ids = encodeText(`${sample.id}#${index}`, text, tokenizer);
    if ('kind' in ids) onFault(ids);
    else captions.push(ids);
  }
  return captions;
};

/** What was lost of a sample that is used all the same. */
export interface SampleNote {
  readonly id: string;
  /** Stable name by which notes are counted, e.g. `first-frame`. */
  readonly code: string;
  readonly text: string;
}

export interface PictureOptions extends RowOptions, DecodeOptions {
  /** Needed for captions. */
  readonly tokenizer?: Tokenizer;
  /** Told of every picture that was taken with a loss: the first frame of an animation. */
  readonly onNote?: (note: SampleNote) => void;
  /** Pictures decoded at once. @default the number of processors plus two */
  readonly concurrency?: number;
}

/**
 * Rows of kind labelled-image or captioned-image, as the schema says. Pictures are decoded several at a time; the
 * order stays. @throws ConfigError for captions without tokenizer
 */
export async function* pictureBatches(
  samples: AsyncIterable<Sample>,
  options: PictureOptions,
): AsyncGenerator<RecordBatch> {
  const { schema, onFault, tokenizer } = options;
  const names = schema.fields.map((field) => field.name);
  const captioned = names.includes('captions');
  if (captioned && !tokenizer)
    throw new ConfigError('pictures: expected a tokenizer for the captions, got none');
  // Told when the row is handed on, so that the order is that of the samples.
  const notes = new Map<Sample, number>();
  const { decodeBytes, sampleBytes } = resolveBudgets(options.budgets);
  const gate = new ByteGate(decodeBytes);
  const toRow = async (sample: Sample): Promise<Row | Fault> => {
    if (!sample.image) return fault(sample.id, 'no-image', 'expected a picture, got none');
    if (!captioned && sample.label === undefined)
      return fault(sample.id, 'no-label', 'expected a label, got none');
    const image = await decodeImage(sample.id, sample.image, { gate, ...options });
    if (image.kind === 'fault') return image;
    if (image.frames !== undefined) notes.set(sample, image.frames);
    const row = { id: sample.id, image: image.pixels, ...extraColumns(sample, schema) };
    return captioned ? { ...row, captions: [] } : { ...row, label: sample.label ?? 0 };
  };
  async function* rows(): AsyncGenerator<Row> {
    const concurrency = options.concurrency ?? availableParallelism() + 2;
    const decoded = mapOrdered(samples, async (sample) => ({ sample, row: await toRow(sample) }), {
      concurrency,
      sizeOf: heldBytes,
      bytes: sampleBytes,
    });
    for await (const { sample, row } of decoded) {
      const frames = notes.get(sample);
      if (frames !== undefined) {
        notes.delete(sample);
        options.onNote?.({ id: sample.id, code: 'first-frame', text: `the first of ${frames} frames` });
      }
      if (isFault(row)) onFault(row);
      else if (!captioned || !tokenizer) yield row;
      else {
        const captions = captionsOf(sample, tokenizer, onFault);
        if (captions.length > 0) yield { ...row, captions };
        else
          onFault(fault(sample.id, 'no-caption', 'expected at least one caption, got none that can be used'));
      }
    }
  }
  yield* batchRows(rows(), options);
}

/** Bytes of an encoded picture and of its row, which wait until those before them are done. */
const heldBytes = ({ sample: { image }, row }: { sample: Sample; row: Row | Fault }): number =>
  (image?.kind === 'bytes' ? image.bytes.length : 0) + (isFault(row) ? 0 : rowBytes(row));

const isFault = (row: Row | Fault): row is Fault => row['kind'] === 'fault';

export interface TextOptions extends RowOptions {
  readonly tokenizer: Tokenizer;
  /** Most tokens of a row. */
  readonly length: number;
  /** Prefix of the row ids. */
  readonly name: string;
}

/**
 * Rows of kind text: the samples' texts as lines, packed to `length`. Rows end where `extra.source` changes, and
 * carry it where the schema has that column.
 */
export async function* textBatches(
  samples: AsyncIterable<Sample>,
  options: TextOptions,
): AsyncGenerator<RecordBatch> {
  const { tokenizer, onFault, schema } = options;
  let count = 0;
  let source = '';
  let lines: Int32Array[] = [];
  let tokens = 0;
  const withSource = schema.fields.some((field) => field.name === 'source');
  const toRow = (packed: PackedRow): Row => ({
    id: `${options.name}/${String(count++).padStart(7, '0')}`,
    tokens: packed.tokens,
    words: packed.words,
    ...(withSource ? { source } : {}),
  });
  function* flush(): Generator<Row> {
    for (const packed of packLines(lines, options)) yield toRow(packed);
    lines = [];
    tokens = 0;
  }
  async function* rows(): AsyncGenerator<Row> {
    for await (const sample of samples) {
      const next = sample.extra?.['source'] ?? '';
      if (next !== source) yield* flush();
      source = next;
      for (const [index, text] of (sample.texts ?? []).entries()) {
        const id = (sample.texts?.length ?? 0) > 1 ? `${sample.id}#${index}` : sample.id;
        const ids = encodeText(id, text, tokenizer);
        if ('kind' in ids) onFault(ids);
        else {
          lines.push(ids);
          tokens += ids.length;
        }
        // A document of many texts, or lines of a megabyte each, must not be held whole.
        if (tokens >= PACKED_TOKENS) yield* flush();
      }
      // Rows are packed in pieces of this many lines; only the end of the last one may be short.
      if (lines.length >= PACKED_LINES) yield* flush();
    }
    yield* flush();
  }
  yield* batchRows(rows(), { rowsPerBatch: 256, ...options });
}

const PACKED_LINES = 20_000;
/** Tokens that are held for packing: 64 MiB. */
const PACKED_TOKENS = 2 ** 24;

export interface LabelledTextOptions extends RowOptions {
  readonly tokenizer: Tokenizer;
}

/** Rows of kind labelled-text, of single sentences or, where the schema has `tokens_b`, of pairs. */
export async function* labelledTextBatches(
  samples: AsyncIterable<Sample>,
  options: LabelledTextOptions,
): AsyncGenerator<RecordBatch> {
  const { tokenizer, onFault, schema } = options;
  const pairs = schema.fields.some((field) => field.name === 'tokens_b');
  async function* rows(): AsyncGenerator<Row> {
    for await (const sample of samples) {
      const [first, second] = [0, 1].map((index) =>
        encodeText(sample.id, sample.texts?.[index] ?? '', tokenizer),
      );
      const bad = [first, pairs ? second : undefined].find((ids) => ids !== undefined && 'kind' in ids);
      if (bad && 'kind' in bad) onFault(bad);
      else if (sample.label === undefined)
        onFault(fault(sample.id, 'no-label', 'expected a label, got none'));
      else {
        yield {
          id: sample.id,
          ...tokenColumns(first, '', tokenizer),
          ...(pairs ? tokenColumns(second, '_b', tokenizer) : {}),
          label: sample.label,
          ...extraColumns(sample, schema),
        };
      }
    }
  }
  yield* batchRows(rows(), options);
}

const tokenColumns = (ids: Int32Array | Fault | undefined, suffix: string, tokenizer: Tokenizer): Row => {
  const tokens = ids instanceof Int32Array ? ids : new Int32Array(0);
  return { [`tokens${suffix}`]: tokens, [`words${suffix}`]: tokenizer.words(tokens) };
};
