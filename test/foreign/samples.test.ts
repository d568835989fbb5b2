import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { prepare } from '@polygate/app-prepare';
import { fixtures, preparedRows, readRecord } from './prepared-rows.ts';

interface Case {
  readonly name: string;
  readonly source: Readonly<Record<string, string | readonly string[]>>;
  readonly captions: Readonly<Record<string, readonly string[]>>;
}

const { cases } = readRecord<{ readonly cases: readonly Case[] }>('samples.json');
let root = '';
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'polygate-foreign-samples-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

/** Captions are kept as they are but for white space around them. */
const trimmed = (captions: readonly string[]): string[] => captions.map((caption) => caption.trim()).sort();

describe('captions that Python tools wrote', () => {
  it.each(cases)('in $name are those that the tool reads', async ({ name, source, captions }) => {
    const prepared = await prepare({
      recipe: {
        name: name.replace(/\W/gu, '-'),
        image: { size: 8 },
        tokenizer: { vocabularySize: 300, lowercase: false },
        baselines: false,
        sources: { all: { ...source, split: 'train' } },
      },
      workDirectory: join(fixtures, 'samples'),
      output: root,
    });
    expect(prepared.suite.quarantine).toEqual({});
    const rows = await preparedRows(prepared, 'all');
    expect(rows.map(({ texts }) => trimmed(texts ?? [])).sort()).toEqual(
      Object.values(captions).map(trimmed).sort(),
    );
    // A name in the id tells which image has them.
    for (const row of rows) {
      const key = Object.keys(captions).find((each) => row.id.includes(each));
      expect(key, row.id).toBeDefined();
      expect(trimmed(row.texts ?? [])).toEqual(trimmed(captions[key ?? ''] ?? []));
    }
  });
});
