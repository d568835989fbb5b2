import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createRandom } from '@polygate/core';
import type { Suite } from '@polygate/datasets';
import { describe, expect, it } from 'vitest';
import { readResults } from '../results.ts';
import { CHANNELS, drawShape, drawTile, shapes, SIDE } from './drawn-images.ts';
import { npyOf } from './npy.ts';
import { smallExperiments } from './small-catalogue.ts';
import { smallFiles, withTable } from './small-document.ts';
import { planSmallRuns } from './small-plan.ts';
import type { SmallResults } from './small-results.ts';
import { smallImagesExperiment } from './small-images.ts';
import { transfer } from './transfer.ts';
import type { SmallRun } from './small-run.ts';
import { smallSets } from './small-sets.ts';
import { differenceTable, smallTable } from './small-tables.ts';

const run = (set: string, variant: string, seed: number, value: number): SmallRun => ({
  set,
  variant,
  seed,
  key: `${set}${variant}${seed}`,
  commit: 'abc1234',
  engine: 'torch',
  score: { value, count: 100 },
  steps: 100,
  best: 80,
  seconds: 20,
  parameters: 1000,
});

const row = { what: 'made up', familiar: false, classes: 2, size: 48, samples: { train: 50, test: 20 } };
const results: SmallResults = {
  experiment: 'made-up',
  title: 'Made up',
  question: 'Is it?',
  command: 'npm run experiment -- made-up',
  baseline: 'scratch',
  machine: { cpu: 'A CPU', cores: 2, memoryGigabytes: 24, node: 'v20', engine: 'torch' },
  variants: [
    { name: 'scratch', label: 'from scratch' },
    { name: 'fine', label: 'fine-tuned' },
    { name: 'later', label: 'not run' },
  ],
  sets: [
    { ...row, name: 'digits', label: 'digits', baselines: { majority: 0.1, pixelNearestNeighbour: 0.7 } },
    { ...row, name: 'tiles', label: 'tiles', baselines: { majority: 0.2, pixelNearestNeighbour: 0.3 } },
    { ...row, name: 'other', label: 'not run', baselines: {} },
  ],
  runs: [
    run('digits', 'scratch', 1, 0.5),
    run('digits', 'scratch', 2, 0.6),
    run('digits', 'fine', 1, 0.8),
    run('digits', 'fine', 2, 0.8),
    run('tiles', 'scratch', 1, 0.4),
    run('tiles', 'fine', 1, 0.3),
  ],
};

describe('tables of small sets', () => {
  it('have simple systems and every variant that was run, a row a set', () => {
    expect(smallTable(results).split('\n').slice(2)).toEqual([
      '| digits | 50 | 0.100 | 0.700 | 0.550 ± 0.071 | 0.800 ± 0.000 |',
      '| tiles | 50 | 0.200 | 0.300 | 0.400 | 0.300 |',
    ]);
  });

  it('compare runs of one set and seed', () => {
    // digits: 0.3 and 0.2; 12.706 * 0.0707 / sqrt 2 = 0.635. With tiles' -0.1: mean 0.133, deviation 0.208.
    expect(differenceTable(results).split('\n').slice(2)).toEqual([
      '| from scratch | 0 | 0 | 0 | 100 | 20 |',
      '| fine-tuned | 0.250 [-0.385, 0.885] | -0.100 | 0.133 ± 0.208 | 100 | 20 |',
    ]);
  });

  it('go into the page between the markers of their experiment', () => {
    const page = 'Above.\n\n<!-- made-up:start -->\nold\n<!-- made-up:end -->\n\nBelow.\n';
    const shown = withTable(page, results);
    expect(shown).toContain('| tiles | 50 |');
    expect(shown).not.toContain('old');
    expect(withTable(shown, results)).toBe(shown);
    expect(() => withTable('no markers', results)).toThrow(/expected <!-- made-up:start --> and after it/u);
  });
});

describe('the runs of an experiment on small sets', () => {
  const suite = (rows: number): Suite => ({
    name: 'small-digits',
    version: 1,
    image: { height: 48, width: 48 },
    textLength: 64,
    tokenizerHash: '',
    recipeHash: 'a',
    quarantine: {},
    datasets: [
      {
        name: 'digits',
        kind: 'labelled-image',
        classes: ['a', 'b'],
        splits: { train: { rows }, validation: { rows: 50 }, test: { rows: 50 } },
      },
    ],
  });
  const [set] = smallSets;
  if (!set) throw new RangeError('internal: no set');
  const sets = [{ set, suite: suite(500), folder: 'data/small-digits' }];
  const options = { sets, seeds: [1, 2], runs: 'runs' };

  it('are one for each variant and seed, and known by all that decides them', () => {
    const orders = planSmallRuns(smallImagesExperiment, options);
    expect(orders).toHaveLength(2 * smallImagesExperiment.variants.length);
    expect(new Set(orders.map(({ key }) => key)).size).toBe(orders.length);
    expect(orders[0]?.recipe).toMatchObject({ suite: 'data/small-digits', seed: 1, threads: 1 });
    const moved = planSmallRuns(smallImagesExperiment, {
      ...options,
      sets: sets.map((each) => ({ ...each, folder: 'elsewhere' })),
    });
    expect(moved.map(({ key }) => key)).toEqual(orders.map(({ key }) => key));
  });

  it('start from the base where they tune, and are others for another base', () => {
    const base = { folder: 'runs/base', sha256: 'b' };
    const orders = planSmallRuns(transfer, { ...options, base });
    expect(orders.map(({ recipe }) => recipe.initialize?.from)).toEqual([
      ...[undefined, 'runs/base', 'runs/base', 'runs/base', 'runs/base'],
      ...[undefined, 'runs/base', 'runs/base', 'runs/base', 'runs/base'],
    ]);
    expect(new Set(orders.map(({ key }) => key)).size).toBe(orders.length);
    const other = planSmallRuns(transfer, { ...options, base: { ...base, sha256: 'c' } });
    const same = other.filter(({ key }, i) => key === orders[i]?.key).map(({ variant }) => variant);
    expect(same).toEqual(['scratch', 'scratch']);
  });
});

describe('drawn images', () => {
  const weights = [0.3, 0.59, 0.11];
  /** Mean lightness. */
  const bright = (pixels: Uint8Array): number =>
    pixels.reduce((sum, value, i) => sum + value * (weights[i % CHANNELS] ?? 0), 0) / (SIDE * SIDE);

  it('show their shape in a colour that differs from the ground, the same for one stream', () => {
    for (const name of Object.keys(shapes)) {
      const drawn = drawShape(name, createRandom(3));
      expect(drawn).toHaveLength(SIDE * SIDE * CHANNELS);
      expect(drawn).toEqual(drawShape(name, createRandom(3)));
      expect(bright(drawn)).not.toBe(bright(drawShape(name, createRandom(4))));
    }
    // Distances by hand: the middle of a disc is 1 inside, of a ring 0.82 - 0.18 outside its wall.
    expect(shapes['disc']?.(0, 0)).toBe(-1);
    expect(shapes['ring']?.(0, 0)).toBeCloseTo(0.64, 12);
    expect(shapes['triangle']?.(0, -0.5)).toBeCloseTo(-0.5, 12);
  });

  it('paint what is dark in a motif with the ink of a tile', () => {
    const motif = new Uint8Array(SIDE * SIDE * CHANNELS).fill(255);
    const blank = drawTile(motif, createRandom(1));
    const inked = drawTile(motif.fill(0), createRandom(1));
    expect(Math.abs(bright(blank) - bright(inked))).toBeGreaterThan(50);
  });

  it('are written as NumPy reads them', () => {
    const bytes = Buffer.from(npyOf(Uint8Array.from([1, 2, 3, 4, 5, 6]), [2, 3]));
    const length = bytes.readUInt16LE(8);
    expect((10 + length) % 64).toBe(0);
    expect(
      bytes
        .subarray(10, 10 + length)
        .toString('latin1')
        .trimEnd(),
    ).toBe("{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3,), }");
    expect([...bytes.subarray(10 + length)]).toEqual([1, 2, 3, 4, 5, 6]);
  });
});

describe('docs/results and docs/choosing.md', () => {
  const docs = join(import.meta.dirname, '..', '..', '..', 'docs');
  const folder = join(docs, 'results');
  const done = Object.keys(smallExperiments).filter((name) => existsSync(join(folder, `${name}.json`)));

  it('show what the results give', async () => {
    for (const name of done) {
      const files = await smallFiles(await readResults<SmallResults>(name, folder), {
        folder,
        page: join(docs, 'choosing.md'),
      });
      for (const [path, content] of files) expect(await readFile(path, 'utf8'), path).toBe(content);
    }
  });
});
