import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { main, memoryTerminal } from 'polygate';
import { readSuite } from '@polygate/datasets';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fixtures, preparedRows, readRecord } from './prepared-rows.ts';

interface Row {
  readonly id: string;
  readonly split: string;
  readonly label?: string;
  readonly texts?: readonly string[];
  /** [H·W·3] RGB, hex. */
  readonly pixels?: string;
}

interface Case {
  readonly name: string;
  readonly sources: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly rows: readonly Row[];
  readonly classes?: readonly string[];
  readonly kind?: string;
  /** Samples that are left out, by reason. */
  readonly quarantine?: Readonly<Record<string, number>>;
  /** Side of the images, pixels. */
  readonly size?: number;
}

/** Cases with the folder that their paths count from. */
const cases = ['formats', 'img2dataset'].flatMap((name) =>
  readRecord<{ readonly cases: readonly Case[] }>(`${name}.json`).cases.map((each) => ({
    ...each,
    folder: join(fixtures, name),
  })),
);
let root = '';
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'polygate-foreign-formats-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

/** Settings that hold paths count from the folder of the fixtures. */
const located = (source: Case['sources'][string], folder: string): Record<string, unknown> => {
  const below = (value: unknown): unknown =>
    typeof value === 'string' ? join(folder, value) : Array.isArray(value) ? value.map(below) : value;
  const paths = new Set(['files', 'file', 'path', 'images', 'labels', 'splitFiles', 'index']);
  return Object.fromEntries(
    Object.entries(source).map(([key, value]) => [key, paths.has(key) ? below(value) : value]),
  );
};

const byId = (a: Row, b: Row): number => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);

describe('datasets that Python tools wrote', () => {
  it.each(cases)(
    'give what the tool reads: $name',
    async ({ name, sources, folder, rows, classes, kind, quarantine = {}, size = 4 }) => {
      const slug = name.toLowerCase().replace(/[^a-z0-9]+/gu, '-');
      const recipe = join(root, `${slug}.json`);
      const sourceSettings = Object.fromEntries(
        Object.entries(sources).map(([key, source]) => [key, located(source, folder)]),
      );
      const settings = {
        name: slug,
        image: { size },
        tokenizer: { vocabularySize: 300, lowercase: false },
        baselines: false,
        limits: { rate: 1 },
        sources: sourceSettings,
      };
      await writeFile(recipe, JSON.stringify(settings));
      const terminal = memoryTerminal();
      const code = await main(['prepare', '--recipe', recipe, '--out', root], terminal);
      expect([code, code === 0 ? '' : terminal.log.join('\n')]).toEqual([0, '']);
      const directory = join(root, slug);
      const suite = await readSuite(directory);
      expect(suite.quarantine).toEqual(quarantine);
      const [dataset] = suite.datasets;
      expect(dataset?.classes).toEqual(classes);
      if (kind !== undefined) expect(dataset?.kind).toBe(kind);
      expect(dataset?.overlaps).toBeUndefined();
      const got = (await preparedRows({ suite, directory }, dataset?.name ?? '')).map(
        ({ pixels, ...row }) => ({
          ...row,
          ...(pixels ? { pixels: Buffer.from(pixels).toString('hex') } : {}),
        }),
      );
      expect(got.sort(byId)).toEqual([...rows].sort(byId));
    },
  );
});
