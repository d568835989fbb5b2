/**
 * Shards damaged at hundreds of places. Every read of a damaged folder must end in a FormatError that names file, part
 * and byte, or (when the damage is hidden behind corrected checksums) at worst in rows of the schema; never in a hang
 * or in an error without type.
 */
import { appendFile, cp, mkdtemp, open, readFile, rm, truncate, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32, createRandom, FormatError } from '@polygate/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildBatch } from './build.ts';
import { type Extent, formatManifest, type Manifest, parseManifest } from './manifest.ts';
import { defineSchema } from './schema.ts';
import { openShards } from './shard-set.ts';
import { writeShards } from './shard-writer.ts';

const ROWS = 60;
const schema = defineSchema({
  id: 'utf8',
  image: { fixedList: 'uint8', size: 48 },
  captions: { list: { list: 'int32' } },
  label: 'int32',
});

const batch = buildBatch(schema, {
  id: Array.from({ length: ROWS }, (_, i) => `sample number ${i}`),
  image: Uint8Array.from({ length: ROWS * 48 }, (_, i) => (i * i) & 63),
  captions: Array.from({ length: ROWS }, (_, i) => [[i, i + 1], [], [7]]),
  label: Int32Array.from({ length: ROWS }, (_, i) => i),
});

let root = '';
let serial = 0;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'polygate-corrupt-'));
  for (const compression of ['none', 'lz4'] as const) {
    await writeShards(join(root, compression), schema, [batch], {
      rowsPerBatch: 9,
      rowsPerShard: 27,
      compression,
    });
  }
});
afterAll(() => rm(root, { recursive: true, force: true }));

const copyOf = async (name: string): Promise<string> => {
  serial += 1;
  const directory = join(root, `copy-${serial}`);
  await cp(join(root, name), directory, { recursive: true });
  return directory;
};

/** Everything that a reader does with a folder. */
const readAll = async (directory: string): Promise<number> => {
  await using shards = await openShards(directory);
  let rows = 0;
  for await (const piece of shards.batches()) rows += piece.numRows;
  await shards.read(Array.from({ length: shards.rowCount }, (_, i) => i));
  return rows;
};

const failure = async (directory: string): Promise<FormatError> => {
  const error: unknown = await readAll(directory).then(
    (rows) => new Error(`read ${rows} rows from a damaged folder`),
    (caught: unknown) => caught,
  );
  if (!(error instanceof FormatError)) throw error;
  return error;
};

const flipBit = async (path: string, at: number, bit: number): Promise<void> => {
  const file = await open(path, 'r+');
  try {
    const byte = Buffer.alloc(1);
    await file.read(byte, 0, 1, at);
    byte[0] = (byte[0] ?? 0) ^ (1 << bit);
    await file.write(byte, 0, 1, at);
  } finally {
    await file.close();
  }
};

const manifestOf = async (directory: string): Promise<Manifest> =>
  parseManifest(await readFile(join(directory, '_manifest.json'), 'utf8'), 'test');

/** The part of a shard that holds a byte. */
const partAt = (shard: Manifest['shards'][number], at: number): number | 'header' | 'footer' => {
  const holds = ({ offset, length }: Extent): boolean => at >= offset && at < offset + length;
  if (holds(shard.header)) return 'header';
  const index = shard.batches.findIndex(holds);
  return index < 0 ? 'footer' : index;
};

describe.each(['none', 'lz4'] as const)('damaged shards, compression %s', (compression) => {
  it('names file, batch and byte for a bit flipped at each of 200 random offsets', async () => {
    const random = createRandom(`flip ${compression}`);
    const directory = await copyOf(compression);
    const { shards } = await manifestOf(directory);
    for (let i = 0; i < 200; i += 1) {
      const shard = shards[random.integer(shards.length)] as (typeof shards)[number];
      const path = join(directory, shard.file);
      const at = random.integer(shard.bytes);
      const bit = random.integer(8);
      await flipBit(path, at, bit);
      const error = await failure(directory);
      const part = partAt(shard, at);
      const start = (
        part === 'header' ? shard.header : part === 'footer' ? shard.footer : shard.batches[part]
      )?.offset;
      expect(error.message).toContain(
        `${path}: ${typeof part === 'number' ? `batch ${part}` : part} at byte ${start}: `,
      );
      expect(error.message).toMatch(
        /expected CRC-32 [0-9a-f]{8} over \d+ bytes, got [0-9a-f]{8}; the file is damaged: restore/u,
      );
      expect(error.fields).toEqual({ path, batch: part, offset: start });
      await flipBit(path, at, bit);
    }
    expect(await readAll(directory)).toBe(ROWS);
  });

  it('names file, batch and byte for a file cut at each of 200 random offsets', async () => {
    const random = createRandom(`cut ${compression}`);
    const directory = await copyOf(compression);
    const { shards } = await manifestOf(directory);
    for (let i = 0; i < 200; i += 1) {
      const shard = shards[random.integer(shards.length)] as (typeof shards)[number];
      const path = join(directory, shard.file);
      const whole = await readFile(path);
      const at = random.integer(shard.bytes);
      await truncate(path, at);
      const error = await failure(directory);
      const part = partAt(shard, at);
      expect(error.message).toContain(
        `${path}: ${typeof part === 'number' ? `batch ${part}` : part} at byte ${at}: expected a file of ${shard.bytes} bytes, got one that ends here`,
      );
      await writeFile(path, whole);
    }
    expect(await readAll(directory)).toBe(ROWS);
  });

  it('stays typed and bounded when the damage is hidden behind corrected checksums', async () => {
    const random = createRandom(`forged ${compression}`);
    const directory = await copyOf(compression);
    const manifest = await manifestOf(directory);
    const shard = manifest.shards[0] as Manifest['shards'][number];
    const path = join(directory, shard.file);
    const good = await readFile(path);
    let refused = 0;
    for (let i = 0; i < 150; i += 1) {
      const index = random.integer(shard.batches.length);
      const extent = shard.batches[index] as Manifest['shards'][number]['batches'][number];
      const bytes = Uint8Array.from(good);
      // Mostly the message's metadata, where lengths live; often whole words, as a large length would be.
      const span = random.next() < 0.8 ? Math.min(600, extent.length) : extent.length;
      const at = extent.offset + random.integer(span);
      if (random.next() < 0.5) bytes[at] = (bytes[at] ?? 0) ^ (1 << random.integer(8));
      else
        for (let k = at; k < Math.min(at + 4, extent.offset + extent.length); k += 1)
          bytes[k] = random.integer(256);
      const forged = crc32(bytes.subarray(extent.offset, extent.offset + extent.length));
      const shards = [
        { ...shard, batches: shard.batches.map((b, k) => (k === index ? { ...b, crc32: forged } : b)) },
        ...manifest.shards.slice(1),
      ];
      await writeFile(path, bytes);
      await writeFile(join(directory, '_manifest.json'), formatManifest({ ...manifest, shards }));
      try {
        expect(await readAll(directory)).toBe(ROWS);
      } catch (error) {
        expect(error).toBeInstanceOf(FormatError);
        expect((error as FormatError).message).toContain(`${path}: batch ${index} at byte `);
        refused += 1;
      }
    }
    // Flips in values can't be told from values; flips in lengths must be.
    expect(refused).toBeGreaterThan(40);
  });
});

describe('damaged folders', () => {
  it('refuses a manifest with a bit flipped or cut at any of 200 random offsets', async () => {
    const random = createRandom('manifest');
    const directory = await copyOf('none');
    const path = join(directory, '_manifest.json');
    const good = await readFile(path);
    for (let i = 0; i < 200; i += 1) {
      const bytes = Buffer.from(good);
      const at = random.integer(bytes.length);
      if (i % 2 === 0) bytes[at] = (bytes[at] ?? 0) ^ (1 << random.integer(8));
      await writeFile(path, i % 2 === 0 ? bytes : bytes.subarray(0, at));
      const error = await failure(directory);
      expect(error.message).toContain(`${path}: expected a manifest that ends in the SHA-256 of itself`);
      expect(error.message).toContain('restore it or prepare the data again');
    }
  });

  it('names a missing manifest, a missing shard and one that grew', async () => {
    const empty = await failure(join(root, 'nothing-here'));
    expect(empty.message).toContain(
      '_manifest.json: expected the manifest of a folder of shards, got ENOENT; give the folder',
    );
    const missing = await copyOf('none');
    await unlink(join(missing, 'shard-00001.arrow'));
    expect((await failure(missing)).message).toContain(
      'shard-00001.arrow: expected a readable file named by the manifest, got ENOENT; restore it',
    );
    const grown = await copyOf('none');
    await appendFile(join(grown, 'shard-00000.arrow'), 'x');
    expect((await failure(grown)).message).toMatch(
      /shard-00000.arrow: footer at byte \d+: expected a file of \d+ bytes, got \d+ bytes/u,
    );
  });

  it.each([
    [
      'a file outside the folder',
      { file: '../shard-00000.arrow' },
      'file: expected a name such as shard-00000.arrow',
    ],
    [
      'a batch that overlaps',
      { batches: [{ offset: 0, length: 8, crc32: 0, rows: 1 }] },
      'batch 0 offset: expected',
    ],
    ['rows that do not add up', { rows: 26 }, 'shard 0 rows: expected 27, the sum of its batches, got 26'],
    [
      'a length beyond belief',
      { header: { offset: 0, length: 2 ** 50, crc32: 0 } },
      'header length: expected a whole number',
    ],
    ['a size that does not add up', { bytes: 3 }, 'shard 0 bytes: expected'],
  ])('refuses a forged manifest with %s', async (_, change, text) => {
    const manifest = await manifestOf(join(root, 'none'));
    const shards = manifest.shards.map((shard, i) => (i === 0 ? { ...shard, ...change } : shard));
    const forged = formatManifest({ ...manifest, shards });
    expect(() => parseManifest(forged, 'forged')).toThrow(FormatError);
    expect(() => parseManifest(forged, 'forged')).toThrow(text);
  });

  it('refuses a newer manifest and newer rows with what to do', async () => {
    const manifest = await manifestOf(join(root, 'none'));
    expect(parseManifest(`\ufeff${formatManifest(manifest)}`, 'm')).toEqual(manifest);
    expect(() => parseManifest(formatManifest({ ...manifest, version: 2 }), 'm')).toThrow(
      'm: version: expected 1 (another version of Polygate wrote this), got 2; prepare the data again',
    );
    const metadata = { ...manifest.metadata, 'polygate.version': '9' };
    expect(() => parseManifest(formatManifest({ ...manifest, metadata }), 'm')).toThrow(
      'm: expected polygate.version of 1 to 1, got "9"; update Polygate or prepare the data again with this version',
    );
  });
});
