/** Composing a source, stages and a sink; columns are checked when the pipe is made and again on every batch. */
import type { RecordBatch, Schema } from 'apache-arrow';
import { ConfigError, ownValue, StateError } from '@polygate/core';
import { batchBytes, refuseNullsIn } from './arrow-data.ts';
import { describeKind } from './kinds.ts';
import { DEFAULT_PREFETCH_BYTES, mapOrdered, type OrderedOptions } from './ordered.ts';
import { schemaDifference, schemaFields } from './schema.ts';
import { type BatchStage, type Stage, type StageColumns, stageSchema } from './stage.ts';
import { named, ofSource, withErrors } from './stage-errors.ts';

/** Batches with a known schema: a shard set, a batch source, another pipe, or a team's own reader. */
export interface StreamSource {
  readonly schema: Schema;
  batches(options?: OrderedOptions): AsyncIterable<RecordBatch>;
}

/** The end of a pipe. */
export interface Sink<R> {
  readonly name: string;
  /** Columns that the sink needs: names, or names with kinds. */
  readonly needs: StageColumns['needs'];
  /** Takes all batches; must await what it does with each. */
  consume(batches: AsyncIterable<RecordBatch>, schema: Schema): Promise<R>;
}

/** A composed stream; `bytes` of its options is the budget of the source and all stages together. Each call of `batches` (or loop over the pipe) runs the source and the stages anew. */
export interface Pipe extends StreamSource, AsyncIterable<RecordBatch> {
  /** Runs the pipe into a sink. @throws ConfigError when the sink needs a column that is not there */
  to<R>(sink: Sink<R>, options?: OrderedOptions): Promise<R>;
}

const checkNeeds = (schema: Schema, needs: StageColumns['needs'], who: string): void => {
  const fields = schemaFields(schema);
  const columns = Object.keys(fields).join(', ');
  const wanted: readonly (readonly [string, string | undefined])[] = Array.isArray(needs)
    ? (needs as readonly string[]).map((name) => [name, undefined] as const)
    : Object.entries(needs as ReturnType<typeof schemaFields>).map(([name, kind]) => [
        name,
        describeKind(kind),
      ]);
  for (const [name, kind] of wanted) {
    const got = ownValue(fields, name);
    if (got === undefined) {
      throw new ConfigError(
        `pipe: ${who} needs column "${name}", which nothing before it gives; there are ${columns}: ` +
          'put a stage that adds it in front, or read it from the source',
        { code: 'missing-column', fields: { stage: who, column: name } },
      );
    }
    if (kind !== undefined && describeKind(got) !== kind) {
      throw new ConfigError(
        `pipe: ${who} needs column "${name}" as ${kind}, got ${describeKind(got)}; convert it in a stage in front`,
        { code: 'column-kind', fields: { stage: who, column: name } },
      );
    }
  }
};

async function* checkedBatches(
  batches: AsyncIterable<RecordBatch>,
  schema: Schema,
  who: string,
): AsyncGenerator<RecordBatch> {
  for await (const batch of batches) {
    const difference = schemaDifference(schema, batch.schema);
    if (difference !== undefined) {
      throw new StateError(
        `pipe: ${who} gave a batch of other columns than it declares: ${difference}; correct the stage`,
        {
          code: 'schema',
          fields: { stage: who },
        },
      );
    }
    refuseNullsIn(batch, `pipe: ${who}: `);
    if (batch.numRows > 0) yield batch;
  }
}

const runStage = (
  stage: Stage,
  batches: AsyncIterable<RecordBatch>,
  context: { readonly schema: Schema; readonly options: OrderedOptions },
): AsyncIterable<RecordBatch> => {
  const { schema, options } = context;
  const who = `stage "${stage.name}"`;
  if ('transform' in stage) {
    const transformed = stage.transform(batches, { schema, signal: options.signal });
    return checkedBatches(
      // What a signal ends is not the stage's failure.
      withErrors(transformed, (error) => (options.signal?.aborted ? error : named(error, who))),
      schema,
      who,
    );
  }
  const apply = async (batch: RecordBatch): Promise<RecordBatch> => {
    try {
      return await stage.apply(batch, { schema, signal: options.signal });
    } catch (error) {
      throw options.signal?.aborted ? error : named(error, who);
    }
  };
  const bounds = {
    ...options,
    concurrency: (stage satisfies BatchStage).concurrency ?? 1,
    sizeOf: batchBytes,
  };
  return checkedBatches(mapOrdered(batches, apply, bounds), schema, who);
};

const isSink = (part: Stage | Sink<unknown>): part is Sink<unknown> => 'consume' in part;

/** Composes a source and stages. @throws ConfigError naming the missing column and the stage that needs it */
const compose = (source: StreamSource, stages: readonly Stage[]): Pipe => {
  const steps: { readonly stage: Stage; readonly schema: Schema }[] = [];
  let schema = source.schema;
  for (const stage of stages) {
    checkNeeds(schema, stage.needs, `stage "${stage.name}"`);
    checkNeeds(schema, stage.drops ?? [], `stage "${stage.name}"`);
    schema = stageSchema(schema, stage);
    steps.push({ stage, schema });
  }
  const batches = (options: OrderedOptions = {}): AsyncIterable<RecordBatch> => {
    // The budget is that of the whole pipe: the source and each stage hold their part of it.
    const bytes = (options.bytes ?? DEFAULT_PREFETCH_BYTES) / (steps.length + 1);
    const shared = { ...options, bytes };
    return steps.reduce<AsyncIterable<RecordBatch>>(
      (input, step) => runStage(step.stage, input, { schema: step.schema, options: shared }),
      withErrors(checkedBatches(source.batches(shared), source.schema, 'the source'), ofSource),
    );
  };
  return {
    schema,
    batches,
    [Symbol.asyncIterator]: () => batches()[Symbol.asyncIterator](),
    to(sink, options) {
      const who = `sink "${sink.name}"`;
      checkNeeds(schema, sink.needs, who);
      return sink.consume(batches(options), schema).catch((error: unknown) => {
        throw options?.signal?.aborted ? error : named(error, who);
      });
    },
  };
};

/**
 * Joins a source, stages and perhaps a sink: without a sink the result is a {@link Pipe} (itself a source), with one
 * it is the promise of the sink's result. Missing columns are refused here, before any row flows; while rows flow,
 * each batch is compared with what its stage declared. Stages run concurrently within their bounds, in order, with
 * backpressure; batches without rows are skipped.
 * @throws ConfigError naming the missing column and the stage that needs it
 */
export function pipe(source: StreamSource, ...stages: readonly Stage[]): Pipe;
export function pipe<R>(source: StreamSource, ...parts: readonly [...Stage[], Sink<R>]): Promise<R>;
export function pipe(
  source: StreamSource,
  ...parts: readonly (Stage | Sink<unknown>)[]
): Pipe | Promise<unknown> {
  const last = parts.at(-1);
  if (last === undefined || !isSink(last)) return compose(source, parts as readonly Stage[]);
  return compose(source, parts.slice(0, -1) as readonly Stage[]).to(last);
}
