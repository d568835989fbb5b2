import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { prepare } from '@polygate/app-prepare';
import { fixtures, preparedRows, readRecord } from './prepared-rows.ts';

interface Row {
  readonly id: string;
  readonly split: string;
  readonly label?: string;
  readonly texts?: readonly string[];
}

interface Case {
  readonly name: string;
  readonly sources: Readonly<Record<string, object>>;
  readonly rows: readonly Row[];
  readonly classes?: readonly string[];
  /** A JSON list that is read as lines. */
  readonly lines?: string;
}

const { cases } = readRecord<{ readonly cases: readonly Case[] }>('labels.json');
let root = '';
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'polygate-foreign-labels-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

/** The fixtures, or a copy of them with the list written as lines, as `jq -c '.[]'` does it. */
const folderOf = async (lines: string | undefined): Promise<string> => {
  const labels = join(fixtures, 'labels');
  if (lines === undefined) return labels;
  const copy = join(root, 'copy');
  await cp(labels, copy, { recursive: true });
  const list = JSON.parse(await readFile(join(copy, lines), 'utf8')) as readonly unknown[];
  await writeFile(join(copy, 'lines.jsonl'), list.map((row) => JSON.stringify(row)).join('\n'));
  return copy;
};

describe('labels and splits that Python tools wrote', () => {
  it.each(cases)(
    'in $name are those that the tool reads',
    async ({ name, sources, rows, classes, lines }) => {
      const prepared = await prepare({
        recipe: {
          name: name.toLowerCase().replace(/\W+/gu, '-'),
          image: { size: 8 },
          tokenizer: { vocabularySize: 300, lowercase: false },
          baselines: false,
          sources,
        },
        workDirectory: await folderOf(lines),
        output: join(root, 'data'),
      });
      expect(prepared.suite.quarantine).toEqual({});
      const [dataset] = prepared.suite.datasets;
      expect(dataset?.classes).toEqual(classes);
      expect(dataset?.overlaps).toBeUndefined();
      const byId = (a: Row, b: Row): number => (a.id < b.id ? -1 : 1);
      const got = (await preparedRows(prepared, dataset?.name ?? '')).map(({ pixels: _, ...row }) => row);
      expect([...got].sort(byId)).toEqual([...rows].sort(byId));
    },
  );
});
