import { ConfigError, ShapeError } from '@polygate/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { batchBytes } from './arrow-data.ts';
import { buildBatch } from './build.ts';
import {
  binaryRow,
  column,
  fixedListRow,
  fixedListValues,
  listRow,
  nestedListRow,
  textListRow,
  textRow,
  values,
} from './columns.ts';
import { joinRuns, takeRows } from './gather.ts';
import { defineSchema, schemaFields } from './schema.ts';

const schema = defineSchema({
  text: 'utf8',
  bytes: 'binary',
  small: 'int8',
  number: 'float32',
  fixed: { fixedList: 'int16', size: 2 },
  list: { list: 'float64' },
  nested: { list: { list: 'uint16' } },
  texts: { list: 'utf8' },
});

const row = fc.record({
  text: fc.string({ unit: 'grapheme', maxLength: 6 }),
  bytes: fc.uint8Array({ maxLength: 5 }),
  small: fc.integer({ min: -128, max: 127 }),
  number: fc.float({ noNaN: true }),
  fixed: fc.tuple(fc.integer({ min: -9, max: 9 }), fc.integer({ min: -9, max: 9 })),
  list: fc.array(fc.integer(), { maxLength: 4 }),
  nested: fc.array(fc.array(fc.nat({ max: 65535 }), { maxLength: 3 }), { maxLength: 3 }),
  texts: fc.array(fc.string({ maxLength: 3 }), { maxLength: 3 }),
});
type Row = typeof row extends fc.Arbitrary<infer R> ? R : never;

const build = (rows: readonly Row[]) =>
  buildBatch(schema, {
    text: rows.map((r) => r.text),
    bytes: rows.map((r) => r.bytes),
    small: rows.map((r) => r.small),
    number: rows.map((r) => r.number),
    fixed: rows.map((r) => [...r.fixed]),
    list: rows.map((r) => r.list),
    nested: rows.map((r) => r.nested),
    texts: rows.map((r) => r.texts),
  });

const read = (batch: ReturnType<typeof build>, i: number): unknown => ({
  text: textRow(batch, 'text', i),
  bytes: binaryRow(batch, 'bytes', i),
  small: values(batch, 'small')[i],
  number: values(batch, 'number')[i],
  fixed: [...fixedListRow(batch, 'fixed', i)],
  list: [...listRow(batch, 'list', i)],
  nested: nestedListRow(batch, 'nested', i).map((list) => [...list]),
  texts: textListRow(batch, 'texts', i),
});

const readAll = (batch: ReturnType<typeof build>): unknown[] =>
  Array.from({ length: batch.numRows }, (_, i) => read(batch, i));

fc.configureGlobal({ numRuns: 40 });

describe('batches of every kind', () => {
  it('give back what they were built from, also when sliced by apache-arrow', () => {
    fc.assert(
      fc.property(fc.array(row, { maxLength: 12 }), fc.nat({ max: 12 }), (rows, from) => {
        const batch = build(rows);
        expect(readAll(batch)).toEqual(rows);
        expect(readAll(batch.slice(from))).toEqual(rows.slice(from));
      }),
    );
  });

  it('gather rows as a plain loop over them does, from slices too', () => {
    fc.assert(
      fc.property(
        fc.array(row, { minLength: 1, maxLength: 12 }),
        fc.array(fc.nat()),
        fc.nat({ max: 11 }),
        (rows, picks, from) => {
          const kept = rows.slice(Math.min(from, rows.length - 1));
          const sliced = build(rows).slice(rows.length - kept.length);
          const indices = picks.map((pick) => pick % kept.length);
          expect(readAll(takeRows(sliced, indices))).toEqual(indices.map((i) => kept[i]));
        },
      ),
    );
  });

  it('join runs of several batches as concatenation does', () => {
    const runs = fc.array(fc.tuple(fc.array(row, { maxLength: 6 }), fc.nat({ max: 6 }), fc.nat({ max: 6 })), {
      maxLength: 4,
    });
    fc.assert(
      fc.property(runs, (parts) => {
        const cut = parts.map(([rows, a, b]) => {
          const start = Math.min(a, b, rows.length);
          return { rows, start, count: Math.min(Math.max(a, b), rows.length) - start };
        });
        const joined = joinRuns(
          schema,
          cut.map(({ rows, start, count }) => ({ batch: build(rows), start, count })),
        );
        expect(readAll(joined)).toEqual(
          cut.flatMap(({ rows, start, count }) => rows.slice(start, start + count)),
        );
      }),
    );
  });

  it('agree with apache-arrow reading the same columns', () => {
    const batch = buildBatch(defineSchema({ a: { list: { list: 'int32' } }, b: 'utf8' }), {
      a: [[[1, 2], []], []],
      b: ['x', 'é'],
    });
    expect(JSON.parse(JSON.stringify([...column(batch, 'a')]))).toEqual([[[1, 2], []], []]);
    expect([...column(batch, 'b')]).toEqual(['x', 'é']);
  });

  it('borrow typed arrays of the right type and copy others', () => {
    const image = Uint8Array.of(1, 2, 3, 4);
    const label = Float64Array.of(1, 2);
    const batch = buildBatch(defineSchema({ image: { fixedList: 'uint8', size: 2 }, label: 'int32' }), {
      image,
      label,
    });
    expect(fixedListValues(batch, 'image').buffer).toBe(image.buffer);
    expect(values(batch, 'label')).toEqual(Int32Array.of(1, 2));
    // 4 image bytes and two labels of 4.
    expect(batchBytes(batch)).toBe(12);
  });

  it('have columns of any name, those of every object among them', () => {
    const names = ['__proto__', 'constructor', 'toString', 'a'];
    const odd = defineSchema(Object.fromEntries(names.map((name) => [name, 'int32' as const])));
    expect(Object.keys(schemaFields(odd))).toEqual(names);
    const batch = buildBatch(odd, Object.fromEntries(names.map((name, i) => [name, [i]])));
    expect(batchBytes(batch)).toBe(16);
    expect(names.map((name) => values(batch, name)[0])).toEqual([0, 1, 2, 3]);
    expect(() => buildBatch(odd, { a: [1] })).toThrow('missing column "__proto__"');
    const plain = defineSchema({ a: 'int32' });
    expect(() => buildBatch(plain, { a: [1], constructor: [2] } as never)).toThrow(
      'unknown column "constructor"',
    );
  });

  it('take lists as offsets and values without copying them', () => {
    const tokens = Int32Array.of(5, 6, 7);
    const batch = buildBatch(defineSchema({ tokens: { list: 'int32' } }), {
      tokens: { offsets: Int32Array.of(0, 2, 2, 3), values: tokens },
    });
    expect([0, 1, 2].map((i) => [...listRow(batch, 'tokens', i)])).toEqual([[5, 6], [], [7]]);
    expect(listRow(batch, 'tokens', 0).buffer).toBe(tokens.buffer);
  });
});

describe('errors of batches', () => {
  const pair = defineSchema({ a: 'int32', b: { fixedList: 'uint8', size: 3 }, c: { list: 'int32' } });
  const good = { a: [1], b: [[1, 2, 3]], c: [[4]] };
  it.each([
    [{ a: [1], b: [[1, 2, 3]] }, 'batch: missing column "c"; expected a, b, c, got a, b'],
    [{ ...good, d: [1] }, 'batch: unknown column "d"; expected a, b, c, got a, b, c, d'],
    [
      { ...good, a: ['x'] },
      'batch: column "a": expected int32 numbers, got an array of 1 starting with string; convert the column first',
    ],
    [
      { ...good, a: [1, 2] },
      'batch: expected 2 rows in each column (as in "a"), got 1 in "b"; give every column the same number of rows',
    ],
    [
      { ...good, b: [[1, 2]] },
      'batch: column "b" row 0: expected 3 values (fixedList<uint8, 3>), got 2; resize the row first',
    ],
    [
      { ...good, b: new Uint8Array(4) },
      'batch: column "b": expected a multiple of 3 values (fixedList<uint8, 3>), got 4; give whole rows',
    ],
    [{ ...good, c: [7] }, 'batch: column "c" row 0: expected an array, got number'],
    [
      { ...good, c: { offsets: Int32Array.of(0, 9), values: [1] } },
      'batch: column "c": expected rising offsets (rows + 1 of them) up to the 1 values',
    ],
  ])('%# name column, expected and got', (columns, text) => {
    expect(() => buildBatch(pair, columns as never)).toThrow(text);
  });

  it('name the missing column and the known ones, the wrong kind and the row outside', () => {
    const batch = buildBatch(pair, good);
    expect(() => values(batch, 'aa')).toThrow('unknown column "aa": did you mean "a"? known: a, b, c');
    expect(() => values(batch, 'aa')).toThrow(ConfigError);
    expect(() => textRow(batch, 'c', 0)).toThrow(
      'column "c": expected a utf8 column, got list<int32>; read it with the function of its kind',
    );
    expect(() => listRow(batch, 'c', 1)).toThrow('column "c": expected a row of 0 to 0, got 1');
    expect(() => takeRows(batch, [1])).toThrow(ShapeError);
  });

  it('refuse unknown kinds with the known ones', () => {
    expect(() => defineSchema({ a: 'int64' as 'int32' })).toThrow(
      /schema: column "a": expected a field kind, one of int8, .*utf8, binary, .*got "int64"; choose one of these/u,
    );
    expect(() => defineSchema({ a: { fixedList: 'uint8', size: 0 } })).toThrow(
      'got {"fixedList":"uint8","size":0}',
    );
    expect(() => defineSchema({})).toThrow('schema: expected 1 to 1024 columns, got 0');
    const deep = { list: { list: { list: { list: { list: 'int8' } } } } } as const;
    expect(() => defineSchema({ a: deep })).toThrow('lists at most 4 deep');
  });

  it('keep kinds through Arrow types', () => {
    expect(schemaFields(schema)).toEqual({
      text: 'utf8',
      bytes: 'binary',
      small: 'int8',
      number: 'float32',
      fixed: { fixedList: 'int16', size: 2 },
      list: { list: 'float64' },
      nested: { list: { list: 'uint16' } },
      texts: { list: 'utf8' },
    });
  });
});
