/** Samples -> rows of labelled sentences, or of pairs of them. */
import type { ColumnInput, FieldKind, RecordBatch } from '@polygate/stream';
import type { Tokenizer } from '@polygate/tokens';
import { fault, type Fault, type Sample } from '../samples/sample.ts';
import type { DatasetKind, KindSettings } from './dataset-kind.ts';
import { batchRows, encodeText, extraColumns, type Row, type RowOptions } from './row-batches.ts';
import { drawnLabels, drawnPhrase, rowIds } from './synthetic-rows.ts';
import { textBaselines } from './text-baselines.ts';

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

const suffixesOf = ({ pairs }: KindSettings): readonly string[] => (pairs === true ? ['', '_b'] : ['']);

/** Sentences with one class each, or pairs of them where the source says `pairs`. */
export const labelledText: DatasetKind = Object.freeze({
  name: 'labelled-text',
  summary: 'sentences, or pairs of them, with one class each',
  modalities: ['text'],
  hasClasses: true,
  needsTokenizer: true,
  // The pattern of a published task goes with its data, and that its samples are pairs.
  told: ({ cloze, pairs }) => ({
    ...(cloze === undefined ? {} : { cloze }),
    ...(pairs === true ? { pairs } : {}),
  }),
  columns({ settings }) {
    const columns: Record<string, FieldKind> = { id: 'utf8' };
    for (const suffix of suffixesOf(settings)) {
      columns[`tokens${suffix}`] = { list: 'int32' };
      columns[`words${suffix}`] = { list: 'int32' };
    }
    return { ...columns, label: 'int32' };
  },
  batches: labelledTextBatches,
  baselines: async (context) => ({ baselines: await textBaselines(context) }),
  synthetic(options) {
    const columns: Record<string, ColumnInput> = { id: rowIds(options) };
    for (const suffix of suffixesOf(options.settings)) {
      const tokens = rowIds(options).map(() => drawnPhrase(options));
      columns[`tokens${suffix}`] = tokens;
      columns[`words${suffix}`] = tokens.map((ids) => Array.from(options.tokenizer.words(ids)));
    }
    return { ...columns, label: drawnLabels(options) };
  },
} satisfies DatasetKind);
