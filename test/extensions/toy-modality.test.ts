/** A modality in a module of somebody else, from its raw files to its scores through the command line. */
import { mkdtemp, readFile, rm, writeFile, mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { polygate, tinyModel } from '../polygate.ts';

const EXTENSION = join(import.meta.dirname, 'toy-modality.mjs');
interface Answer {
  readonly name: string;
  readonly probability: number;
}
let scratch: string;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'polygate-toy-modality-'));
});
afterAll(() => rm(scratch, { recursive: true, force: true }));

/** Rows that rise or fall, from several heights and by several steps. */
const lines = (): string => {
  const rows: string[] = [];
  for (let at = 0; at < 24; at += 1) {
    for (const [name, sign] of [
      ['rising', 1],
      ['falling', -1],
    ] as const) {
      const numbers = Array.from({ length: 8 }, (_, i) => (sign * (i - 3.5) * (1 + (at % 4))) / 8 + at / 24);
      rows.push(`${name}: ${numbers.map((value) => value.toFixed(3)).join(' ')}`);
    }
  }
  return `${rows.join('\n')}\nfalling: 1 two 3\n`;
};

describe('a modality of an extension', () => {
  it('is prepared, trained on, scored and predicted', async () => {
    await mkdir(join(scratch, 'raw'));
    await writeFile(join(scratch, 'raw', 'walks.series'), lines());
    const out = join(scratch, 'data');
    const prepared = await polygate(
      ...['prepare', '--from', join(scratch, 'raw'), '--out', out, '--extension', EXTENSION],
    );
    expect([prepared.code, prepared.code === 0 ? '' : prepared.log]).toEqual([0, '']);
    const suite = join(out, 'raw');
    const stored = JSON.parse(await readFile(join(suite, 'suite.json'), 'utf8')) as {
      readonly datasets: readonly { readonly name: string; readonly kind: string }[];
    };
    const [dataset] = stored.datasets;
    expect(dataset).toMatchObject({ kind: 'labelled-series' });

    const run = join(scratch, 'run');
    const recipe = {
      name: 'series',
      suite,
      extensions: [EXTENSION],
      model: { ...tinyModel, moe: null, modalities: { series: { window: 4 } } },
      tasks: { walks: { family: 'toy-series', dataset: dataset?.name, window: 4, batchSize: 8 } },
      optimizer: { learningRate: 1e-2 },
      steps: '60 steps',
      engine: 'wasm',
    };
    await writeFile(join(scratch, 'series.json'), JSON.stringify(recipe));
    const trained = await polygate('pretrain', '--recipe', join(scratch, 'series.json'), '--run', run);
    expect([trained.code, trained.code === 0 ? '' : trained.log]).toEqual([0, '']);
    const scored = await polygate(
      'evaluate',
      '--run',
      run,
      '--json',
      '--splits',
      'train',
      '--engine',
      'wasm',
    );
    const { scores } = JSON.parse(scored.out) as { readonly scores: readonly { readonly value: number }[] };
    expect(scores[0]).toMatchObject({ metric: 'top-1' });
    expect(scores[0]?.value).toBeGreaterThan(0.9);

    // Runs name the module, so that nothing but the run is said.
    const ask = (...files: readonly string[]) =>
      polygate('predict', 'name-series', ...files, '--run', run, '--json', '--engine', 'wasm');
    const rows = { up: '-2 -1.4 -0.8 -0.2 0.4 1 1.6 2.2', down: '2 1.4 0.8 0.2 -0.4 -1 -1.6 -2.2\n' };
    const fileOf = (name: string): string => join(scratch, `${name}.txt`);
    for (const [name, row] of Object.entries({ ...rows, bad: '1 two', long: '1 2 3 4 5 6 7 8 9' }))
      await writeFile(fileOf(name), row);
    const both = await ask(fileOf('up'), fileOf('down'));
    expect([both.code, both.code === 0 ? '' : both.log]).toEqual([0, '']);
    const answers = both.out
      .split('\n')
      .map((line) => JSON.parse(line) as { readonly file: string; readonly classes: readonly Answer[] });
    expect(answers.map(({ file, classes }) => [file, classes[0]?.name])).toEqual([
      [fileOf('up'), 'rising'],
      [fileOf('down'), 'falling'],
    ]);
    for (const { classes } of answers)
      expect(classes.reduce((sum, { probability }) => sum + probability, 0)).toBeCloseTo(1, 5);
    // Made-up data have the settings of the kind's section; settings of a modality may be laid over a recipe.
    const made = await polygate(
      ...['pretrain', '--recipe', join(scratch, 'series.json'), '--synthetic'],
      ...['--run', join(scratch, 'made'), '--set', 'steps=2 steps'],
      ...['--set', 'model.modalities.series.window=2', '--set', 'tasks.walks.window=2'],
    );
    expect([made.code, made.code === 0 ? '' : made.log]).toEqual([0, '']);
    const shown = await polygate('predict', 'name-series', fileOf('up'), '--run', run, '--engine', 'wasm');
    expect(shown.out).toMatch(/^\d\.\d{3} {2}rising\n\d\.\d{3} {2}falling$/u);

    const refusals = {
      bad: 'bad.txt: expected at most 8 numbers, got 1 two',
      long: 'long.txt: expected at most 8 numbers, got 1 2 3 4 5 6 7 8 9',
      missing: 'missing.txt: expected a file of numbers, got none that can be read',
    };
    for (const [name, text] of Object.entries(refusals)) {
      const refused = await ask(fileOf(name));
      expect([refused.code === 0, refused.log]).toEqual([false, expect.stringContaining(text)]);
    }
  });
});
