import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { prepare } from '@polygate/app-prepare';
import { fixtures, type PreparedRow, preparedRows, readRecord } from './prepared-rows.ts';

interface Record {
  readonly size: number;
  readonly exact: readonly {
    readonly file: string;
    readonly mode: string;
    readonly tolerance: number;
    readonly pixels: string;
  }[];
  readonly resized: readonly {
    readonly file: string;
    readonly meanTolerance: number;
    readonly contain: string;
    readonly cover: string;
  }[];
}

const record = readRecord<Record>('images.json');
let root = '';
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'polygate-foreign-images-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

/** Prepares images of the fixtures, each with its name as id. */
const prepareAll = async (name: string, files: readonly string[], fit: string): Promise<PreparedRow[]> => {
  await writeFile(
    join(root, `${name}.jsonl`),
    files.map((file) => JSON.stringify({ id: file, image: file, text: `the file ${file}` })).join('\n'),
  );
  const source = { source: 'jsonl', file: `${name}.jsonl`, root: join(fixtures, 'images'), split: 'train' };
  const prepared = await prepare({
    recipe: {
      name,
      image: { size: record.size, fit },
      tokenizer: { vocabularySize: 300 },
      sources: { all: source },
    },
    workDirectory: root,
  });
  return preparedRows(prepared, 'all');
};

const differences = (row: PreparedRow | undefined, expected: string): number[] => {
  const pixels = row?.pixels ?? new Uint8Array(0);
  return Array.from(Buffer.from(expected, 'base64'), (value, i) => Math.abs(value - (pixels[i] ?? Infinity)));
};

describe('images that Pillow wrote', () => {
  it('have the pixels that Pillow reads', async () => {
    const rows = await prepareAll(
      'exact',
      record.exact.map(({ file }) => file),
      'contain',
    );
    const wrong = record.exact.flatMap(({ file, mode, tolerance, pixels }) => {
      const most = Math.max(
        ...differences(
          rows.find(({ id }) => id === file),
          pixels,
        ),
      );
      return most <= tolerance ? [] : [`${file} (${mode}): ${most}`];
    });
    expect(wrong).toEqual([]);
    expect(rows).toHaveLength(record.exact.length);
  });

  it.each(['contain', 'cover'] as const)('are close to it when resized by %s', async (fit) => {
    const rows = await prepareAll(
      fit,
      record.resized.map(({ file }) => file),
      fit,
    );
    for (const entry of record.resized) {
      const all = differences(
        rows.find(({ id }) => id === entry.file),
        entry[fit],
      );
      const mean = all.reduce((sum, value) => sum + value, 0) / all.length;
      expect(mean, entry.file).toBeLessThanOrEqual(entry.meanTolerance);
    }
  });
});
