/**
 * Gathering rows of several record batches into new buffers, column by column.
 * A collector takes runs of consecutive rows (`start`, `count`) for numbered output slots, in any order of slots,
 * and lays them out in slot order when it is finished. Nested columns recurse: a run of list rows is one run of
 * child rows.
 */
import type { Data, RecordBatch, Schema } from 'apache-arrow';
import { ShapeError } from '@polygate/core';
import {
  assembleBatch,
  bytesOf,
  childOf,
  makeColumn,
  numbersOf,
  offsetsIn,
  refuseNullsIn,
} from './arrow-data.ts';
import { offsetsOf } from './build.ts';
import { arrayOf, type FieldKind, isPrimitive, type NumericArray, type PrimitiveKind } from './kinds.ts';
import { schemaFields } from './schema.ts';

interface Collector {
  put(data: Data, run: Run): void;
  finish(): Data;
}

/** Rows start .. start + count of a column, for output slot `slot`. */
interface Run {
  readonly slot: number;
  readonly start: number;
  readonly count: number;
}

/** Copies one value per slot straight to its place; for columns of fixed width when every run is one row. */
const fixedCollector = (kind: PrimitiveKind, slots: number, width: number): Collector => {
  const out = new (arrayOf(kind))(slots * width);
  return {
    put(data, { slot, start }) {
      const source = numbersOf(data);
      if (width === 1) out[slot] = source[start] ?? 0;
      else out.set(source.subarray(start * width, (start + 1) * width), slot * width);
    },
    finish: () => makeColumn(kind, { length: out.length, data: out }),
  };
};

const joined = (
  ArrayType: ReturnType<typeof arrayOf>,
  pieces: readonly (NumericArray | undefined)[],
): NumericArray => {
  let total = 0;
  for (const piece of pieces) total += piece?.length ?? 0;
  const out = new ArrayType(total);
  let at = 0;
  for (const piece of pieces) {
    if (piece === undefined) continue;
    out.set(piece, at);
    at += piece.length;
  }
  return out;
};

/** Runs of any length of a primitive column. Pieces are copied, so that a source batch can be let go. */
const primitiveCollector = (kind: PrimitiveKind, slots: number, width = 1): Collector => {
  const pieces = new Array<NumericArray | undefined>(slots).fill(undefined);
  return {
    put(data, { slot, start, count }) {
      pieces[slot] = numbersOf(data).slice(start * width, (start + count) * width);
    },
    finish() {
      const data = joined(arrayOf(kind), pieces);
      return makeColumn(kind, { length: data.length, data });
    },
  };
};

function* lengthsOf(pieces: readonly (Int32Array | undefined)[]): Generator<number> {
  for (const piece of pieces) {
    if (piece === undefined) continue;
    for (let i = 1; i < piece.length; i += 1) yield (piece[i] ?? 0) - (piece[i - 1] ?? 0);
  }
}

/** Text, binary and lists: the offsets of each run, and one run of bytes or child rows. */
const variableCollector = (kind: FieldKind, slots: number, child: Collector | undefined): Collector => {
  const spans = new Array<Int32Array | undefined>(slots).fill(undefined);
  const bytes = new Array<Uint8Array | undefined>(slots).fill(undefined);
  return {
    put(data, { slot, start, count }) {
      const span = offsetsIn(data).slice(start, start + count + 1);
      const first = span[0] ?? 0;
      const last = span[count] ?? 0;
      spans[slot] = span;
      if (child === undefined) bytes[slot] = bytesOf(data).slice(first, last);
      else child.put(childOf(data), { slot, start: first, count: last - first });
    },
    finish() {
      let length = 0;
      for (const span of spans) length += span === undefined ? 0 : span.length - 1;
      const valueOffsets = offsetsOf(lengthsOf(spans), length, 'gather');
      const values = child === undefined ? { data: joined(Uint8Array, bytes) } : { child: child.finish() };
      return makeColumn(kind, { length, valueOffsets, ...values });
    },
  };
};

const collectorOf = (kind: FieldKind, slots: number, singleRows: boolean): Collector => {
  if (isPrimitive(kind)) {
    return singleRows ? fixedCollector(kind, slots, 1) : primitiveCollector(kind, slots);
  }
  if (kind === 'utf8' || kind === 'binary') return variableCollector(kind, slots, undefined);
  if ('list' in kind) return variableCollector(kind, slots, collectorOf(kind.list, slots, false));
  const { fixedList, size } = kind;
  const child = singleRows
    ? fixedCollector(fixedList, slots, size)
    : primitiveCollector(fixedList, slots, size);
  return {
    put: (data, run) => child.put(childOf(data), run),
    finish() {
      const values = child.finish();
      return makeColumn(kind, { length: values.length / size, child: values });
    },
  };
};

/** Collects rows into one new batch. */
export interface Gatherer {
  /** Puts rows `start .. start + count` of a batch of the gatherer's schema into slot `slot`. */
  put(batch: RecordBatch, run: Run): void;
  /** The batch of all slots in order. */
  finish(): RecordBatch;
}

/** A gatherer of `slots` runs; `singleRows` promises that each run is exactly one row, which is faster. */
export const createGatherer = (schema: Schema, slots: number, singleRows: boolean): Gatherer => {
  const collectors = Object.values(schemaFields(schema)).map((kind) => collectorOf(kind, slots, singleRows));
  return {
    put(batch, run) {
      const { children } = batch.data;
      for (let i = 0; i < collectors.length; i += 1) collectors[i]?.put(children[i] as Data, run);
    },
    finish() {
      const children = collectors.map((collector) => collector.finish());
      return assembleBatch(schema, children, children[0]?.length ?? 0);
    },
  };
};

/**
 * Rows of a batch in the order of `indices`, copied.
 * @throws ShapeError for a row outside the batch, FormatError for a batch with nulls
 */
export const takeRows = (batch: RecordBatch, indices: readonly number[]): RecordBatch => {
  refuseNullsIn(batch, 'take: ');
  const gatherer = createGatherer(batch.schema, indices.length, true);
  indices.forEach((start, slot) => {
    if (!Number.isInteger(start) || start < 0 || start >= batch.numRows) {
      throw new ShapeError(`take: expected rows of 0 to ${batch.numRows - 1}, got ${start}`);
    }
    gatherer.put(batch, { slot, start, count: 1 });
  });
  return gatherer.finish();
};

/** Runs of rows of several batches of one schema, joined into one new batch. */
export const joinRuns = (
  schema: Schema,
  runs: readonly { readonly batch: RecordBatch; readonly start: number; readonly count: number }[],
): RecordBatch => {
  const gatherer = createGatherer(schema, runs.length, false);
  runs.forEach(({ batch, start, count }, slot) => {
    refuseNullsIn(batch, 'join: ');
    gatherer.put(batch, { slot, start, count });
  });
  return gatherer.finish();
};
