/** Samples of several inputs that lack things, or hold what no sensor means: left out one by one, told of, or trained on. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { npyBytes } from './npy-bytes.ts';
import { useOwnData } from './own-data.ts';
import { polygate } from './polygate.ts';

const data = useOwnData();
const prepared = (path: string) => polygate('prepare', '--from', data.at(path), '--out', data.at('data'));
const suiteOf = async (name: string) =>
  JSON.parse(await readFile(join(data.at('data'), name, 'suite.json'), 'utf8')) as {
    readonly quarantine: Readonly<Record<string, number>>;
    readonly datasets: readonly [
      {
        readonly splits: Readonly<Record<string, { readonly rows: number }>>;
        readonly settings: { readonly inputs: Readonly<Record<string, object>> };
      },
    ];
  };

describe('samples that lack inputs, or hold infinite numbers', () => {
  it('are trained on and scored where a modality is in no training sample, and left out where they have none', async () => {
    const [rows, gap] = [12, Number.NaN];
    for (const split of ['train', 'test']) {
      const force = Array.from({ length: rows * 4 }, (_, i) => (split === 'train' ? gap : i % 5));
      // Each third row lacks the series, too; one number is no number, one feature never changes.
      const series = Array.from({ length: rows * 4 }, (_, i) =>
        Math.floor(i / 4) % 3 === 2 || i === 0 ? gap : i % 2 === 0 ? i : 7,
      );
      await data.put(`own/${split}_force.npy`, npyBytes(force, [rows, 2, 2]));
      await data.put(`own/${split}_series.npy`, npyBytes(series, [rows, 2, 2]));
      const labels = Array.from({ length: rows }, (_, row) => row % 2);
      await data.put(`own/${split}_labels.npy`, npyBytes(labels, [rows]));
    }
    expect((await prepared('own')).code).toBe(0);
    const { quarantine, datasets } = await suiteOf('own');
    expect(quarantine).toEqual({ 'no-input': 4 });
    const [{ splits, settings }] = datasets;
    expect([splits['train']?.rows, splits['test']?.rows]).toEqual([8, 12]);
    expect(settings.inputs).toMatchObject({
      force: { longest: 0 },
      series: { gaps: true, statistics: [{}, { mean: 7, deviation: 0 }] },
    });
    const sizes = { width: 8, heads: 2, latents: 2, latentHeads: 1, latentHeadWidth: 8, crossHeadWidth: 8 };
    const recipe = {
      name: 'own',
      suite: data.at('data/own'),
      model: { architecture: 'sm4', preset: 'small', experts: 2, topK: 1, ...sizes },
      steps: '2 steps',
      engine: 'wasm',
    };
    await writeFile(data.at('own.json'), JSON.stringify(recipe));
    const trained = await polygate('pretrain', '--recipe', data.at('own.json'), '--run', data.at('run'));
    expect([trained.code, trained.code === 0 ? '' : trained.log]).toEqual([0, '']);
    const scored = await polygate('evaluate', '--run', data.at('run'), '--json', '--engine', 'wasm');
    const { scores } = JSON.parse(scored.out) as {
      readonly scores: readonly { readonly value: number; readonly baselines: object }[];
    };
    expect(scores[0]?.value).toBeGreaterThanOrEqual(0);
    expect(Object.keys(scores[0]?.baselines ?? {}).sort()).toEqual(['majority', 'nearestNeighbour', 'ridge']);
  });

  it('are left out of tables with a reason, and a class of the test split alone is told of', async () => {
    const line = (row: number, label: string) => `${row / 7},${['a', 'b'][row % 2] ?? ''},7,${label}`;
    const table = (labels: readonly string[], ...more: readonly string[]) =>
      ['x,w,k,label', ...labels.map((label, row) => line(row, label)), ...more].join('\n');
    await data.put('own/train.csv', table(['p', 'q', 'p', 'q'], 'inf,a,7,p', '3,a,7,', ',,,q'));
    await data.put('own/test.csv', table(['p', 'z'], '-Infinity,b,7,q'));
    const { code, log } = await prepared('own');
    expect(code).toBe(0);
    expect(log).toContain('1 of 3 classes have no training sample: ["z"]');
    const { quarantine, datasets } = await suiteOf('own');
    expect(quarantine).toEqual({ 'infinite-number': 2, 'no-label': 1, 'no-input': 1 });
    const reasons = await readFile(data.at('data/own/quarantine.jsonl'), 'utf8');
    expect(reasons).toContain('expected numbers that a float32 holds, or NaN for missing ones, got Infinity');
    expect(datasets[0].settings.inputs).toMatchObject({
      table: {
        columns: [{ name: 'x', kind: 'number' }, { name: 'w' }, { name: 'k' }],
        statistics: [{}, {}, { mean: 7, deviation: 0 }],
      },
    });
  });
});
