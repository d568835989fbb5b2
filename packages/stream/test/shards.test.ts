import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, readlink, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tableFromIPC } from 'apache-arrow';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  binaryRow,
  buildBatch,
  createBatchSource,
  defineSchema,
  fixedListRow,
  fixedListValues,
  listRow,
  nestedListRow,
  openShards,
  type RecordBatch,
  registerLz4Codec,
  textListRow,
  textRow,
  values,
  writeShards,
} from '@polygate/stream';

const schema = defineSchema(
  {
    id: 'utf8',
    image: { fixedList: 'uint8', size: 5 },
    label: 'int32',
    score: 'float64',
    tokens: { list: 'int32' },
    captions: { list: { list: 'int32' } },
    names: { list: 'utf8' },
    raw: 'binary',
  },
  { 'polygate.kind': 'everything' },
);

/** Every value of row r is a function of r, so that a misplaced one shows. */
const rowOf = (r: number) => ({
  id: `row ${r} é`,
  image: [r & 255, (r + 1) & 255, 2, 3, 4],
  label: r * 3,
  score: r / 7,
  tokens: Array.from({ length: r % 4 }, (_, i) => r + i),
  captions: Array.from({ length: r % 3 }, (_, i) =>
    Array.from({ length: (r + i) % 3 }, (_, j) => r * 10 + j),
  ),
  names: Array.from({ length: r % 3 }, (_, i) => `n${r}.${i}`),
  raw: [r & 255, 7].slice(0, 1 + (r % 2)),
});

const batchOf = (start: number, count: number): RecordBatch => {
  const rows = Array.from({ length: count }, (_, i) => rowOf(start + i));
  return buildBatch(schema, {
    id: rows.map((row) => row.id),
    image: Uint8Array.from(rows.flatMap((row) => row.image)),
    label: Int32Array.from(rows, (row) => row.label),
    score: rows.map((row) => row.score),
    tokens: rows.map((row) => row.tokens),
    captions: rows.map((row) => row.captions),
    names: rows.map((row) => row.names),
    raw: rows.map((row) => Uint8Array.from(row.raw)),
  });
};

const readRow = (batch: RecordBatch, i: number): ReturnType<typeof rowOf> => ({
  id: textRow(batch, 'id', i),
  image: [...fixedListRow(batch, 'image', i)],
  label: values(batch, 'label')[i] ?? NaN,
  score: values(batch, 'score')[i] ?? NaN,
  tokens: [...listRow(batch, 'tokens', i)],
  captions: nestedListRow(batch, 'captions', i).map((list) => [...list]),
  names: textListRow(batch, 'names', i),
  raw: [...binaryRow(batch, 'raw', i)],
});

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'polygate-shards-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe.each(['none', 'lz4'] as const)('shards, compression %s', (compression) => {
  it('gives back every row by number, in any order, from files cut at 7 rows', async () => {
    const directory = join(folder, compression);
    const batches = [batchOf(0, 1), batchOf(1, 40), batchOf(41, 0), batchOf(41, 59)];
    const manifest = await writeShards(directory, schema, batches, {
      rowsPerBatch: 7,
      rowsPerShard: 33,
      compression,
    });
    expect(manifest.rows).toBe(100);
    // 33 rows a shard: 7+7+7+7+5; the last shard holds one row.
    expect(manifest.shards.map((shard) => shard.batches.map((batch) => batch.rows))).toEqual([
      [7, 7, 7, 7, 5],
      [7, 7, 7, 7, 5],
      [7, 7, 7, 7, 5],
      [1],
    ]);
    await using shards = await openShards(directory, { verify: true });
    const wanted = [99, 0, 41, 41, 7, 33, 32];
    const batch = await shards.read(wanted);
    expect(wanted.map((_, i) => readRow(batch, i))).toEqual(wanted.map(rowOf));
    expect(fixedListValues(batch, 'image').length).toBe(35);
    let next = 0;
    for await (const piece of shards.batches()) {
      for (let i = 0; i < piece.numRows; i += 1, next += 1) expect(readRow(piece, i)).toEqual(rowOf(next));
    }
    expect(next).toBe(100);
  });

  it('writes files that plain apache-arrow opens', async () => {
    registerLz4Codec();
    const directory = join(folder, `${compression}-plain`);
    await writeShards(directory, schema, [batchOf(0, 20)], { rowsPerBatch: 6, compression });
    const table = tableFromIPC(await readFile(join(directory, 'shard-00000.arrow')));
    expect(table.numRows).toBe(20);
    expect(table.batches.length).toBe(4);
    expect(table.schema.metadata.get('polygate.kind')).toBe('everything');
    expect(
      table.batches.flatMap((batch) => Array.from({ length: batch.numRows }, (_, i) => readRow(batch, i))),
    ).toEqual(Array.from({ length: 20 }, (_, i) => rowOf(i)));
  });
});

describe('lz4 shards', () => {
  it('prefix each compressed buffer by its uncompressed length, as the format asks', async () => {
    // One int32 column of 1000 zeros: its values buffer is 4000 bytes, which LZ4 shortens. The batch body starts with
    // that buffer (the validity buffer is empty): 8 bytes little-endian 4000, then a frame with the magic 04 22 4d 18.
    const directory = join(folder, 'prefix');
    const zeros = defineSchema({ zero: 'int32' });
    const batch = buildBatch(zeros, { zero: new Int32Array(1000) });
    const { shards } = await writeShards(directory, zeros, [batch], { compression: 'lz4' });
    const extent = shards[0]?.batches[0];
    const file = await readFile(join(directory, 'shard-00000.arrow'));
    const message = file.subarray(extent?.offset, (extent?.offset ?? 0) + (extent?.length ?? 0));
    const body = message.subarray(8 + message.readInt32LE(4));
    expect(message.length).toBeLessThan(1000);
    expect(body.readBigInt64LE(0)).toBe(4000n);
    expect([...body.subarray(8, 12)]).toEqual([0x04, 0x22, 0x4d, 0x18]);
  });
});

describe('random reads', () => {
  it('keep the cache within its budget and load each batch once for readers at the same time', async () => {
    const directory = join(folder, 'cache');
    await writeShards(directory, schema, [batchOf(0, 200)], { rowsPerBatch: 10 });
    await using all = await openShards(directory);
    const everything = Array.from({ length: 200 }, (_, i) => i);
    await Promise.all([all.read(everything), all.read(everything), all.read([5])]);
    const { bytes, batches } = all.cache();
    expect(batches).toBe(20);
    await all.read(everything);
    expect(all.cache().hits).toBe(20);
    await using small = await openShards(directory, { cacheBytes: bytes / 4 });
    for (let i = 0; i < 5; i += 1) {
      const batch = await small.read(everything);
      expect(readRow(batch, 199)).toEqual(rowOf(199));
      expect(small.cache().bytes).toBeLessThanOrEqual(bytes / 4);
    }
    expect(small.cache().batches).toBeGreaterThan(1);
    await using none = await openShards(directory, { cacheBytes: 0 });
    expect(readRow(await none.read([3]), 0)).toEqual(rowOf(3));
    expect(none.cache().batches).toBe(0);
  });

  it.runIf(existsSync('/proc/self/fd'))(
    'hold a bounded number of files open, and none after closing',
    async () => {
      const directory = join(folder, 'many');
      await writeShards(directory, schema, [batchOf(0, 90)], { rowsPerShard: 1 });
      const shards = await openShards(directory, { cacheBytes: 0 });
      const openFiles = async (): Promise<number> => {
        const links = (await readdir('/proc/self/fd')).map((fd) =>
          readlink(`/proc/self/fd/${fd}`).catch(() => ''),
        );
        return (await Promise.all(links)).filter((link) => link.startsWith(directory)).length;
      };
      const batch = await shards.read(Array.from({ length: 90 }, (_, i) => 89 - i));
      expect(readRow(batch, 89)).toEqual(rowOf(0));
      expect(await openFiles()).toBeGreaterThan(1);
      expect(await openFiles()).toBeLessThanOrEqual(64);
      await shards.close();
      expect(await openFiles()).toBe(0);
    },
  );

  it('are refused after the set is closed', async () => {
    const shards = await openShards(join(folder, 'cache'));
    await shards.close();
    await expect(shards.read([0])).rejects.toThrow(
      'expected an open shard set, got a closed one; open it again',
    );
    expect(() => shards.batches()).toThrow('expected an open shard set');
  });
});

describe('batch source', () => {
  it('gives the same batches for any number of workers, from any start', async () => {
    const directory = join(folder, 'workers');
    await writeShards(directory, schema, [batchOf(0, 90)], { rowsPerBatch: 8 });
    await using shards = await openShards(directory, { cacheBytes: 2000 });
    const source = createBatchSource({ shards, seed: 9, batchSize: 12 });
    const labels = async (start: number, concurrency: number): Promise<number[][]> => {
      const all: number[][] = [];
      for await (const batch of source.batches({ start, end: 30, prefetch: { bytes: 4000, concurrency } })) {
        all.push([...values(batch, 'label')]);
      }
      return all;
    };
    const whole = await labels(0, 1);
    expect(whole.length).toBe(30);
    for (const concurrency of [2, 3, 8]) expect(await labels(0, concurrency)).toEqual(whole);
    for (const start of [1, 7, 29]) expect(await labels(start, 4)).toEqual(whole.slice(start));
    expect(() => createBatchSource({ shards, seed: 0, batchSize: 10, ranks: 4 })).toThrow(
      'batch source: expected a batchSize that 4 ranks divide evenly, got 10; choose 12',
    );
  });

  it('gives each row once an epoch, whatever the ranks', async () => {
    const directory = join(folder, 'source');
    await writeShards(directory, schema, [batchOf(0, 50)], { rowsPerBatch: 8 });
    await using shards = await openShards(directory);
    const source = createBatchSource({ shards, seed: 3, batchSize: 10, epochs: 1 });
    const seen: number[] = [];
    for await (const batch of source.batches()) seen.push(...values(batch, 'label'));
    expect([...seen].sort((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, i) => i * 3));
    const halves = [0, 1].map((rank) =>
      createBatchSource({ shards, seed: 3, batchSize: 10, rank, ranks: 2 }),
    );
    const joined = await Promise.all(halves.map((half) => half.batch(2)));
    expect(joined.flatMap((batch) => [...values(batch, 'label')])).toEqual(seen.slice(20, 30));
  });
});
