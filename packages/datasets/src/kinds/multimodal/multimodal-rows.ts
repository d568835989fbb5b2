/**
 * Samples of several inputs -> rows: a column for each input, `missing` with a flag for each that a sample lacks, and what
 * is asked of it.
 */
import { availableParallelism } from 'node:os';
import { ByteGate, resolveBudgets } from '@polygate/core';
import { mapOrdered, type ColumnInput, type FieldKind, type StoredInput } from '@polygate/stream';
import { fault, type Fault, type Sample } from '../../samples/sample.ts';
import type { ColumnOptions, KindRowOptions, KindSettings, SyntheticOptions } from '../dataset-kind.ts';
import { extraColumns, isFaultRow, rowBytes, type Row } from '../row-batches.ts';
import { rowIds } from '../synthetic-rows.ts';
import { formNamed } from './form-registry.ts';
import { columnOf, type Cell } from './input-form.ts';

/** Column of flags, 1 where a sample lacks an input, in the order of the inputs. */
const MISSING = 'missing';

/** The inputs of a dataset by name, in their order. */
export type StoredInputs = Readonly<Record<string, StoredInput>>;

/** Inputs of data that nobody prepared: what made-up suites have. */
const MADE_UP: StoredInputs = {
  signal: { modality: 'time-series', form: 'values', shape: [8, 2], longest: 8 },
};

/** The inputs that the settings of a kind name. */
export const storedInputs = (settings: KindSettings): StoredInputs =>
  (settings['inputs'] as StoredInputs | undefined) ?? MADE_UP;

/** Columns of the inputs, and of what a sample lacks. */
export const inputColumns = ({ imageSize, settings }: ColumnOptions): Record<string, FieldKind> => {
  const inputs = Object.entries(storedInputs(settings));
  return {
    id: 'utf8',
    ...Object.fromEntries(inputs.map(([name, { form }]) => [name, formNamed(form).column(imageSize)])),
    [MISSING]: { fixedList: 'uint8', size: inputs.length },
  };
};

/**
 * Rows of samples, several at once, in order.
 * @param asked what is asked of a sample, or what is wrong with it
 */
export async function* multimodalRows(
  samples: AsyncIterable<Sample>,
  options: KindRowOptions,
  asked: (sample: Sample) => Row | Fault,
): AsyncGenerator<Row> {
  const { schema, onFault, settings, tokenizer, budgets = {} } = options;
  const { decodeBytes, sampleBytes } = resolveBudgets(budgets);
  const image = { ...options.image, budgets, gate: new ByteGate(decodeBytes) };
  const inputs = Object.entries(storedInputs(settings));
  const toRow = async (sample: Sample): Promise<Row | Fault> => {
    const { id } = sample;
    const rest = asked(sample);
    if (isFaultRow(rest)) return rest;
    const cells: [string, Cell][] = [];
    const missing = new Uint8Array(inputs.length);
    for (const [at, [name, stored]] of inputs.entries()) {
      const content = sample.contents?.[name];
      const form = formNamed(stored.form);
      if (!content) missing[at] = 1;
      const cell = content
        ? await form.cell(content, { id, stored, image, tokenizer })
        : form.missing(image.size);
      if ('kind' in cell) return cell as unknown as Fault;
      cells.push([name, cell]);
    }
    if (missing.every((flag) => flag === 1))
      return fault(id, 'no-input', `expected one of ${inputs.map(([name]) => name).join(', ')}, got none`);
    return {
      id,
      ...Object.fromEntries(cells),
      [MISSING]: missing,
      ...rest,
      ...extraColumns(sample, schema),
    } as Row;
  };
  const rows = mapOrdered(samples, async (sample) => ({ row: await toRow(sample) }), {
    concurrency: availableParallelism(),
    sizeOf: ({ row }) => (isFaultRow(row) ? 0 : rowBytes(row)),
    bytes: sampleBytes,
  });
  for await (const { row } of rows) {
    if (isFaultRow(row)) onFault(row);
    else yield row;
  }
}

/** Columns of made-up rows, which lack nothing. */
export const syntheticInputs = (options: SyntheticOptions): Record<string, ColumnInput> => {
  const { imageSize, random, words, tokenizer, settings } = options;
  const inputs = Object.entries(storedInputs(settings));
  const ids = rowIds(options);
  const columns = inputs.map(([name, stored]): [string, ColumnInput] => {
    const form = formNamed(stored.form);
    const cells = ids.map(() => form.synthetic({ stored, imageSize, random, words, tokenizer }));
    return [name, columnOf(form.column(imageSize), cells)];
  });
  return {
    id: ids,
    ...Object.fromEntries(columns),
    [MISSING]: new Uint8Array(ids.length * inputs.length),
  };
};
