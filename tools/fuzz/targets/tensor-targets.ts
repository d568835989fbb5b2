/** Tokenizers, safetensors, shards and suites: what Polygate and its kin write. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32, sealJson, sha256, type Random } from '@polygate/core';
import { readSuite } from '@polygate/datasets';
import { openSafetensors, writeSafetensors, type WritableTensor } from '@polygate/nn';
import {
  batchBytes,
  buildBatch,
  datasetMetadata,
  defineSchema,
  openShards,
  readDatasetMetadata,
  textRow,
  values,
  writeShards,
} from '@polygate/stream';
import { loadTokenizer, tokenizerFromMergeList, trainTokenizer } from '@polygate/tokens';
import { edgeNumbers, pick } from '../byte-mutations.ts';
import { mutateJson, mutateJsonText } from '../json-mutations.ts';
import { expectRight, type FuzzTarget, type Mutator } from '../target.ts';
import { textMutations } from '../text-mutations.ts';
import { fileIn, utf8 } from './reading.ts';

const tiny = () => trainTokenizer(['a red bar and a blue bar', 'the night is dark'], { vocabularySize: 280 });

const tokenizer: FuzzTarget = {
  name: 'tokenizer-json',
  errors: ['ConfigError', 'FormatError'],
  async open() {
    const file = tiny().toJSON();
    const text = JSON.stringify(file);
    // Newer writers give a merge as a pair.
    const merges = file.model.merges.map((merge) => merge.split(' '));
    const pairs = JSON.stringify({ ...file, model: { ...file.model, merges } });
    return {
      seeds: [utf8(text), utf8(`\uFEFF${text}`), utf8(pairs)],
      mutators: [mutateJson],
      async parse(bytes) {
        const json = Buffer.from(bytes).toString('utf8');
        // Text that begins otherwise is the path of a file.
        if (!json.trimStart().startsWith('{')) return;
        const read = loadTokenizer(json);
        const sample = 'a red bar, caf\u00e9 \u{1F642}<|endoftext|> \u2028';
        const ids = read.encode(sample);
        expectRight(
          ids.every((id) => id >= 0 && id < read.size),
          'ids outside the vocabulary',
        );
        const { normalizer, pre_tokenizer: pre } = read.toJSON();
        const text = read.decode(ids);
        if (!normalizer && !pre.add_prefix_space) expectRight(text === sample, `text becomes ${text}`);
        expectRight(
          loadTokenizer(JSON.stringify(read.toJSON())).hash === read.hash,
          'another hash when written again',
        );
      },
    };
  },
};

const mergeList: FuzzTarget = {
  name: 'merge-list',
  errors: ['ConfigError', 'FormatError'],
  open: async () => ({
    seeds: [utf8('#version: 0.2\n\u0120 t\nh e\n\u0120t he\n'), utf8('a b\nab c\n')],
    mutators: textMutations,
    async parse(bytes) {
      const read = tokenizerFromMergeList(Buffer.from(bytes).toString('utf8'));
      expectRight(read.decode(read.encode('the abc')) === 'the abc', 'text does not come back');
    },
  }),
};

/** Damages the JSON of a safetensors header and writes its length anew. */
const mutateSafetensors: Mutator = (bytes, random) => {
  const buffer = Buffer.from(bytes);
  if (buffer.length < 10) return buffer;
  const length = Number(buffer.readBigUInt64LE(0));
  if (!(length < buffer.length)) return buffer;
  const header = Buffer.from(mutateJsonText(buffer.toString('utf8', 8, 8 + length), random));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(random.integer(8) === 0 ? pick(random, edgeNumbers) : header.length));
  return Buffer.concat([prefix, header, buffer.subarray(8 + length)]);
};

const safetensors: FuzzTarget = {
  name: 'safetensors',
  errors: ['FormatError'],
  async open(folder) {
    const path = join(folder, 'seed.safetensors');
    const tensors = new Map<string, WritableTensor>([
      ['a', { dtype: 'F32', shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) }],
      ['b', { dtype: 'BF16', shape: [4], data: Float32Array.of(1, -2, 0.5, 8) }],
      ['c', { dtype: 'I64', shape: [], data: BigInt64Array.of(-7n) }],
    ]);
    await writeSafetensors(path, tensors, { format: 'pt' });
    const save = fileIn(folder, 'input.safetensors');
    return {
      seeds: [await readFile(path)],
      mutators: [mutateSafetensors],
      async parse(bytes) {
        const input = await save(bytes);
        const file = await openSafetensors(input);
        try {
          for (const [name, { shape, begin, end, dtype }] of file.entries) {
            expectRight(
              begin <= end && end <= bytes.length,
              `"${name}" lies at ${begin} to ${end} of ${bytes.length}`,
            );
            const tensor = await file.read(name);
            const size = shape.reduce((product, n) => product * n, 1);
            expectRight(tensor.data.length === size, `${tensor.data.length} values of [${shape.join()}]`);
            if (dtype === 'U8')
              expectRight(
                Buffer.from(bytes.subarray(begin, end)).equals(tensor.data as Uint8Array),
                'other bytes',
              );
          }
        } finally {
          await file.close();
        }
      },
    };
  },
};

const shardSchema = defineSchema(
  {
    id: 'utf8',
    image: { fixedList: 'uint8', size: 12 },
    label: 'int32',
    captions: { list: { list: 'int32' } },
  },
  datasetMetadata({
    kind: 'labelled-image',
    image: { height: 2, width: 2, channels: 3 },
    classes: ['a', 'b'],
  }),
);
const ROWS = 9;

const writeSeedShards = async (folder: string, compression: 'none' | 'lz4'): Promise<void> => {
  const rows = Array.from({ length: ROWS }, (_, i) => i);
  const batch = buildBatch(shardSchema, {
    id: rows.map((i) => `row-${i}`),
    image: Uint8Array.from({ length: ROWS * 12 }, (_, i) => i),
    label: rows.map((i) => i % 2),
    captions: rows.map((i) => [[i, i + 1], [7]]),
  });
  await writeShards(folder, shardSchema, [batch], { rowsPerBatch: 4, rowsPerShard: 8, compression });
};

const sealManifest = (text: string): string => {
  const body = text.replace(/,"sha256":"[0-9a-f]*"\}\n?$/u, '}');
  return `${body.slice(0, -1)},"sha256":"${sha256(body)}"}\n`;
};

const readShards = async (folder: string): Promise<string> => {
  const shards = await openShards(folder);
  try {
    readDatasetMetadata(shards.schema);
    let text = '';
    for await (const batch of shards.batches()) {
      batchBytes(batch);
      if (!shards.schema.fields.some(({ name }) => name === 'id')) continue;
      for (let row = 0; row < batch.numRows; row += 1) text += `${textRow(batch, 'id', row)};`;
      text += `${values(batch, 'label').join()}\n`;
    }
    if (shards.rowCount > 0) await shards.read([0, shards.rowCount - 1]);
    return text;
  } finally {
    await shards.close();
  }
};

/** Bytes of the first shard as they are: its checksums stand in the manifest, so any change must be seen. */
const shardFile: FuzzTarget = {
  name: 'shard-file',
  errors: ['FormatError'],
  async open(folder) {
    await writeSeedShards(join(folder, 'plain'), 'none');
    const path = join(folder, 'plain', 'shard-00000.arrow');
    const seed = await readFile(path);
    const expected = await readShards(join(folder, 'plain'));
    return {
      seeds: [seed],
      mutators: [],
      async parse(bytes) {
        await writeFile(path, bytes);
        expectRight((await readShards(join(folder, 'plain'))) === expected, 'other rows without an error');
      },
    };
  },
};

/** Batches whose checksums were made to fit: what remains is the reader of Arrow's messages itself. */
const shardMessage = (compression: 'none' | 'lz4'): FuzzTarget => ({
  name: `shard-message-${compression}`,
  errors: ['FormatError'],
  async open(folder) {
    const directory = join(folder, compression);
    await writeSeedShards(directory, compression);
    const path = join(directory, 'shard-00000.arrow');
    const manifestPath = join(directory, '_manifest.json');
    const manifest = await readFile(manifestPath, 'utf8');
    const shard = await readFile(path);
    const { shards } = JSON.parse(manifest) as {
      shards: { batches: number[][]; footer: number[]; bytes: number }[];
    };
    const [offset = 0, length = 0] = shards[0]?.batches[0] ?? [];
    return {
      seeds: [shard.subarray(offset, offset + length)],
      mutators: [],
      async parse(bytes) {
        // The first batch in place of the old one; the places of those behind it move.
        const changed = structuredClone(JSON.parse(manifest) as Record<string, unknown>) as unknown as {
          bytes: number;
          shards: { bytes: number; batches: number[][]; footer: number[] }[];
        };
        const shift = bytes.length - length;
        const [first] = changed.shards;
        if (!first) return;
        first.batches.forEach((batch, i) => {
          if (i === 0) [batch[1], batch[2]] = [bytes.length, crc32(bytes)];
          else batch[0] = (batch[0] ?? 0) + shift;
        });
        first.footer[0] = (first.footer[0] ?? 0) + shift;
        first.bytes += shift;
        changed.bytes += shift;
        await writeFile(
          path,
          Buffer.concat([shard.subarray(0, offset), bytes, shard.subarray(offset + length)]),
        );
        await writeFile(manifestPath, sealManifest(JSON.stringify(changed)));
        await readShards(directory);
      },
    };
  },
});

const mutateManifest = (text: string, random: Random): string => sealManifest(mutateJsonText(text, random));

const manifest: FuzzTarget = {
  name: 'manifest',
  errors: ['ConfigError', 'FormatError'],
  async open(folder) {
    const directory = join(folder, 'shards');
    await writeSeedShards(directory, 'none');
    const path = join(directory, '_manifest.json');
    const seed = await readFile(path);
    const expected = await readShards(directory);
    return {
      seeds: [seed],
      mutators: [(bytes, random) => Buffer.from(mutateManifest(Buffer.from(bytes).toString('utf8'), random))],
      async parse(bytes) {
        await writeFile(path, bytes);
        const text = await readShards(directory);
        const kept = Buffer.from(bytes).toString('utf8') === seed.toString('utf8');
        if (kept) expectRight(text === expected, 'other rows of the same manifest');
      },
    };
  },
};

const suite: FuzzTarget = {
  name: 'suite-json',
  errors: ['ConfigError', 'FormatError'],
  async open(folder) {
    await mkdir(join(folder, 'colours', 'train'), { recursive: true });
    const save = fileIn(folder, 'suite.json');
    const record = {
      name: 'small',
      version: 1,
      image: { height: 8, width: 8, fit: 'contain', background: '#ffffff' },
      textLength: 16,
      tokenizerHash: 'a'.repeat(64),
      datasets: [
        {
          name: 'colours',
          kind: 'labelled-image',
          splits: { train: { rows: 4 }, test: { rows: 1 } },
          classes: ['red', 'blue'],
          baselines: { test: { chance: 0.5 } },
          overlaps: [{ splits: ['train', 'test'], rows: 1, example: ['a', 'b'] }],
          mostFrequentCaption: 'a bar',
        },
      ],
      quarantine: { 'corrupt-image': 1 },
      notes: { 'first-frame': 2 },
      recipeHash: 'b'.repeat(64),
      files: { 'tokenizer.json': { bytes: 1, sha256: 'c'.repeat(64) } },
    };
    return {
      seeds: [utf8(sealJson(record)), utf8(JSON.stringify({ ...record, files: undefined }))],
      mutators: [mutateJson],
      async parse(bytes) {
        await save(bytes);
        const parsed = await readSuite(folder);
        for (const { name, splits, classes = [], baselines = {}, overlaps = [] } of parsed.datasets) {
          expectRight(!/[/\\]|^\.{1,2}$/u.test(name), `the folder ${name}`);
          for (const { rows } of Object.values(splits))
            expectRight(Number.isSafeInteger(rows), `${rows} rows`);
          expectRight(
            classes.every((text) => typeof text === 'string'),
            'classes that are no texts',
          );
          for (const scores of Object.values(baselines))
            expectRight(
              Object.values(scores).every((score) => typeof score === 'number'),
              'baselines that are no numbers',
            );
          expectRight(Array.isArray(overlaps), 'overlaps that are no list');
          for (const { splits: both, example } of overlaps)
            expectRight(both.length === 2 && example.length === 2, 'overlaps of other than two');
        }
        for (const path of Object.keys(parsed.files ?? {}))
          expectRight(!/\.\.|^[/\\]/u.test(path), `the file ${path}`);
        for (const count of [...Object.values(parsed.quarantine), ...Object.values(parsed.notes ?? {})])
          expectRight(typeof count === 'number', 'counts that are no numbers');
      },
    };
  },
};

export const tensorTargets: readonly FuzzTarget[] = [
  tokenizer,
  mergeList,
  safetensors,
  shardFile,
  shardMessage('none'),
  shardMessage('lz4'),
  manifest,
  suite,
];
