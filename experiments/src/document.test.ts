import { existsSync, readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { experiments } from './catalogue.ts';
import { documentFiles, generatedText, withGenerated } from './document.ts';
import type { ExperimentResults, RunResult } from './results.ts';
import { readResults } from './results.ts';
import { smallExperiments } from './small/small-catalogue.ts';
import { interferenceTable, updatesTable } from './interference-tables.ts';
import { normalisedPercents, priceTable, scoreTable } from './tables.ts';

const run = (variant: string, seed: number, numbers: readonly [number, number, number]): RunResult => ({
  variant,
  seed,
  key: `${variant}${seed}`,
  commit: 'abc1234',
  scores: { digits: { accuracy: numbers[0] }, words: { perplexity: numbers[1] } },
  price: { trainStepMs: numbers[2], inferenceMs: 10, peakMegabytes: 400, parameters: 123_456 },
  hours: 0.25,
});

const results: ExperimentResults = {
  experiment: 'made-up',
  title: 'Made up',
  question: 'Is it?',
  command: 'npm run experiment -- made-up',
  baseline: 'dense',
  machine: { cpu: 'A CPU', cores: 2, memoryGigabytes: 24, node: 'v20', engine: 'torch' },
  recipe: { steps: '10 steps' },
  suite: {},
  metrics: [
    { task: 'digits', metric: 'accuracy', label: 'digits', better: 'higher', digits: 3 },
    { task: 'words', metric: 'perplexity', label: 'words', better: 'lower', digits: 1 },
  ],
  variants: [
    { name: 'dense', label: 'dense', experts: null },
    { name: 'moe', label: 'experts', experts: {} },
    { name: 'later', label: 'not run', experts: {} },
  ],
  tasks: ['digits', 'words'],
  runs: [
    run('dense', 1, [0.5, 40, 20]),
    run('dense', 2, [0.4, 50, 20]),
    run('moe', 1, [0.6, 34, 30]),
    run('moe', 2, [0.5, 40, 20]),
  ],
};

describe('tables', () => {
  it('compare runs of one seed: mean, deviation and interval of the normalised score', () => {
    // seed 1: (0.1 / 0.5 + 6 / 40) / 2 = 0.175; seed 2: (0.1 / 0.4 + 10 / 50) / 2 = 0.225
    const percents = normalisedPercents(results, 'moe');
    expect(percents[0]).toBeCloseTo(17.5, 9);
    expect(percents[1]).toBeCloseTo(22.5, 9);
    const rows = scoreTable(results).split('\n');
    expect(rows[2]).toBe('| dense | 0.450 ± 0.071 | 45.0 ± 7.1 | 0 |  | 2 |');
    // mean 20, deviation 3.5355; 12.706 * 3.5355 / sqrt(2) = 31.77
    expect(rows[3]).toBe('| experts | 0.550 ± 0.071 | 37.0 ± 4.2 | 20.0 ± 3.5 | -11.8 to 51.8 | 2 |');
    expect(rows).toHaveLength(4);
  });

  it('give times as ratios to the baseline of the same seed', () => {
    // 30 / 20 and 20 / 20: mean 1.25, deviation 0.3536
    expect(priceTable(results)).toContain('| experts | 0.123 M | 1.25 ± 0.35 | 1.00 ± 0.00 | 400 |');
  });

  it('show the interference of a step of one task on the loss of another, and of updates in a row', () => {
    const estimate = (value: number) => ({ value, standardError: 0 });
    const cell = (value: number) => ({
      ratio: estimate(value),
      mean: estimate(9),
      median: estimate(9),
    });
    const matrix = (toWords: number, toDigits: number) => ({
      cells: [
        [cell(1), cell(toDigits)],
        [cell(toWords), cell(1)],
      ],
      own: [estimate(1), estimate(1)],
      effects: [],
    });
    const site = {
      layer: 3,
      layers: 4,
      linear: 'ffn.fc2',
      experts: 0,
      condition: null,
      weights: 1,
      step: 1,
    };
    const withSites: ExperimentResults = {
      ...results,
      runs: results.runs.map((each) => ({
        ...each,
        interference: [
          {
            checkpoint: 'step-500',
            sites: [{ ...site, firstOrder: matrix(-0.5, 0.25 * each.seed), exact: null }],
            updates: 64,
            rounds: 6,
            learningRate: 1e-3,
            model: { weights: 9, updates: matrix(-2, each.variant === 'moe' ? each.seed : 0) },
          },
        ],
      })),
    };
    const rows = interferenceTable(withSites).split('\n');
    expect(rows).toHaveLength(4);
    // seeds 1 and 2: 0.25 and 0.5
    expect(rows[2]).toContain('| step-500 | layer 3 of 4, ffn.fc2 | digits | words | 0.375 ± 0.177 |  |');
    expect(rows[3]).toContain('| step-500 | layer 3 of 4, ffn.fc2 | words | digits | -0.500 ± 0.000 |  |');
    const updates = updatesTable(withSites).split('\n');
    expect(updates[2]).toBe('| step-500 | digits | words | 0.00 ± 0.00 | 1.50 ± 0.71 |');
    expect(updates[3]).toBe('| step-500 | words | digits | -2.00 ± 0.00 | -2.00 ± 0.00 |');
    // Means of pairs: -1 dense; -0.5 and 0 experts. Differences 0.5 and 1: 0.75 ± 12.706 * 0.3536 / sqrt 2 = 3.177
    expect(updates[4]).toBe(
      '| step-500 | mean of all |  | -1.00 ± 0.00 | -0.25 ± 0.35; above dense by 0.75 (-2.43 to 3.93) |',
    );
  });
});

describe('withGenerated', () => {
  const generated = generatedText(results);

  it('replaces what lies between the markers and keeps what people wrote around it', () => {
    const written = withGenerated('', generated);
    const edited = `Above.\n${written}We read it so.\n`;
    const other = generatedText({ ...results, title: 'Another' });
    const again = withGenerated(edited, other);
    expect(again).toContain('# Another');
    expect(again).not.toContain('# Made up');
    expect(again.startsWith('Above.\n')).toBe(true);
    expect(again.endsWith('We read it so.\n')).toBe(true);
    expect(withGenerated(again, other)).toBe(again);
  });

  it('refuses a document with one marker alone', () => {
    expect(() => withGenerated('<!-- generated:start -->\ntext', generated)).toThrow(
      /expected <!-- generated:start --> and after it <!-- generated:end -->, got only one/u,
    );
  });
});

describe('docs/results', () => {
  const folder = join(import.meta.dirname, '..', '..', 'docs', 'results');
  const done = Object.keys(experiments).filter((name) => existsSync(join(folder, `${name}.json`)));

  it.each(done)('%s: tables and figure are what its results give', async (name) => {
    for (const [path, content] of await documentFiles(
      await readResults<ExperimentResults>(name, folder),
      folder,
    )) {
      expect(await readFile(path, 'utf8'), path).toBe(content);
    }
  });

  it('lists no document of an experiment that nobody knows', () => {
    const allowed = new Set([
      ...Object.keys(experiments),
      ...Object.keys(smallExperiments),
      'demo',
      'demo-wasm',
      'mini-full',
      'mini-generalist',
      'bench',
      'bench-amx',
      'bench-avx2',
      'LOG',
    ]);
    const stray = readdirSync(folder)
      .map((file) => file.replace(/\.(?:json|md|svg)$/u, ''))
      .filter((name) => !allowed.has(name));
    expect(stray).toEqual([]);
  });
});
