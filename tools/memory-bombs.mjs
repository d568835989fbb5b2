/**
 * Small files that would take much memory, each read in a process of its own:
 *
 *   node tools/memory-bombs.mjs [NAME ...]
 *
 * Prints for each its size, what it would take if it were believed, what the process grew by, and the bound that it
 * must stay below. Exits with 1 where one does not. Needs built packages (npm run build); test/memory-bombs.test.ts
 * runs them, too.
 */
import { spawnSync } from 'node:child_process';
import {
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateSync, gzipSync } from 'node:zlib';
import { crc32 } from '@polygate/core';
import {
  contentKey,
  decodeImage,
  openCaptionsCsv,
  openCocoCaptions,
  openPlainText,
  openWebDataset,
} from '@polygate/datasets';
import { openSafetensors } from '@polygate/nn';
import { buildBatch, defineSchema, openShards, writeShards } from '@polygate/stream';
import { trainTokenizer } from '@polygate/tokens';
import { readMetricRecords } from '@polygate/training';

const MIB = 2 ** 20;

const tarHeader = (name, size) => {
  const header = Buffer.alloc(512);
  header.write(name, 0);
  header.write('0000644\0', 100);
  header.write(`${size.toString(8).padStart(11, '0')}\0`, 124);
  header.write('00000000000\0', 136);
  header.write('0', 156);
  header.write('ustar\x0000', 257, 'latin1');
  header.fill(0x20, 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return header;
};

const pngChunk = (type, data) => {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const frame = Buffer.alloc(body.length + 8);
  frame.writeUInt32BE(data.length, 0);
  body.copy(frame, 4);
  frame.writeUInt32BE(crc32(body), body.length + 4);
  return frame;
};

/** A PNG of zeros; `deep` has 16 bits, interlaced ones are held whole by any decoder. */
const png = (width, height, { deep = false, interlaced = false, chunks = [] } = {}) => {
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head[8] = deep ? 16 : 8;
  head[9] = 2;
  head[12] = interlaced ? 1 : 0;
  const row = 1 + width * 3 * (deep ? 2 : 1);
  return Buffer.concat([
    Buffer.from('89504e470d0a1a0a', 'hex'),
    pngChunk('IHDR', head),
    ...chunks,
    // Passes of an interlaced image have a filter byte for each of their rows: some more zeros do for all.
    pngChunk('IDAT', deflateSync(Buffer.alloc(row * height + (interlaced ? 3 * height : 0)), { level: 1 })),
    pngChunk('IEND', Buffer.alloc(0)),
  ]);
};

/** Writes pieces one after another, so that making a file takes no memory either. */
const writePieces = (path, pieces) => {
  const file = openSync(path, 'w');
  for (const piece of pieces) writeSync(file, piece);
  closeSync(file);
};

const times = function* (count, piece) {
  const bytes = Buffer.from(piece);
  for (let i = 0; i < count; i += 1) yield bytes;
};

const readAll = async (reader, use = () => {}) => {
  const codes = [];
  for await (const item of (await reader).read()) {
    codes.push(item.kind === 'fault' ? item.code : item.kind);
    if (item.kind === 'sample') await use(item);
  }
  return codes;
};

const decode = async (bytes, budgets = {}) => {
  const decoded = await decodeImage('a', { kind: 'bytes', bytes }, { size: 48, budgets });
  return [decoded.kind === 'fault' ? decoded.code : 'sample'];
};

const images = (folder) => {
  writeFileSync(join(folder, 'a.png'), png(8, 8));
  return folder;
};

/**
 * By name: `make` writes the file, `read` reads it and gives what came of it, `boundMiB` bounds the growth of the
 * process, `wouldMiB` says what the content takes when it is expanded.
 */
const bombs = {
  'tar of zeros': {
    boundMiB: 260,
    wouldMiB: 480,
    make: (path) => {
      const member = Buffer.alloc(16 * MIB);
      const packed = gzipSync(member, { level: 9 });
      const parts = Array.from({ length: 30 }, (_, i) => [
        gzipSync(tarHeader(`key.${i}`, member.length)),
        packed,
      ]);
      writePieces(path, [...parts.flat(), gzipSync(Buffer.alloc(1024))]);
    },
    read: (path) => readAll(openWebDataset({ files: [path], budgets: { sampleBytes: 40 * MIB } })),
    expected: ['sample-too-large'],
  },
  'sample of 10,000 members': {
    boundMiB: 160,
    wouldMiB: 200,
    make: (path) => {
      const body = Buffer.alloc(20_480);
      const members = function* () {
        for (let i = 0; i < 10_000; i += 1) yield Buffer.concat([tarHeader(`key.p${i}`, body.length), body]);
        yield Buffer.alloc(1024);
      };
      writePieces(path, members());
    },
    read: (path) => readAll(openWebDataset({ files: [path] })),
    expected: ['sample-too-large'],
  },
  'caption of 20 MiB': {
    boundMiB: 250,
    wouldMiB: 1000,
    make: (path) => {
      const size = 20 * MIB;
      writePieces(path, [tarHeader('a.txt', size), ...times(20, 'x'.repeat(MIB)), Buffer.alloc(1024)]);
    },
    read: (path) => {
      const tokenizer = trainTokenizer(['a few words'], { vocabularySize: 258 });
      return readAll(openWebDataset({ files: [path] }), async (sample) => {
        await contentKey(sample);
        for (const text of sample.texts ?? []) tokenizer.encode(text);
      });
    },
    expected: ['text-too-long'],
  },
  'shards of zeros': {
    boundMiB: 330,
    wouldMiB: 640,
    make: async (path) => {
      const schema = defineSchema({ image: { fixedList: 'uint8', size: MIB } });
      const batches = async function* () {
        for (let i = 0; i < 10; i += 1) yield buildBatch(schema, { image: new Uint8Array(64 * MIB) });
      };
      await writeShards(path, schema, batches(), { rowsPerBatch: 64, compression: 'lz4' });
    },
    read: async (path) => {
      const shards = await openShards(path);
      let rows = 0;
      for await (const batch of shards.batches()) rows += batch.numRows;
      await shards.close();
      return [rows];
    },
    expected: [640],
  },
  'four interlaced images of 16 bits': {
    boundMiB: 100,
    wouldMiB: 570,
    make: (path) => writeFileSync(path, png(5000, 5000, { deep: true, interlaced: true })),
    read: async (path) => {
      const bytes = readFileSync(path);
      const budgets = { decodeBytes: 100 * MIB };
      return (await Promise.all([1, 2, 3, 4].map(() => decode(bytes, budgets)))).flat();
    },
    expected: Array(4).fill('image-too-large'),
  },
  'image of 1,000,000 x 12': {
    boundMiB: 100,
    wouldMiB: 540,
    make: (path) => writeFileSync(path, png(1_000_000, 12)),
    read: (path) => decode(readFileSync(path)),
    expected: ['image-too-large'],
  },
  'PNG with 300 MiB of text': {
    boundMiB: 100,
    wouldMiB: 300,
    make: (path) => {
      const text = Buffer.concat([
        Buffer.from('k\0\0', 'latin1'),
        deflateSync(Buffer.alloc(300 * MIB), { level: 9 }),
      ]);
      writeFileSync(path, png(8, 8, { chunks: [pngChunk('zTXt', text)] }));
    },
    read: (path) => decode(readFileSync(path)),
    expected: ['sample'],
  },
  'header of safetensors': {
    boundMiB: 100,
    wouldMiB: 430,
    make: (path) => {
      const entries = Array.from(
        { length: 400_000 },
        (_, i) => `"t${i}":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}`,
      );
      const header = Buffer.from(`{${entries.join(',')}}`);
      const length = Buffer.alloc(8);
      length.writeBigUInt64LE(BigInt(header.length));
      writePieces(path, [length, header]);
    },
    read: async (path) =>
      openSafetensors(path).then(
        (file) => [file.entries.size],
        (error) => [/budget (\w+)/u.exec(error.message)?.[1]],
      ),
    expected: ['headerBytes'],
  },
  'text without a blank line': {
    boundMiB: 200,
    wouldMiB: 400,
    make: (path) => writePieces(path, times(80, 'some words of a line of a text\n'.repeat(34_000))),
    read: (path) => readAll(openPlainText({ files: [path], unit: 'paragraph' })),
    expected: ['text-too-long'],
  },
  'document of many paragraphs': {
    boundMiB: 220,
    wouldMiB: 400,
    make: (path) => writePieces(path, times(80, 'some words of a line of a text\n\n'.repeat(33_000))),
    read: (path) => readAll(openPlainText({ files: [path], unit: 'document' })),
    expected: ['document-too-long'],
  },
  'one line of 400 MiB in gzip': {
    boundMiB: 120,
    wouldMiB: 400,
    make: (path) => writePieces(path, times(20, gzipSync('a'.repeat(20 * MIB), { level: 9 }))),
    read: (path) => readAll(openPlainText({ files: [path] })),
    expected: ['line-too-long'],
  },
  'annotations of empty lists': {
    boundMiB: 220,
    wouldMiB: 500,
    make: (path) =>
      writePieces(
        path,
        ['{"images":[', ...times(40, '[],'.repeat(MIB / 4)), '[]],"annotations":[]}'].map((piece) =>
          Buffer.from(piece),
        ),
      ),
    read: (path) =>
      openCocoCaptions({
        annotations: path,
        images: images(join(path, '..')),
        budgets: { jsonBytes: 256 * MIB },
      }).then(
        () => [],
        (error) => [/budget (\w+)/u.exec(error.message)?.[1]],
      ),
    expected: ['jsonBytes'],
  },
  'row of a million columns': {
    boundMiB: 120,
    wouldMiB: 120,
    make: (path) =>
      writePieces(
        path,
        ['image,caption\n', `a.png${',x'.repeat(1e6)}\n`, 'a.png,a cat\n'].map((piece) => Buffer.from(piece)),
      ),
    read: (path) => readAll(openCaptionsCsv({ file: path, images: images(join(path, '..')) })),
    expected: ['too-many-fields', 'sample'],
  },
  'metrics of one line': {
    boundMiB: 120,
    wouldMiB: 300,
    make: (path) =>
      writePieces(
        path,
        ['{"a":"', ...times(100, 'x'.repeat(MIB)), '"}\n{"step":2}\n'].map((piece) => Buffer.from(piece)),
      ),
    read: async (path) => {
      const steps = [];
      for await (const record of readMetricRecords(path)) steps.push(record?.step ?? 'unreadable');
      return steps;
    },
    expected: ['unreadable', 2],
  },
};

const sizeOf = (path) => {
  const stats = statSync(path);
  return stats.isFile() ? stats.size : statSync(join(path, 'shard-00000.arrow')).size;
};

/** Makes a bomb and reads it in a process of its own. @returns what came of it, and MiB that the reader grew by */
const detonate = async (name) => {
  const folder = mkdtempSync(join(tmpdir(), 'polygate-bomb-'));
  const path = join(folder, 'bomb');
  try {
    await bombs[name].make(path);
    // A small young generation, so that garbage is collected before it counts.
    const flags = ['--max-semi-space-size=2', '--expose-gc'];
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [...flags, process.argv[1], 'read', name, path],
      {
        encoding: 'utf8',
      },
    );
    if (status !== 0) throw new Error(`${name}: ${stderr}`);
    return { ...JSON.parse(stdout), bytes: sizeOf(path) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

const [task, name, path] = process.argv.slice(2);
if (task === 'read' && path !== undefined) {
  globalThis.gc();
  const before = process.memoryUsage().rss;
  const got = await bombs[name].read(path);
  const grownMiB = Math.round(process.resourceUsage().maxRSS / 1024 - before / MIB);
  process.stdout.write(JSON.stringify({ got, grownMiB }));
} else {
  const names = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(bombs);
  let failed = 0;
  for (const each of names) {
    const { boundMiB, wouldMiB, expected } = bombs[each];
    const { got, grownMiB, bytes } = await detonate(each);
    const bad = grownMiB > boundMiB || JSON.stringify(got) !== JSON.stringify(expected);
    failed += bad ? 1 : 0;
    console.log(
      `${bad ? 'BAD ' : '    '}${each.padEnd(38)} file ${(bytes / MIB).toFixed(1).padStart(6)} MiB, would take ${String(wouldMiB).padStart(5)}, took ${String(grownMiB).padStart(4)} (bound ${boundMiB}) ${JSON.stringify(got)}`,
    );
  }
  process.exit(failed > 0 ? 1 : 0);
}
