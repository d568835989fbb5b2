/** Labelled arrays of several inputs, from files of NumPy to scores and predictions through the command line. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { npyBytes } from './npy-bytes.ts';
import { polygate, tinyModel } from './polygate.ts';
import { put } from './small-suite.ts';

interface StoredSuite {
  readonly datasets: readonly {
    readonly kind: string;
    readonly settings: { readonly inputs: Readonly<Record<string, Record<string, unknown>>> };
  }[];
}
let scratch: string;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'polygate-multimodal-'));
});
afterAll(() => rm(scratch, { recursive: true, force: true }));

const ROWS = 48;
const [STEPS, FEATURES] = [6, 2];

/** Rises in even rows, falls in odd ones; with some gaps, and a feature that never changes. */
const seriesOf = (row: number): number[] =>
  Array.from({ length: STEPS * FEATURES }, (_, i) => {
    const [step, feature] = [Math.floor(i / FEATURES), i % FEATURES];
    if (feature === 1) return 7;
    if ((row + step) % 11 === 0) return Number.NaN;
    return (row % 2 === 0 ? 1 : -1) * (step - 2.5) + row / 100;
  });

const run = async (...argv: string[]) => {
  const done = await polygate(...argv);
  expect([done.code, done.code === 0 ? '' : done.log]).toEqual([0, '']);
  return done;
};

describe('labelled arrays', () => {
  it('of a series with gaps are prepared, trained on, scored and predicted', async () => {
    const raw = join(scratch, 'raw');
    const rows = Array.from({ length: ROWS }, (_, row) => row);
    await put(raw, 'series.npy', npyBytes(rows.flatMap(seriesOf), [ROWS, STEPS, FEATURES]));
    await put(
      raw,
      'labels.npy',
      npyBytes(
        rows.map((row) => row % 2),
        [ROWS],
      ),
    );
    await run('prepare', '--from', raw, '--out', join(scratch, 'data'));
    const suite = join(scratch, 'data', 'raw');
    const { datasets } = JSON.parse(await readFile(join(suite, 'suite.json'), 'utf8')) as StoredSuite;
    const [dataset] = datasets;
    expect(dataset?.kind).toBe('multimodal-classes');
    const series = dataset?.settings.inputs['series'];
    expect(series).toMatchObject({
      modality: 'time-series',
      form: 'values',
      shape: [6, 2],
      gaps: true,
      longest: 6,
    });
    // A constant column has no deviation.
    expect((series?.['statistics'] as { mean: number; deviation: number }[])[1]).toEqual({
      mean: 7,
      deviation: 0,
    });

    const trained = join(scratch, 'run');
    const recipe = {
      name: 'rising',
      suite,
      model: { ...tinyModel, moe: { experts: 2, topK: 1 } },
      tasks: {
        rising: {
          family: 'multimodal-classification',
          dataset: 'raw',
          batchSize: 8,
          inputs: { series: { patch: 2 } },
        },
      },
      optimizer: { learningRate: 1e-2 },
      steps: '60 steps',
      engine: 'cpu',
    };
    await writeFile(join(scratch, 'rising.json'), JSON.stringify(recipe));
    await run('pretrain', '--recipe', join(scratch, 'rising.json'), '--run', trained);
    const scored = await run('evaluate', '--run', trained, '--json', '--splits', 'train', '--engine', 'cpu');
    const { scores } = JSON.parse(scored.out) as { readonly scores: readonly { readonly value: number }[] };
    expect(scores[0]).toMatchObject({ metric: 'top-1' });
    expect(scores[0]?.value).toBeGreaterThan(0.9);

    const ask = async (name: string, row: number) => {
      const file = await put(scratch, `${name}.npy`, npyBytes(seriesOf(row), [STEPS, FEATURES]));
      const told = await run(
        'predict',
        'classify-sample',
        file,
        '--run',
        trained,
        '--json',
        '--engine',
        'cpu',
      );
      const { labels } = JSON.parse(told.out) as { readonly labels: readonly { readonly label: string }[] };
      return labels[0]?.label;
    };
    expect([await ask('up', 4), await ask('down', 5)]).toEqual(['0', '1']);
  });
});
