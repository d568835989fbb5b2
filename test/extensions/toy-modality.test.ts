/** A modality in a module of somebody else, from its raw files to its scores through the command line. */
import { mkdtemp, readFile, rm, writeFile, mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { polygate, tinyModel } from '../polygate.ts';

const EXTENSION = join(import.meta.dirname, 'toy-modality.mjs');
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
  it('is prepared, trained on and scored', async () => {
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
      engine: 'cpu',
    };
    await writeFile(join(scratch, 'series.json'), JSON.stringify(recipe));
    const trained = await polygate('pretrain', '--recipe', join(scratch, 'series.json'), '--run', run);
    expect([trained.code, trained.code === 0 ? '' : trained.log]).toEqual([0, '']);
    const scored = await polygate('evaluate', '--run', run, '--json', '--splits', 'train', '--engine', 'cpu');
    const { scores } = JSON.parse(scored.out) as { readonly scores: readonly { readonly value: number }[] };
    expect(scores[0]).toMatchObject({ metric: 'top-1' });
    expect(scores[0]?.value).toBeGreaterThan(0.9);
  });
});
