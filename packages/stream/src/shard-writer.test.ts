import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigError, StateError } from '@polygate/core';
import { Field, Int32, makeData, RecordBatch, Schema, Struct } from 'apache-arrow';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildBatch } from './build.ts';
import { values } from './columns.ts';
import { turn } from './ordered.ts';
import { defineSchema } from './schema.ts';
import { openShards } from './shard-set.ts';
import { writeShards } from './shard-writer.ts';

const schema = defineSchema({ id: 'int32', tokens: { list: 'int32' } });
const rowsOf = (start: number, count: number): RecordBatch =>
  buildBatch(schema, {
    id: Int32Array.from({ length: count }, (_, i) => start + i),
    tokens: Array.from({ length: count }, (_, i) => Array.from({ length: (start + i) % 5 }, () => start + i)),
  });

let root = '';
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'polygate-writer-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

describe('shard writer', () => {
  it('names the manifest so that readers of whole folders pass over it, and opens folders of before', async () => {
    const folder = join(root, 'names');
    await writeShards(folder, schema, [rowsOf(0, 3)]);
    expect((await readdir(folder)).sort()).toEqual(['_manifest.json', 'shard-00000.arrow']);
    await rename(join(folder, '_manifest.json'), join(folder, 'manifest.json'));
    const former = await openShards(folder);
    expect(former.rowCount).toBe(3);
    await former.close();
    // A folder that has both was written again by other means: the present name counts.
    await writeFile(join(folder, '_manifest.json'), '{}');
    await expect(openShards(folder)).rejects.toThrow('_manifest.json: expected a manifest that ends in');
  });

  it('writes the same bytes however the rows were batched', async () => {
    const whole = await writeShards(join(root, 'whole'), schema, [rowsOf(0, 90)], {
      batchBytes: 200,
      shardBytes: 1500,
    });
    expect(whole.shards.length).toBeGreaterThan(2);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: 25 }), { minLength: 1, maxLength: 12 }),
        async (sizes) => {
          const pieces: RecordBatch[] = [];
          let start = 0;
          for (const size of [...sizes, 90]) {
            const count = Math.min(size, 90 - start);
            pieces.push(rowsOf(start, count));
            start += count;
          }
          const manifest = await writeShards(join(root, 'pieces'), schema, pieces, {
            batchBytes: 200,
            shardBytes: 1500,
          });
          expect(manifest).toEqual(whole);
        },
      ),
      { numRuns: 12 },
    );
  });

  it('cuts batches before they pass the byte limit: hand golden', async () => {
    // Row i takes 4 (id) + 4 (offset) + 4 * (i % 5) bytes: 8 12 16 20 24 | 8 12 16 20 24. Limit 40: 8+12+16, then
    // 20 (+24 = 44 is too much), 24+8 (+12 = 44), 12+16 (+20 = 48), 20 (+24), 24.
    const manifest = await writeShards(join(root, 'bytes'), schema, [rowsOf(0, 10)], { batchBytes: 40 });
    expect(manifest.shards[0]?.batches.map((batch) => batch.rows)).toEqual([3, 1, 2, 2, 1, 1]);
    for (const { offset, length } of manifest.shards[0]?.batches ?? [])
      expect([offset % 8, length % 8]).toEqual([0, 0]);
  });

  it('writes an empty stream as a set without rows', async () => {
    const directory = join(root, 'empty');
    expect((await writeShards(directory, schema, [])).rows).toBe(0);
    await using shards = await openShards(directory, { verify: true });
    expect(shards.rowCount).toBe(0);
    expect((await shards.read([])).numRows).toBe(0);
    await expect(shards.read([0])).rejects.toThrow('expected rows of 0 to -1, got 0');
  });

  it.each<[string, Schema, string]>([
    [
      'other kinds',
      defineSchema({ id: 'float32', tokens: { list: 'int32' } }),
      'column 0: expected "id: int32", got "id: float32"',
    ],
    [
      'other names',
      defineSchema({ id: 'int32', words: { list: 'int32' } }),
      'column 1: expected "tokens: list<int32>", got "words: list<int32>"',
    ],
    [
      'fewer columns',
      defineSchema({ id: 'int32' }),
      'column 1: expected "tokens: list<int32>", got "(no column)"',
    ],
  ])('refuses a batch of %s and leaves nothing behind', async (_, other, text) => {
    const columns = Object.fromEntries(
      other.fields.map((field) => [field.name, field.name === 'id' ? [1] : [[1]]]),
    );
    const directory = join(root, 'refused');
    const writing = writeShards(directory, schema, [rowsOf(0, 4), buildBatch(other, columns)], {
      rowsPerBatch: 2,
    });
    await expect(writing).rejects.toThrow(ConfigError);
    await expect(writing).rejects.toThrow(
      `write shards: ${text} in the batch at row 4; build every batch with`,
    );
    expect((await readdir(root)).filter((name) => name.includes('refused'))).toEqual([]);
  });

  it('refuses a batch that differs in nullability alone, where apache-arrow would drop rows silently', async () => {
    const only = defineSchema({ id: 'int32' });
    const nullable = new Schema([new Field('id', new Int32(), true)]);
    const data = makeData({ type: new Int32(), length: 1, data: Int32Array.of(1) });
    const foreign = new RecordBatch(
      nullable,
      makeData({ type: new Struct(nullable.fields), length: 1, children: [data] }),
    );
    await expect(writeShards(join(root, 'nullable'), only, [foreign])).rejects.toThrow(
      'column 0: expected "id: int32", got "id: int32 nullable"',
    );
  });

  it('replaces an older folder only when the new one is complete, and passes the source error on as it is', async () => {
    const directory = join(root, 'replaced');
    await writeShards(directory, schema, [rowsOf(0, 3)]);
    const before = await readFile(join(directory, '_manifest.json'), 'utf8');
    const fault = Object.assign(new Error('no such image'), { code: 'ENOENT', errno: -2 });
    async function* broken() {
      yield rowsOf(0, 100);
      throw fault;
    }
    await expect(writeShards(directory, schema, broken(), { rowsPerBatch: 10 })).rejects.toBe(fault);
    expect(await readFile(join(directory, '_manifest.json'), 'utf8')).toBe(before);
    expect((await readdir(root)).filter((name) => name.endsWith('.tmp'))).toEqual([]);
    await writeShards(directory, schema, [rowsOf(5, 2)]);
    await using shards = await openShards(directory);
    expect([...values(await shards.read([0, 1]), 'id')]).toEqual([5, 6]);
  });

  it('takes no more from the source than the disk has taken', async () => {
    let given = 0;
    const order: string[] = [];
    async function* source() {
      for (; given < 6; given += 1) {
        order.push(`give ${given}`);
        yield rowsOf(given * 10, 10);
        // The rows of the batch before this line are in the file: 10 rows are one batch.
        const names = (await readdir(root)).filter((name) => name.startsWith('.slow'));
        const bytes = (await readFile(join(root, names[0] ?? '', 'shard-00000.arrow'))).length;
        order.push(`size grew ${bytes > given * 40}`);
      }
    }
    await writeShards(join(root, 'slow'), schema, source(), { rowsPerBatch: 10 });
    expect(order).toEqual(Array.from({ length: 6 }, (_, i) => [`give ${i}`, 'size grew true']).flat());
  });

  it('stops for a signal and leaves nothing behind', async () => {
    const abort = new AbortController();
    async function* endless() {
      for (let i = 0; ; i += 1) {
        yield rowsOf(i, 5);
        await turn();
        if (i === 3) abort.abort(new Error('enough'));
      }
    }
    const writing = writeShards(join(root, 'stopped'), schema, endless(), { signal: abort.signal });
    await expect(writing).rejects.toThrow('enough');
    expect((await readdir(root)).filter((name) => name.includes('stopped'))).toEqual([]);
  });

  it('names the remedy for a folder that can not be made', async () => {
    const file = join(root, 'a-file');
    await writeFile(file, 'x');
    const writing = writeShards(join(file, 'inside'), schema, [rowsOf(0, 1)]);
    await expect(writing).rejects.toThrow(StateError);
    await expect(writing).rejects.toThrow(
      /expected to write the file, got (ENOTDIR|EEXIST): .*nothing was changed at that name/u,
    );
  });

  it('refuses limits that cut nothing', async () => {
    await expect(writeShards(join(root, 'limits'), schema, [], { rowsPerBatch: 0 })).rejects.toThrow(
      'write shards: expected rowsPerBatch to be a positive whole number, got 0',
    );
  });
});

/** A file system of 256 kB; made where the tests run as root, as in a container. */
const mountSmallDisk = (path: string): boolean => {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', path], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
};

describe('a full disk', () => {
  it('gives the typed error with its remedy and leaves no part of the set', async (context) => {
    const disk = join(root, 'small-disk');
    await mkdir(disk);
    if (!mountSmallDisk(disk)) return context.skip('mounting a tmpfs needs root');
    try {
      function* many() {
        for (let i = 0; i < 100; i += 1) yield rowsOf(i * 1000, 1000);
      }
      const error: unknown = await writeShards(join(disk, 'set'), schema, many()).catch(
        (caught: unknown) => caught,
      );
      expect(error).toBeInstanceOf(StateError);
      expect(error).toMatchObject({ code: 'disk-full' });
      expect((error as Error).message).toContain(
        'got ENOSPC: the disk is full; free space or choose another folder',
      );
      expect(await readdir(disk)).toEqual([]);
      await writeShards(join(disk, 'set'), schema, [rowsOf(0, 10)]);
      expect(await readdir(disk)).toEqual(['set']);
    } finally {
      execFileSync('umount', [disk]);
    }
  });
});
