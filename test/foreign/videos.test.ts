/** Captions and labels of videos as MSR-VTT, MSVD and Kinetics give them out, read as Python reads them. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { prepare, recipeForPath } from '@polygate/app-prepare';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fixtures, preparedRows, readRecord } from './prepared-rows.ts';

interface Row {
  readonly id: string;
  readonly split: string;
  readonly group?: string;
  readonly texts?: readonly string[];
  readonly label?: string;
}

interface Case {
  readonly name: string;
  /** What `prepare --from` is pointed at. */
  readonly path: string;
  readonly sources: Readonly<Record<string, { readonly source: string } & Readonly<Record<string, unknown>>>>;
  readonly classes?: readonly string[];
  readonly rows: readonly Row[];
  /** Clips of the list, those that are missing among them. */
  readonly listed: number;
}

const { cases } = readRecord<{ readonly cases: readonly Case[] }>('videos.json');
const folder = join(fixtures, 'videos');
let root = '';
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'polygate-foreign-videos-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

const byId = (a: Row, b: Row): number => (a.id < b.id ? -1 : 1);

describe('videos as data sets give them out', () => {
  it.each(cases)(
    '$name has the clips that Python finds',
    async ({ name, sources, classes, rows, listed }) => {
      const prepared = await prepare({
        recipe: {
          name: name.toLowerCase().replace(/\W+/gu, '-'),
          image: { size: 4 },
          video: { frames: 2 },
          tokenizer: { vocabularySize: 300, lowercase: false },
          baselines: false,
          sources,
        },
        workDirectory: folder,
        output: join(root, 'data'),
      });
      const [dataset] = prepared.suite.datasets;
      expect(dataset?.classes).toEqual(classes);
      const got = await preparedRows(prepared, 'videos');
      const plain = ({ pixels: _, ...row }: (typeof got)[number]) => row;
      // Labelled clips have no column of groups.
      expect(got.map(plain).sort(byId)).toEqual([...rows].sort(byId));
      // Clips that are not there are counted and told of, and end nothing.
      const missing = listed - rows.length;
      expect(missing).toBeGreaterThan(0);
      const quarantine = await readFile(join(prepared.directory, 'quarantine.jsonl'), 'utf8');
      const faults = quarantine
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Record<string, string>);
      expect(faults.map(({ code }) => code)).toEqual(Object.values(sources).map(() => 'not-fetched'));
      const counted = faults.map(({ reason }) => Number(/got (\d+) of/u.exec(reason ?? '')?.[1]));
      expect(counted.reduce((sum, count) => sum + count, 0)).toBe(missing);
    },
  );

  it.each(cases)('--from finds $name', async ({ path, sources }) => {
    const { reader } = await recipeForPath(join(folder, path));
    expect(reader).toBe(Object.values(sources)[0]?.source);
  });

  it('says where none of the clips is', async () => {
    const source = { source: 'msvd', file: 'msvd/AllVideoDescriptions.txt', videos: 'kinetics/clips' };
    await expect(
      prepare({
        recipe: { name: 'none', image: { size: 4 }, sources: { videos: source } },
        workDirectory: folder,
        output: join(root, 'data'),
      }),
    ).rejects.toThrow(
      /expected clips such as "-4wsuPCjDBc_5_15" in .*kinetics\/clips, got none of 5 among 7 clips there; give the folder of the videos/u,
    );
  });
});
