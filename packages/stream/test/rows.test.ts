import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigError, FormatError, ShapeError, StateError } from '@polygate/core';
import { tableFromIPC } from 'apache-arrow';
import { afterAll, beforeAll, describe, expect, expectTypeOf, it } from 'vitest';
import {
  arrowFileSink,
  buildBatch,
  collectSink,
  defineSchema,
  fixedListRow,
  forEachSink,
  fromRows,
  listRow,
  mapStage,
  type NumericArray,
  pipe,
  type RowOf,
  type Schema,
  type SequenceStage,
  shardSink,
  textListRow,
  textRow,
  values,
} from '@polygate/stream';

const schema = defineSchema({
  id: 'utf8',
  label: 'int32',
  box: { fixedList: 'float32', size: 2 },
  tokens: { list: 'int32' },
  words: { list: 'utf8' },
  bytes: 'binary',
});
type Sample = RowOf<typeof schema>;
const sample = (i: number): Sample => ({
  id: `row ${i}`,
  label: i,
  box: [i, i + 0.5],
  tokens: Int32Array.from({ length: i }, () => i),
  words: i === 0 ? [] : ['a', 'b'],
  bytes: Uint8Array.of(i),
});

let root = '';
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'polygate-rows-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

describe('a typed schema', () => {
  it('tells the compiler what its rows and columns are', () => {
    expectTypeOf<Sample['id']>().toEqualTypeOf<string>();
    expectTypeOf<Sample['label']>().toEqualTypeOf<number>();
    expectTypeOf<Sample['box']>().toEqualTypeOf<NumericArray | readonly number[]>();
    expectTypeOf<Sample['words']>().toEqualTypeOf<readonly string[]>();
    expectTypeOf<Sample['bytes']>().toEqualTypeOf<Uint8Array>();
    const small = defineSchema({ id: 'utf8', label: 'int32' });
    // @ts-expect-error label is a column of numbers
    expect(() => buildBatch(small, { id: ['a'], label: ['1'] })).toThrow(ShapeError);
    // @ts-expect-error label is missing
    expect(() => buildBatch(small, { id: ['a'] })).toThrow(ConfigError);
    // A schema of a file is any schema.
    const unknown: Schema = small;
    expect(buildBatch(unknown, { id: ['a'], label: [1] }).numRows).toBe(1);
  });
});

describe('fromRows', () => {
  async function* read(count: number): AsyncGenerator<Sample> {
    for (let i = 0; i < count; i += 1) yield sample(i);
  }

  it('makes batches of rows of every kind, the last one shorter', async () => {
    const batches = await pipe(fromRows(schema, read(5), { rowsPerBatch: 2 })).to(collectSink());
    expect(batches.map(({ numRows }) => numRows)).toEqual([2, 2, 1]);
    const [, second] = batches;
    if (!second) throw new Error('no batch');
    expect(textRow(second, 'id', 1)).toBe('row 3');
    expect([...values(second, 'label')]).toEqual([2, 3]);
    expect([...fixedListRow(second, 'box', 0)]).toEqual([2, 2.5]);
    expect([...listRow(second, 'tokens', 1)]).toEqual([3, 3, 3]);
    expect(textListRow(second, 'words', 0)).toEqual(['a', 'b']);
  });

  it('begins anew where it is given a list or a function, and says that a generator was read', async () => {
    for (const rows of [[sample(1), sample(2)], () => read(2)]) {
      const source = fromRows(schema, rows);
      for (let time = 0; time < 2; time += 1) {
        expect(await pipe(source).to(forEachSink({ name: 'count', needs: [] }, () => {}))).toBe(2);
      }
    }
    const once = fromRows(schema, read(2));
    await pipe(once).to(collectSink());
    await expect(pipe(once).to(collectSink())).rejects.toThrow(
      'fromRows: expected rows that can be read again, got a generator that was read before; pass the function that makes it: fromRows(schema, () => read())',
    );
  });

  it('names the row of what is wrong', async () => {
    const { label: _, ...short } = sample(3);
    const lacking = [sample(1), sample(2), short as Sample];
    await expect(pipe(fromRows(schema, lacking, { rowsPerBatch: 2 })).to(collectSink())).rejects.toThrow(
      'row 2: expected a value for column "label", got id, box, tokens, words, bytes; give every row every column, and leave out rows that lack one',
    );
    const wrong = [sample(1), { ...sample(2), box: [1] }];
    await expect(pipe(fromRows(schema, wrong)).to(collectSink())).rejects.toThrow(
      'rows 0 to 1: batch: column "box" row 1: expected 2 values (fixedList<float32, 2>), got 1; resize the row first',
    );
    expect(() => fromRows(schema, [], { rowsPerBatch: 0 })).toThrow(
      'fromRows: expected rowsPerBatch to be a whole number of at least 1, got 0',
    );
  });
});

describe('arrowFileSink', () => {
  it.each(['none', 'lz4'] as const)(
    'writes a file that apache-arrow reads, compression %s',
    async (compression) => {
      const path = join(root, `${compression}.arrow`);
      const rows = Array.from({ length: 300 }, (_, i) => sample(i % 7));
      const written = await pipe(
        fromRows(schema, rows, { rowsPerBatch: 100 }),
        arrowFileSink(path, { compression }),
      );
      const bytes = await readFile(path);
      expect(written).toEqual({ path, rows: 300, batches: 3, bytes: bytes.length });
      if (compression === 'lz4') return; // apache-arrow needs a codec of its own for it; our reader's tests have it
      const table = tableFromIPC(bytes);
      expect(table.numRows).toBe(300);
      expect(table.get(10)?.['id']).toBe('row 3');
      expect(table.schema.metadata.get('polygate.version')).toBe('1');
    },
  );

  it('leaves nothing behind when a stage fails, and an old file as it was', async () => {
    const path = join(root, 'kept.arrow');
    await pipe(fromRows(schema, [sample(1)]), arrowFileSink(path));
    const before = await readFile(path);
    const broken = mapStage({ name: 'broken', needs: [], adds: {} }, () => {
      throw new FormatError('no good');
    });
    await expect(pipe(fromRows(schema, [sample(1)]), broken, arrowFileSink(path))).rejects.toThrow(
      'pipe: stage "broken": no good',
    );
    expect(await readFile(path)).toEqual(before);
    expect((await readdir(root)).filter((name) => name.includes('partial'))).toEqual([]);
    await expect(
      pipe(fromRows(schema, [sample(1)]), arrowFileSink(join(root, 'no', 'x.arrow'))),
    ).rejects.toThrow(/^pipe: sink "arrow file": arrow file: expected a folder that can be written for /u);
  });
});

describe('errors of a pipe', () => {
  const source = fromRows(schema, [sample(1), sample(2)], { rowsPerBatch: 1 });
  const halve: SequenceStage = {
    name: 'halve',
    needs: [],
    adds: {},
    async *transform(batches) {
      for await (const batch of batches) yield batch;
    },
  };

  it('name the stage once, keep class and code, and pass later stages and the sink', async () => {
    const short = mapStage({ name: 'short', needs: [], adds: { extra: 'int32' } }, () => ({ extra: [1, 2] }));
    const run = pipe(source, short, halve, shardSink(join(root, 'never')));
    await expect(run).rejects.toThrow(ShapeError);
    await expect(run).rejects.toMatchObject({
      message:
        'pipe: stage "short": column "extra": expected 1 rows as in the batch, got 2; give one value per row',
      code: 'shape',
      fields: { stage: 'stage "short"' },
    });
  });

  it('of stages over the sequence and of sinks have names, too', async () => {
    const cause = new TypeError('x is undefined');
    const broken: SequenceStage = {
      ...halve,
      async *transform(batches) {
        yield* batches;
        throw cause;
      },
    };
    await expect(pipe(source, broken).to(collectSink())).rejects.toMatchObject({
      message: 'pipe: stage "halve" failed: x is undefined; see the cause',
      code: 'stage-failed',
      cause,
    });
    const sink = forEachSink({ name: 'upload', needs: [] }, () => {
      throw new StateError('no room');
    });
    await expect(pipe(source, halve).to(sink)).rejects.toThrow('pipe: sink "upload": no room');
  });

  it('of the source are its own', async () => {
    const failure = new FormatError('photos.tar: damaged at byte 7');
    const bad = {
      schema,
      async *batches(): AsyncGenerator<never> {
        throw failure;
      },
    };
    await expect(pipe(bad, halve).to(collectSink())).rejects.toBe(failure);
  });

  it('are those of the signal where it ended the run', async () => {
    const reason = new Error('enough');
    const signal = AbortSignal.abort(reason);
    await expect(pipe(source, halve).to(collectSink(), { signal })).rejects.toBe(reason);
  });
});
