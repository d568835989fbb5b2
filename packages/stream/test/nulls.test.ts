import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  Field,
  FixedSizeList,
  Int32,
  List,
  makeData,
  RecordBatch,
  Schema,
  Struct,
  Utf8,
  vectorFromArray,
  type Vector,
} from 'apache-arrow';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  collectSink,
  defineSchema,
  openShards,
  pipe,
  rebatchStage,
  takeRows,
  textRow,
  values,
  writeShards,
} from '@polygate/stream';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nulls-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** A batch as other programs make it: a validity bitmap under a schema that promises no nulls. */
const batchOf = (columns: Readonly<Record<string, Vector>>, nullable = false): RecordBatch => {
  const fields = Object.entries(columns).map(([name, { type }]) => new Field(name, type, nullable));
  const children = Object.values(columns).map((vector) => vector.data[0]!);
  const length = children[0]?.length ?? 0;
  return new RecordBatch(
    new Schema(fields),
    makeData({ type: new Struct(fields), length, nullCount: 0, children }),
  );
};

const numbers = new Field('item', new Int32(), false);
const lists = (rows: readonly (readonly (number | null)[])[]): Vector =>
  vectorFromArray(rows, new List(numbers));
const pairs = (rows: readonly (readonly (number | null)[])[]): Vector =>
  vectorFromArray(rows, new FixedSizeList(2, numbers));

const cases: readonly (readonly [string, Vector, number])[] = [
  ['texts', vectorFromArray(['a', null, 'c'], new Utf8()), 1],
  ['numbers', vectorFromArray([1, 2, null], new Int32()), 2],
  ['lists', vectorFromArray([null, [1], [2]], new List(numbers)), 0],
  ['values of lists', lists([[1, 2], [], [3, null]]), 2],
  [
    'values of fixed lists',
    pairs([
      [1, 2],
      [3, null],
      [5, 6],
    ]),
    1,
  ],
];

describe('nulls of other programs', () => {
  it.each(cases)('are refused in %s by the writer, naming column and row', async (name, vector, row) => {
    for (const nullable of [false, true]) {
      const batch = batchOf({ id: vectorFromArray(['x', 'y', 'z'], new Utf8()), bad: vector }, nullable);
      const target = join(folder, `${name}-${nullable}`);
      await expect(writeShards(target, batch.schema, [batch])).rejects.toThrow(
        `write shards, batch at row 0: column "bad": expected a value in every row, got null in row ${row}; fill it or drop the row`,
      );
      expect(existsSync(target)).toBe(false);
    }
  });

  it('are refused by reading, taking and joining rows', async () => {
    const batch = batchOf({
      label: vectorFromArray([1, null], new Int32()),
      text: vectorFromArray([null, 'b'], new Utf8()),
    });
    expect(() => values(batch, 'label')).toThrow(
      'column "label": expected a value in every row, got null in row 1',
    );
    expect(() => textRow(batch, 'text', 1)).toThrow(
      'column "text": expected a value in every row, got null in row 0',
    );
    expect(() => takeRows(batch, [0])).toThrow('take: column "label"');
    const source = { schema: batch.schema, batches: () => each([batch]) };
    await expect(pipe(source, rebatchStage(1), collectSink())).rejects.toThrow(
      'column "label": expected a value in every row, got null in row 1',
    );
  });

  it('pass where a nullable column has none', async () => {
    const batch = batchOf({ label: vectorFromArray([1, 2], new Int32()) }, true);
    const target = join(folder, 'whole');
    await writeShards(target, batch.schema, [batch]);
    const set = await openShards(target);
    expect(set.schema.fields[0]?.nullable).toBe(defineSchema({ label: 'int32' }).fields[0]?.nullable);
    expect([...values(await set.read([1, 0]), 'label')]).toEqual([2, 1]);
    await set.close();
  });
});

async function* each(batches: readonly RecordBatch[]): AsyncGenerator<RecordBatch> {
  for (const batch of batches) yield await Promise.resolve(batch);
}
