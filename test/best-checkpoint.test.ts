/** The checkpoint that evaluate and predict use, and runs that end early, through the command line. */
import type { RecipeInput } from '@polygate/generalist';
import { mkdtemp, readFile, rm, writeFile, rename } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeTinySuite } from '../packages/generalist/test/tiny-suite.ts';
import { polygate, tinyModel } from './polygate.ts';

let root = '';
let suite = '';
const at = (...path: string[]): string => join(root, ...path);

const recipe = (validation: RecipeInput['validation'], change: RecipeInput = {}): RecipeInput => ({
  suite,
  model: {
    ...tinyModel,
    moe: null,
  },
  tasks: { naming: { family: 'image-classification', dataset: 'colours', batchSize: 4 } },
  // So high a rate that the loss gets worse: the best checkpoint is an early one.
  optimizer: { learningRate: 0.5 },
  seed: 2,
  schedule: { kind: 'constant', warmup: '0 steps' },
  steps: '12 steps',
  engine: 'wasm',
  checkpoint: { every: '100%', keep: 1 },
  validation: { every: '2 steps', limit: 8, splits: ['test'], ...validation },
  ...change,
});

const pretrain = async (name: string, content: RecipeInput) => {
  await writeFile(at(`${name}.json`), JSON.stringify(content));
  return polygate('pretrain', '--recipe', at(`${name}.json`), '--run', at(name));
};

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'polygate-best-run-'));
  suite = await writeTinySuite();
});
afterAll(async () => {
  await rm(root, { recursive: true, force: true });
  await rm(suite, { recursive: true, force: true });
});

interface State {
  readonly step: number;
  readonly best?: { readonly step: number; readonly value: number };
}
const losses = async (run: string): Promise<Map<number, number>> => {
  const lines = (await readFile(at(run, 'metrics.jsonl'), 'utf8')).trimEnd().split('\n');
  const records = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  return new Map(
    records
      .filter(({ kind }) => kind === 'validation')
      .map((record) => [Number(record['step']), Number(record['naming/test/loss'])]),
  );
};

describe('a run that names a score', () => {
  it('keeps its best checkpoint, which evaluate and predict use unless they are told', async () => {
    const { code, log } = await pretrain('named', recipe({ best: { score: 'naming/test/loss' } }));
    expect(code, log).toBe(0);
    const series = [...(await losses('named'))];
    const low = Math.min(...series.map(([, loss]) => loss));
    const best = series.find(([, loss]) => loss === low)?.[0] ?? 0;
    expect(best).toBeLessThan(12);
    expect(log).toContain(`best by naming/test/loss: step ${best} (`);
    expect(log).toContain(
      'validation.best.score: "naming/test/loss" chooses the checkpoint by test, so that scores on it say too much: prepare a validation split (validationPercent) and choose by that',
    );
    const scored = async (...options: string[]) => {
      const result = await polygate(
        'evaluate',
        '--run',
        at('named'),
        '--engine',
        'wasm',
        '--datasets',
        'colours',
        ...options,
      );
      expect(result.code, result.log).toBe(0);
      return (JSON.parse(await readFile(at('named', 'evaluation.json'), 'utf8')) as { state: State }).state
        .step;
    };
    expect(await scored()).toBe(best);
    expect(await readFile(at('named', 'report.md'), 'utf8')).toContain(
      `| checkpoint | step ${best}, the best by naming/test/loss (`,
    );
    expect(await scored('--checkpoint', 'last')).toBe(12);
    expect(await scored('--checkpoint', 'best')).toBe(best);
    expect(await scored('--checkpoint', `step-${best}`)).toBe(best);
    const unknown = await polygate(
      'evaluate',
      '--run',
      at('named'),
      '--engine',
      'wasm',
      '--checkpoint',
      'step-7',
    );
    expect(unknown.code).toBe(2);
    expect(unknown.log).toContain(`known: best, last, step-12, step-${best}`);
    const fill = async (...options: string[]) =>
      polygate('predict', 'fill', 'the ___ is red', '--run', at('named'), '--engine', 'wasm', ...options);
    expect(await fill()).toMatchObject({ code: 0 });
    await rm(at('named', 'checkpoints', `step-${best}`), { recursive: true });
    expect(await fill('--checkpoint', 'last')).toMatchObject({ code: 0 });
    expect((await fill()).log).toContain(`expected the best one, step-${best}`);
  });

  it('ends early with patience, and does not go on by itself', async () => {
    const content = recipe({ best: { score: 'loss' }, stop: { patience: 2 } });
    const { code, log } = await pretrain('early', content);
    expect(code, log).toBe(0);
    const series = [...(await losses('early'))];
    expect(series.length).toBeLessThan(6);
    expect(log).toContain('loss has not improved in 2 validations; a larger patience goes on');
    const again = await pretrain('early', content);
    expect(again.log).toContain('ended after step');
    expect([...(await losses('early'))]).toEqual(series);
  });

  it('refuses a score that no validation gives, and a stop without one', async () => {
    const unknown = await pretrain('unknown', recipe({ best: { score: 'naming/validation/loss' } }));
    expect(unknown.code).toBe(2);
    expect(unknown.log).toContain(
      'validation.best.score: expected a value of validation or the end of several, got "naming/validation/loss"; there are naming/test/loss, naming/test/accuracy',
    );
    const stop = await pretrain('stop', recipe({ stop: { patience: 2 } }));
    expect(stop.code).toBe(2);
    expect(stop.log).toContain('validation.stop: expected a score that no longer improves, got none');
    const both = await pretrain('both', recipe({ best: { score: 'test' } }));
    expect(both.log).toContain('there are naming/test/loss');
    const unsaid: RecipeInput['validation'] = { every: '2 steps', best: { score: 'loss' } };
    const chosen = await pretrain('unsaid', { ...recipe({}), validation: unsaid });
    expect(chosen.code).toBe(2);
    expect(chosen.log).toContain(
      'got "loss"; held out is test alone of colours, which training does not look at: prepare a validation split (validationPercent), or leave validation.best out',
    );
  });
});

describe('a run without a score', () => {
  it('is not validated on test, unless the recipe names it', async () => {
    const { code, log } = await pretrain('untested', { ...recipe({}), validation: { every: '2 steps' } });
    expect(code, log).toBe(0);
    expect(log).not.toContain('validation at step');
    expect(log).toContain(
      'held out of colours (test) is no validation split: prepare one with validationPercent',
    );
  });

  it('uses the last checkpoint and says that there is no best one', async () => {
    expect(await pretrain('plain', recipe({}))).toMatchObject({ code: 0 });
    const best = await polygate('evaluate', '--run', at('plain'), '--checkpoint', 'best');
    expect(best.code).toBe(2);
    expect(best.log).toContain(
      'expected a best one, got a run whose recipe names no score of validation (validation.best.score); ask for last or a step',
    );
  });
});

describe('a split of another spelling', () => {
  it('is validated on', async () => {
    for (const dataset of ['colours', 'images', 'lines'])
      await rename(join(suite, dataset, 'test'), join(suite, dataset, 'val'));
    const file = join(suite, 'suite.json');
    const text = await readFile(file, 'utf8');
    await writeFile(file, text.replaceAll('"test"', '"val"'));
    const { code, log } = await pretrain('val', recipe({ splits: ['validation'] }, { steps: '2 steps' }));
    expect(code, log).toBe(0);
    expect(log).toContain('validation at step 2: naming/val/loss');
  });

  it('leaves no empty line of validation where there is none', async () => {
    const { code, log } = await pretrain('empty', recipe({ splits: [] }, { steps: '2 steps' }));
    expect(code, log).toBe(0);
    expect(log).toContain('nothing is validated');
    expect(log).not.toContain('validation at step');
    const unknown = await pretrain('other', recipe({ splits: ['held'] }, { steps: '2 steps' }));
    expect(unknown.code).toBe(2);
    expect(unknown.log).toContain('unknown split of validation.splits "held": known: train, val');
  });
});
