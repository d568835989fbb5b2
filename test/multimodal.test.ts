/** Labelled arrays of several inputs, from files of NumPy to scores and predictions through the command line. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parsePrepareRecipe, prepare } from '@polygate/app-prepare';
import { parseRecipe } from '@polygate/generalist';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { npyBytes } from './npy-bytes.ts';
import { polygate, tinyModel } from './polygate.ts';
import { put } from './small-suite.ts';
import { wavBytes } from './wav-bytes.ts';

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
      engine: 'wasm',
    };
    await writeFile(join(scratch, 'rising.json'), JSON.stringify(recipe));
    await run('pretrain', '--recipe', join(scratch, 'rising.json'), '--run', trained);
    const scored = await run('evaluate', '--run', trained, '--json', '--splits', 'train', '--engine', 'wasm');
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
        'wasm',
      );
      const { labels } = JSON.parse(told.out) as { readonly labels: readonly { readonly label: string }[] };
      return labels[0]?.label;
    };
    expect([await ask('up', 4), await ask('down', 5)]).toEqual(['0', '1']);
  });

  it('ask for several labels, or for numbers, of rows that lack inputs', async () => {
    const raw = join(scratch, 'robot');
    const rows = Array.from({ length: ROWS }, (_, row) => row);
    // Each third row lacks the force, each fourth the table; the first batch of eight lacks the force.
    const isAbsent = (row: number) => row < 8 || row % 3 === 0;
    const force = rows.flatMap((row) =>
      isAbsent(row) ? Array(6).fill(NaN) : [row % 2, 1, row % 2, 1, row % 2, 1],
    ) as number[];
    const table = rows.flatMap((row) => (row % 4 === 3 ? [NaN, NaN] : [row % 2 === 0 ? 5 : -5, NaN]));
    await put(raw, 'force.npy', npyBytes(force, [ROWS, 3, 2]));
    await put(raw, 'table.npy', npyBytes(table, [ROWS, 2]));
    const flags = rows.flatMap((row) => [row % 2, 1 - (row % 2), 1]);
    await put(raw, 'labels.npy', npyBytes(flags, [ROWS, 3]));
    await put(
      raw,
      'mass.npy',
      npyBytes(
        rows.map((row) => 100 + 20 * (row % 2)),
        [ROWS],
      ),
    );
    const source = {
      source: 'multimodal-arrays',
      files: ['robot/force.npy', 'robot/table.npy', 'robot/labels.npy'],
    };
    const prepared = {
      name: 'robot',
      tokenizer: { vocabularySize: 300 },
      sources: {
        flags: { ...source, classes: ['odd', 'even', 'any'] },
        mass: {
          ...source,
          files: ['robot/force.npy', 'robot/table.npy', 'robot/mass.npy'],
          label: 'mass',
          asked: 'numbers',
          outputs: ['mass'],
        },
      },
    };
    await prepare({ recipe: prepared, workDirectory: scratch });
    const trained = join(scratch, 'robot-run');
    const recipe = {
      name: 'robot',
      suite: join(scratch, 'data', 'robot'),
      model: { ...tinyModel, moe: { experts: 2, topK: 1, topKByModality: { force: 2 } } },
      tasks: {
        flags: { family: 'multimodal-labelling', dataset: 'flags', batchSize: 8 },
        mass: { family: 'multimodal-regression', dataset: 'mass', batchSize: 8 },
      },
      optimizer: { learningRate: 2e-2 },
      steps: '90 steps',
      engine: 'wasm',
    };
    await writeFile(join(scratch, 'robot.json'), JSON.stringify(recipe));
    await run('pretrain', '--recipe', join(scratch, 'robot.json'), '--run', trained);
    const scored = await run('evaluate', '--run', trained, '--json', '--splits', 'train', '--engine', 'wasm');
    const { scores } = JSON.parse(scored.out) as {
      readonly scores: readonly {
        readonly metric: string;
        readonly value: number;
        readonly baselines: Readonly<Record<string, number>>;
      }[];
    };
    const valueOf = (metric: string) => scores.find((score) => score.metric === metric);
    expect(valueOf('label accuracy')?.value).toBeGreaterThan(
      valueOf('label accuracy')?.baselines['noLabels'] ?? 1,
    );
    expect(valueOf('micro-F1')?.value).toBeGreaterThan(0.8);
    // 10 to either side of 110: the mean of the training split is off by 100, squared.
    expect(valueOf('MSE')?.baselines['trainingMean']).toBeGreaterThan(90);
    expect(valueOf('MSE')?.value).toBeLessThan(60);
    const one = await put(scratch, 'table.npy', npyBytes([5, NaN], [2]));
    const told = await run('predict', 'estimate-sample', one, '--run', trained, '--json', '--engine', 'wasm');
    const { numbers } = JSON.parse(told.out) as {
      readonly numbers: readonly { name: string; value: number }[];
    };
    expect(numbers[0]?.name).toBe('mass');
    expect(numbers[0]?.value).toBeLessThan(108);
  });

  it('that do not belong together, or could run programs, are refused', async () => {
    const raw = join(scratch, 'apart');
    await put(raw, 'series.npy', npyBytes([1, 2, 3, 4], [4, 1, 1]));
    await put(raw, 'labels.npy', npyBytes([0, 1, 0], [3]));
    const apart = await polygate('prepare', '--from', raw, '--out', join(scratch, 'data'));
    expect(apart.code).not.toBe(0);
    expect(apart.log).toContain(
      'series: expected as many samples as labels in labels, got 4 and 3; name arrays that belong together',
    );
    await put(join(scratch, 'pickled'), 'mosei.pkl', 'x');
    const pickled = await polygate(
      'prepare',
      '--from',
      join(scratch, 'pickled'),
      '--out',
      join(scratch, 'data'),
    );
    expect(pickled.code).not.toBe(0);
    expect(pickled.log).toContain('is a pickle, which can run any program when it is loaded');
  });
});

describe('a folder of recordings with a table', () => {
  it('is prepared, trained on, scored and predicted; a damaged file is left out', async () => {
    const raw = join(scratch, 'calls');
    const lines = ['clip,kind,age,place'];
    for (let at = 0; at < 24; at += 1) {
      const [kind, hertz] = at % 2 === 0 ? ['low', 300 + 5 * at] : ['high', 3000 + 20 * at];
      const bytes = wavBytes(hertz);
      await put(raw, `sounds/call-${at}.wav`, at === 5 ? bytes.subarray(0, 900) : bytes);
      // Ages and places are missing here and there; a row has no recording.
      const cell = at === 6 ? '' : `call-${at}.wav`;
      lines.push(`${cell},${kind},${at % 3 === 0 ? '' : 20 + at},${['north', 'south', 'NA'][at % 3]}`);
    }
    await put(raw, 'table.csv', `${lines.join('\n')}\n`);
    const prepared = {
      name: 'calls',
      tokenizer: { vocabularySize: 300 },
      sources: {
        calls: {
          source: 'multimodal-table',
          file: 'calls/table.csv',
          labelColumn: 'kind',
          audio: 'calls/sounds',
          audioColumn: 'clip',
          spectrogram: { bands: 16 },
          testPercent: 0,
          validationPercent: 0,
        },
      },
    };
    await prepare({ recipe: prepared, workDirectory: scratch });
    const suite = join(scratch, 'data', 'calls');
    const { datasets, quarantine } = JSON.parse(
      await readFile(join(suite, 'suite.json'), 'utf8'),
    ) as StoredSuite & {
      readonly quarantine: Readonly<Record<string, number>>;
    };
    expect(quarantine).toEqual({ 'truncated-audio': 1 });
    expect(datasets[0]?.settings.inputs).toMatchObject({
      audio: { modality: 'audio', form: 'audio', shape: [null, 16], longest: 11, gaps: false },
      table: {
        modality: 'table',
        gaps: true,
        columns: [
          { name: 'age', kind: 'number' },
          { name: 'place', kind: 'category', values: ['north', 'south'] },
        ],
      },
    });
    const recipe = {
      name: 'calls',
      suite,
      model: { ...tinyModel, moe: { experts: 2, topK: 1 } },
      tasks: {
        calls: {
          family: 'multimodal-classification',
          dataset: 'calls',
          batchSize: 8,
          inputs: { audio: { patch: [4, 8] }, table: {} },
        },
      },
      optimizer: { learningRate: 1e-2 },
      steps: '60 steps',
      engine: 'wasm',
    };
    const trained = join(scratch, 'calls-run');
    await writeFile(join(scratch, 'calls-run.json'), JSON.stringify(recipe));
    await run('pretrain', '--recipe', join(scratch, 'calls-run.json'), '--run', trained);
    const scored = await run('evaluate', '--run', trained, '--json', '--splits', 'train', '--engine', 'wasm');
    const { scores } = JSON.parse(scored.out) as { readonly scores: readonly { readonly value: number }[] };
    expect(scores[0]?.value).toBeGreaterThan(0.85);
    // A recording alone: the table is missing.
    const file = await put(scratch, 'new.wav', wavBytes(3100, 8000));
    const told = await run(
      'predict',
      'classify-sample',
      file,
      '--run',
      trained,
      '--json',
      '--engine',
      'wasm',
    );
    const { labels } = JSON.parse(told.out) as { readonly labels: readonly { readonly label: string }[] };
    expect(labels[0]?.label).toBe('high');

    // The same by values and paths, and many in one start as the rows of a table, in their order.
    const asked = ['--run', trained, '--json', '--engine', 'wasm'];
    const object = JSON.stringify({ clip: file, age: 30, place: 'nowhere' });
    const byValues = await run('predict', 'classify-sample', object, ...asked);
    expect(JSON.parse(byValues.out)).toMatchObject({ sample: object, labels: [{ label: 'high' }, {}] });
    expect(byValues.log).toContain('"nowhere" is none of the categories of place that the model has');
    const rows = [
      { clip: 'call-1.wav', age: 21, note: 'passed over' },
      { clip: 'none.wav' },
      { age: 'old' },
      { clip: 'call-2.wav' },
      { clip: null },
    ];
    const table = await put(scratch, 'rows.jsonl', rows.map((row) => JSON.stringify(row)).join('\n'));
    const byTable = await polygate(
      ...['predict', 'classify-sample', '--table', table, '--files', join(raw, 'sounds')],
      ...asked,
    );
    expect(byTable.code).toBe(1);
    expect(byTable.out.split('\n').map((line) => JSON.parse(line) as unknown)).toMatchObject([
      { sample: 'line 1', labels: [{ label: 'high' }, {}] },
      { sample: 'line 2', error: expect.stringContaining('got nothing at') as string },
      { sample: 'line 3', error: 'sample line 3: expected a number for "age", got "old"' },
      { sample: 'line 4', labels: [{ label: 'low' }, {}] },
      { sample: 'line 5', error: expect.stringContaining('expected a value for one of') as string },
    ]);
    expect(byTable.log).toContain("expected 5 rows that can be read, got 3 that can't");
    expect((await polygate('predict', 'classify-sample', ...asked)).log).toContain(
      'expected samples or --table FILE, got neither; give one of them',
    );
  });
});

describe('the page about such data', () => {
  it('shows recipes that are read', async () => {
    const page = await readFile(join(import.meta.dirname, '../docs/multimodal-data.md'), 'utf8');
    const recipes = [...page.matchAll(/^```json\n([\s\S]*?)^```$/gmu)].map(
      ([, text = '']) => JSON.parse(text) as { readonly name: string },
    );
    const [training, ...preparing] = recipes.toReversed();
    expect(preparing.map((recipe) => parsePrepareRecipe(recipe).name)).toEqual([
      'patients',
      'calls',
      'robot',
    ]);
    expect(parseRecipe(training).name).toBe('calls');
  });
});
