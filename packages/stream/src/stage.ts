/** Stages of a stream: what they need, what they add, and helpers to write common ones. */
import type { RecordBatch, Schema } from 'apache-arrow';
import { ConfigError, ownValue, ShapeError } from '@polygate/core';
import { assembleBatch, columnDataOf } from './arrow-data.ts';
import { columnData } from './build.ts';
import type { ColumnInput } from './row-types.ts';
import { joinRuns, takeRows } from './gather.ts';
import type { Quarantine } from './quarantine.ts';
import { defineSchema, type Fields, schemaFields, schemaMetadata } from './schema.ts';

/** What every stage says about itself; `pipe` checks it before any row flows. */
export interface StageColumns {
  readonly name: string;
  /** Columns that must be there: names, or names with their kinds. */
  readonly needs: readonly string[] | Fields;
  /** Columns that the stage adds or replaces. */
  readonly adds: Fields;
  /** Columns that the stage takes away. @default [] */
  readonly drops?: readonly string[];
  /** Metadata entries that the stage adds to the schema, e.g. its version. @default {} */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** A stage that turns one batch into one batch. */
export interface BatchStage extends StageColumns {
  /** The batch of the stage's output schema for an input batch, which is borrowed. */
  apply(batch: RecordBatch, context: StageContext): Promise<RecordBatch> | RecordBatch;
  /** Batches at once; the order is kept. A stage with state of its own must leave it at 1. @default 1 */
  readonly concurrency?: number;
}

/** A stage over the whole sequence, for what does not map one batch to one batch. */
export interface SequenceStage extends StageColumns {
  transform(batches: AsyncIterable<RecordBatch>, context: StageContext): AsyncIterable<RecordBatch>;
}

/** A step of a pipe. */
export type Stage = BatchStage | SequenceStage;

/** What a stage is told when it runs. */
export interface StageContext {
  /** Schema of the batches that the stage must give. */
  readonly schema: Schema;
  readonly signal?: AbortSignal | undefined;
}

/** Output schema of a stage over an input schema. */
export const stageSchema = (input: Schema, { adds, drops = [], metadata = {} }: StageColumns): Schema => {
  const fields = new Map([...Object.entries(schemaFields(input)), ...Object.entries(adds)]);
  for (const name of drops) fields.delete(name);
  return defineSchema(Object.fromEntries(fields), { ...schemaMetadata(input), ...metadata });
};

/**
 * A batch of `schema` from a batch and new columns: columns of the schema that are not given are kept from the batch
 * (borrowed). For use in a stage's `apply`. @throws ShapeError when a new column has another number of rows
 */
export const withColumns = (
  batch: RecordBatch,
  schema: Schema,
  columns: Readonly<Record<string, ColumnInput>>,
): RecordBatch => {
  const children = Object.entries(schemaFields(schema)).map(([name, kind]) => {
    const input = ownValue(columns, name);
    if (input === undefined) return columnDataOf(batch, name);
    const data = columnData(kind, input, `column "${name}"`);
    if (data.length === batch.numRows) return data;
    throw new ShapeError(
      `column "${name}": expected ${batch.numRows} rows as in the batch, got ${data.length}; give one value per row`,
    );
  });
  return assembleBatch(schema, children, batch.numRows);
};

/** What {@link mapStage} computes: the new columns of a batch, by name. */
export type ColumnMap = (
  batch: RecordBatch,
) => Readonly<Record<string, ColumnInput>> | Promise<Readonly<Record<string, ColumnInput>>>;

/** A stage that computes its added columns and keeps the others. */
export const mapStage = (
  columns: StageColumns & { readonly concurrency?: number },
  compute: ColumnMap,
): BatchStage => ({
  ...columns,
  apply: async (batch, { schema }) => withColumns(batch, schema, await compute(batch)),
});

/** What {@link filterStage} needs to know. */
export interface FilterOptions {
  readonly name: string;
  readonly needs: readonly string[] | Fields;
  /** True keeps row `row`; a text is the reason why it goes. */
  keep(batch: RecordBatch, row: number): true | string;
  /** Where dropped rows are listed and counted, and the kept ones counted. */
  readonly quarantine: Quarantine;
  /** Identifies a row in the quarantine. @default `batch N row M` */
  id?(batch: RecordBatch, row: number): string;
}

/** A stage that drops rows; every one of them is counted and listed with its reason. */
export const filterStage = (options: FilterOptions): BatchStage => {
  let batches = 0;
  return {
    name: options.name,
    needs: options.needs,
    adds: {},
    apply(batch) {
      const number = batches;
      batches += 1;
      const kept: number[] = [];
      for (let row = 0; row < batch.numRows; row += 1) {
        const verdict = options.keep(batch, row);
        if (verdict === true) {
          options.quarantine.accept();
          kept.push(row);
        } else options.quarantine.add(options.id?.(batch, row) ?? `batch ${number} row ${row}`, verdict);
      }
      return kept.length === batch.numRows ? batch : takeRows(batch, kept);
    },
  };
};

/** A stage that cuts the rows into batches of `rows`, the last one shorter; to follow a stage that drops rows. */
export const rebatchStage = (rows: number): SequenceStage => {
  if (!Number.isSafeInteger(rows) || rows < 1) {
    throw new ConfigError(`rebatch: expected a positive whole number of rows, got ${rows}`);
  }
  return {
    name: 'rebatch',
    needs: [],
    adds: {},
    async *transform(batches, { schema }) {
      let runs: { batch: RecordBatch; start: number; count: number }[] = [];
      let held = 0;
      for await (const batch of batches) {
        let start = 0;
        while (start < batch.numRows) {
          const count = Math.min(batch.numRows - start, rows - held);
          runs.push({ batch, start, count });
          held += count;
          start += count;
          if (held < rows) continue;
          yield joinRuns(schema, runs);
          runs = [];
          held = 0;
        }
      }
      if (held > 0) yield joinRuns(schema, runs);
    },
  };
};
