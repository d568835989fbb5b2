/** Samples -> rows of texts: tokenized lines, packed. */
import { type RecordBatch } from '@polygate/stream';
import type { Tokenizer } from '@polygate/tokens';
import type { Sample } from '../samples/sample.ts';
import type { DatasetKind } from './dataset-kind.ts';
import { packLines, type PackedRow } from './packing.ts';
import { batchRows, encodeText, type Row, type RowOptions } from './row-batches.ts';
import { drawnPhrase, rowIds } from './synthetic-rows.ts';

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

/**
 * Texts; `tokens` hold whole lines, each ended by the end token, `words` is the word of each token, counted from 0 in
 * each row.
 */
export const text: DatasetKind = Object.freeze({
  name: 'text',
  summary: 'texts, packed into rows of one length',
  modalities: ['text'],
  hasClasses: false,
  needsTokenizer: true,
  keepsSamples: false,
  columns: () => ({ id: 'utf8', tokens: { list: 'int32' }, words: { list: 'int32' } }),
  batches: (samples, options) => textBatches(samples, { ...options, length: options.textLength }),
  synthetic(options) {
    const { tokenizer, textLength } = options;
    const tokens = rowIds(options).map(() => [
      ...drawnPhrase(options, textLength).slice(0, textLength - 1),
      tokenizer.specials.endoftext,
    ]);
    return { id: rowIds(options), tokens, words: tokens.map((ids) => Array.from(tokenizer.words(ids))) };
  },
} satisfies DatasetKind);
