import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigError, StateError } from '@polygate/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  buildBatch,
  collectSink,
  createBatchSource,
  createQuarantine,
  datasetMetadata,
  defineSchema,
  filterStage,
  forEachSink,
  mapStage,
  openShards,
  pipe,
  readDatasetMetadata,
  rebatchStage,
  type RecordBatch,
  requireTokenizer,
  type Schema,
  shardSink,
  type Stage,
  type StreamSource,
  values,
  withColumns,
} from '@polygate/stream';

const schema = defineSchema({ id: 'int32', score: 'float32' }, { owner: 'team a' });

const source = (batches: number, rows = 4): StreamSource => ({
  schema,
  async *batches() {
    for (let b = 0; b < batches; b += 1) {
      const id = Int32Array.from({ length: rows }, (_, i) => b * rows + i);
      yield buildBatch(schema, { id, score: Float32Array.from(id, (value) => value / 2) });
    }
  },
});

const double = mapStage(
  { name: 'double', needs: { score: 'float32' }, adds: { twice: 'float32' } },
  (batch) => ({
    twice: Float32Array.from(values(batch, 'score'), (value) => value * 2),
  }),
);

const ids = (batches: readonly RecordBatch[]): number[] =>
  batches.flatMap((batch) => [...values(batch, 'id')]);

let root = '';
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'polygate-pipe-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

describe('pipe', () => {
  it('runs source, stages and sink, keeps columns and metadata, and can be run again', async () => {
    const stream = pipe(source(3), double);
    for (let run = 0; run < 2; run += 1) {
      const batches = await stream.to(collectSink());
      expect(ids(batches)).toEqual(Array.from({ length: 12 }, (_, i) => i));
      expect(batches.flatMap((batch) => [...values(batch, 'twice')])).toEqual(
        Array.from({ length: 12 }, (_, i) => i),
      );
    }
    expect(Object.fromEntries(stream.schema.metadata)).toEqual({ 'polygate.version': '1', owner: 'team a' });
    expect(
      await pipe(
        source(3),
        double,
        forEachSink({ name: 'count', needs: ['twice'] }, () => {}),
      ),
    ).toBe(12);
  });

  it('names the missing column and the stage when it is composed, before any row flows', () => {
    const needy: Stage = { name: 'tag', needs: ['image'], adds: {}, apply: (batch) => batch };
    let error: unknown;
    try {
      pipe(source(1), double, needy);
    } catch (caught) {
      error = caught;
    }
    expect(error).toBeInstanceOf(ConfigError);
    expect((error as Error).message).toBe(
      'pipe: stage "tag" needs column "image", which nothing before it gives; there are id, score, twice: ' +
        'put a stage that adds it in front, or read it from the source',
    );
    expect(error).toMatchObject({
      code: 'missing-column',
      fields: { stage: 'stage "tag"', column: 'image' },
    });
    const kinds: Stage = { ...needy, needs: { id: 'utf8' } };
    expect(() => pipe(source(1), kinds)).toThrow(
      'stage "tag" needs column "id" as utf8, got int32; convert it',
    );
    const sink = forEachSink({ name: 'score card', needs: ['logits'] }, () => {});
    expect(() => pipe(source(1), double, sink)).toThrow('sink "score card" needs column "logits"');
    const drop: Stage = { name: 'drop', needs: [], adds: {}, drops: ['score'], apply: (batch) => batch };
    expect(() => pipe(source(1), drop, double)).toThrow('stage "double" needs column "score"');
  });

  it('names a stage that gives other columns than it declares', async () => {
    const liar: Stage = { name: 'liar', needs: [], adds: { extra: 'int32' }, apply: (batch) => batch };
    const run = pipe(source(1), liar).to(collectSink());
    await expect(run).rejects.toThrow(StateError);
    await expect(run).rejects.toThrow(
      'pipe: stage "liar" gave a batch of other columns than it declares: column 2: expected "extra: int32", got "(no column)"; correct the stage',
    );
  });

  it('names the stage of an error without type, and of typed ones, which keep class and code', async () => {
    const broken = (error: Error): Stage => ({
      name: 'broken',
      needs: [],
      adds: {},
      apply() {
        throw error;
      },
    });
    await expect(pipe(source(1), broken(new TypeError('x is undefined'))).to(collectSink())).rejects.toThrow(
      'pipe: stage "broken" failed: x is undefined; see the cause',
    );
    const typed = new ConfigError('no such label');
    const run = pipe(source(1), broken(typed)).to(collectSink());
    await expect(run).rejects.toThrow(ConfigError);
    await expect(run).rejects.toMatchObject({
      message: 'pipe: stage "broken": no such label',
      code: 'config',
      cause: typed,
    });
  });

  it('keeps the order when a stage works on several batches at once', async () => {
    let running = 0;
    let most = 0;
    const slow: Stage = {
      name: 'slow',
      needs: ['id'],
      adds: {},
      concurrency: 3,
      async apply(batch) {
        running += 1;
        most = Math.max(most, running);
        // Later batches are done sooner.
        for (let i = 20 - (values(batch, 'id')[0] ?? 0); i > 0; i -= 1) await new Promise(setImmediate);
        running -= 1;
        return batch;
      },
    };
    expect(ids(await pipe(source(6), slow).to(collectSink()))).toEqual(
      Array.from({ length: 24 }, (_, i) => i),
    );
    expect(most).toBeGreaterThan(1);
    expect(most).toBeLessThanOrEqual(3);
  });

  it('slows the source to the pace of the sink', async () => {
    let given = 0;
    const counting: StreamSource = {
      schema,
      async *batches() {
        for await (const batch of source(1000).batches()) {
          given += 1;
          yield batch;
        }
      },
    };
    for await (const batch of pipe(counting, double).batches({ bytes: 400 })) {
      for (let i = 0; i < 20; i += 1) await new Promise(setImmediate);
      void batch;
      break;
    }
    // 400 bytes for source and stage: 200 for a stage of 48-byte batches, so 4 wait beside the one handed out.
    expect(given).toBeLessThanOrEqual(6);
  });

  it('stops the source when the consumer stops and when the signal says so', async () => {
    let closed = 0;
    const closing: StreamSource = {
      schema,
      async *batches() {
        try {
          yield* source(1000).batches();
        } finally {
          closed += 1;
        }
      },
    };
    for await (const _ of pipe(closing, double)) break;
    expect(closed).toBe(1);
    const abort = new AbortController();
    const run = async (): Promise<void> => {
      for await (const _ of pipe(closing, double).batches({ signal: abort.signal }))
        abort.abort(new Error('halt'));
    };
    await expect(run()).rejects.toThrow('halt');
    await new Promise(setImmediate);
    expect(closed).toBe(2);
  });

  it('drops rows into the quarantine with their reasons and recuts what is left', async () => {
    using quarantine = createQuarantine({ maxRate: 1 });
    const odd = filterStage({
      name: 'even only',
      needs: ['id'],
      keep: (batch, row) => (values(batch, 'id')[row] ?? 0) % 2 === 0 || 'odd id',
      id: (batch, row) => `id ${values(batch, 'id')[row]}`,
      quarantine,
    });
    const batches = await pipe(source(5), odd, rebatchStage(3)).to(collectSink());
    expect(batches.map((batch) => batch.numRows)).toEqual([3, 3, 3, 1]);
    expect(ids(batches)).toEqual([0, 2, 4, 6, 8, 10, 12, 14, 16, 18]);
    expect(quarantine.finish()).toEqual({ accepted: 10, rejected: 10, reasons: { 'odd id': 10 } });
  });

  it('writes shards at its end and reads them as a source, with columns and metadata that stages added', async () => {
    const tagged: Stage = { ...double, metadata: { 'double.version': '3' } };
    const manifest = await pipe(source(8), tagged, shardSink(join(root, 'piped'), { rowsPerBatch: 5 }));
    expect(manifest.rows).toBe(32);
    await using shards = await openShards(join(root, 'piped'));
    expect(shards.schema.metadata.get('double.version')).toBe('3');
    const ordered = createBatchSource({ shards, seed: 0, batchSize: 7, epochs: 1, shuffle: false });
    expect(ids(await pipe(ordered).to(collectSink()))).toEqual(Array.from({ length: 32 }, (_, i) => i));
    expect(ids(await pipe(shards, double).to(collectSink())).length).toBe(32);
  });

  it('refuses added columns of another length', async () => {
    const short = mapStage({ name: 'short', needs: [], adds: { extra: 'int32' } }, () => ({ extra: [1] }));
    await expect(pipe(source(1), short).to(collectSink())).rejects.toThrow(
      'column "extra": expected 4 rows as in the batch, got 1; give one value per row',
    );
    const other: Schema = defineSchema({ id: 'int32', extra: 'utf8' });
    const batch = buildBatch(schema, { id: [1], score: [2] });
    expect(withColumns(batch, other, { extra: ['x'] }).schema.fields.map((field) => field.name)).toEqual([
      'id',
      'extra',
    ]);
  });
});

describe('data-set metadata', () => {
  const metadata = {
    kind: 'labelled-image',
    image: { height: 2, width: 3, channels: 3 },
    classes: ['cat', 'dog'],
    tokenizer: 'abc',
    code: '0.1.0',
  };
  const make = (entries: Record<string, string>): Schema => defineSchema({ id: 'utf8' }, entries);

  it('goes through a schema and back', () => {
    expect(readDatasetMetadata(make(datasetMetadata(metadata)))).toEqual(metadata);
    expect(readDatasetMetadata(make(datasetMetadata({ kind: 'text' })))).toEqual({ kind: 'text' });
  });

  it('says what is wrong with it', () => {
    const broken = (key: string, text: string) => () =>
      readDatasetMetadata(make({ ...datasetMetadata(metadata), [key]: text }));
    expect(() => readDatasetMetadata(make({}))).toThrow(
      'schema metadata: expected polygate.kind, got only ["polygate.version"]; write the rows with datasetMetadata() in their schema',
    );
    expect(broken('polygate.image', '{"height":2}')).toThrow(
      'expected positive height, width and channels, got {"height":2}',
    );
    expect(broken('polygate.classes', '[1]')).toThrow('expected a list of names, got [1]');
    expect(broken('polygate.classes', 'cat')).toThrow(
      'schema metadata polygate.classes: expected JSON, got "cat" at 1:1',
    );
    expect(broken('polygate.version', 'x')).toThrow(
      'expected polygate.version of 1 to 1, got "x"; update Polygate',
    );
  });

  it('refuses rows of another tokenizer with both hashes', () => {
    const tokenized = make(datasetMetadata(metadata));
    expect(() => requireTokenizer(tokenized, 'abc')).not.toThrow();
    expect(() => requireTokenizer(tokenized, 'def')).toThrow(
      'tokenizer: expected rows tokenized by def, got rows tokenized by abc; use the tokenizer.json that lies beside the data',
    );
    expect(() => requireTokenizer(make({}), 'def')).toThrow('got rows that name no tokenizer');
  });
});
