/** Runs that start from other runs, through the command line: what is taken, what is new, and what old tasks then score. */
import type { Initialization, RecipeInput } from '@polygate/generalist';
import { exitCodes } from 'polygate';
import { access, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeTinySuite } from '../packages/generalist/test/tiny-suite.ts';
import { polygate, tinyModel } from './polygate.ts';

let root = '';
let suite = '';
const at = (...path: string[]): string => join(root, ...path);

const naming = { family: 'image-classification', dataset: 'colours', batchSize: 4 } as const;
const reading = { family: 'masked-language-modelling', dataset: 'lines', batchSize: 4 } as const;
const writing = { family: 'image-captioning', dataset: 'images', batchSize: 4 } as const;

/** A rate at which no weight of float32 changes: the scores after its one step are those of the start. */
const still: RecipeInput = {
  optimizer: { learningRate: 1e-30, weightDecay: 0 },
  schedule: { kind: 'constant', warmup: '0 steps', minimum: 0 },
  steps: '1 steps',
};

type Experts = Extract<
  NonNullable<RecipeInput['model']>,
  { readonly architecture?: 'uni-perceiver' | undefined }
>['moe'];

const recipe = (moe: Experts, tasks: RecipeInput['tasks'], change: RecipeInput = {}): RecipeInput => ({
  suite,
  model: {
    ...tinyModel,
    layers: 2,
    layerScale: 0.5,
    moe,
  },
  tasks,
  optimizer: { learningRate: 5e-3 },
  steps: '4 steps',
  engine: 'wasm',
  checkpoint: { every: '2 steps', keep: 5 },
  validation: { every: '100%', limit: 8, splits: ['test'] },
  telemetry: { every: null },
  ...change,
});

const pretrain = async (name: string, content: RecipeInput, ...options: string[]) => {
  await writeFile(at(`${name}.json`), JSON.stringify(content));
  return polygate('pretrain', '--recipe', at(`${name}.json`), '--run', at(name), ...options);
};

/** Validation of a run by step. */
const validation = async (run: string): Promise<Map<number, Record<string, number>>> => {
  const lines = (await readFile(at(run, 'metrics.jsonl'), 'utf8')).trimEnd().split('\n');
  const records = lines.map((line) => JSON.parse(line) as Record<string, number>);
  return new Map(
    records
      .filter(({ kind }) => String(kind) === 'validation')
      .map((record) => [record['step'] ?? NaN, record]),
  );
};
const lossOf = async (run: string, task: string, step: number): Promise<number> =>
  (await validation(run)).get(step)?.[`${task}/test/loss`] ?? NaN;

const startOf = async (run: string): Promise<Initialization> =>
  JSON.parse(await readFile(at(run, 'initialize.json'), 'utf8')) as Initialization;

const attribute: Experts = { condition: 'attribute', experts: 3, every: 2 };

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'polygate-transfer-'));
  suite = await writeTinySuite();
  const { code, log } = await pretrain('old', recipe(attribute, { naming, reading }));
  expect(code, log).toBe(exitCodes.done);
}, 120_000);
afterAll(async () => {
  await rm(root, { recursive: true, force: true });
  await rm(suite, { recursive: true, force: true });
});

/** Runs one still step from a start; the run's log. */
const transfer = async (name: string, content: RecipeInput): Promise<string> => {
  const { code, log } = await pretrain(name, content);
  expect(code, log).toBe(exitCodes.done);
  return log;
};

describe('a run with another run for its start', () => {
  it('trains a task that the start does not have, and takes everything but its temperature', async () => {
    const log = await transfer(
      'other-task',
      recipe(attribute, { writing }, { ...still, initialize: { from: at('old') } }),
    );
    expect(log).toMatch(
      /start: step 4 of .*old \(sha256 [0-9a-f]{12}\): \d+ of \d+ parameters taken as they are; 1 new \(temperature.image-captioning\): a temperature that the start does not have; 2 left behind: the model has no task of its family$/mu,
    );
    const start = await startOf('other-task');
    expect(start).toMatchObject({ from: at('old'), folder: at('old', 'checkpoints', 'step-4'), step: 4 });
    expect(start.groups.map(({ how }) => how)).toEqual(['taken', 'new']);
    expect(start.groups[0]?.parameters).toHaveLength(start.total - 1);
    expect(start.left.flatMap(({ parameters }) => parameters)).toEqual([
      'temperature.image-classification',
      'temperature.masked-language-modelling',
    ]);
    expect(start.settings).toEqual([]);
    const scores = async (run: string) => {
      const { out } = await polygate(
        'evaluate',
        '--run',
        at(run),
        '--datasets',
        'colours',
        '--engine',
        'wasm',
        '--json',
      );
      return (JSON.parse(out) as { scores: unknown }).scores;
    };
    expect(await scores('other-task')).toEqual(await scores('old'));
  });

  it('adds a task and experts in other places: the old task scores the same', async () => {
    const log = await transfer(
      'more-experts',
      recipe({ ...attribute, every: 1 }, { naming, writing }, { ...still, initialize: { from: at('old') } }),
    );
    expect(log).toContain('24 copied: experts where the start has one dense layer: copies of it');
    expect(log).toContain('5 partly taken: 2 of 4 routers have no counterpart in the start');
    expect(await lossOf('more-experts', 'naming', 1)).toBeCloseTo(await lossOf('old', 'naming', 4), 5);
  });

  it('takes its best checkpoint, or the one that the recipe names', async () => {
    const bad = {
      optimizer: { learningRate: 0.5 },
      schedule: { kind: 'constant', warmup: '0 steps' },
    } as const;
    const { code } = await pretrain(
      'risen',
      recipe(
        null,
        { naming },
        { ...bad, validation: { every: '2 steps', limit: 8, splits: ['test'], best: { score: 'loss' } } },
      ),
    );
    expect(code).toBe(exitCodes.done);
    const series = [...(await validation('risen'))].map(
      ([step, record]) => [step, record['naming/test/loss']] as const,
    );
    const [best = 0, low] = series.reduce((a, b) => ((b[1] ?? NaN) < (a[1] ?? NaN) ? b : a));
    expect(best).toBeLessThan(4);
    await transfer('from-best', recipe(null, { naming }, { ...still, initialize: { from: at('risen') } }));
    expect(await startOf('from-best')).toMatchObject({ step: best });
    expect(await lossOf('from-best', 'naming', 1)).toBe(low);
    await transfer(
      'from-last',
      recipe(null, { naming }, { ...still, initialize: { from: at('risen'), checkpoint: 'last' } }),
    );
    expect(await lossOf('from-last', 'naming', 1)).toBe(await lossOf('risen', 'naming', 4));
    const unknown = await pretrain(
      'from-none',
      recipe(null, { naming }, { ...still, initialize: { from: at('risen'), checkpoint: 'step-5' } }),
    );
    expect(unknown.code).toBe(exitCodes.usage);
    expect(unknown.log).toContain(`unknown checkpoint of ${at('risen')} "step-5"`);
  });
});

describe('a run with an exported model for its start', () => {
  it.each([
    [
      'experts',
      { ...attribute, experts: 8 },
      "64 copied: experts shared out among the start's 4 merged sets",
    ],
    ['more places', { ...attribute, experts: 8, every: 1 }, ' copied'],
  ])('goes on with %s where the export ended', async (name, moe, text) => {
    const exported = at('exported', name);
    const { code } = await polygate('export', '--run', at('old'), '--out', exported, '--engine', 'wasm');
    expect(code).toBe(exitCodes.done);
    const run = `from-exported-${name}`;
    const log = await transfer(
      run,
      recipe(moe, { naming, reading, writing }, { ...still, initialize: { from: exported } }),
    );
    expect(log).toMatch(
      /start: \S+exported.* \(sha256 [0-9a-f]{12}\): \d+ of \d+ parameters taken as they are; /u,
    );
    expect(log).toContain(text);
    for (const task of ['naming', 'reading'])
      expect(await lossOf(run, task, 1)).toBeCloseTo(await lossOf('old', task, 4), 4);
  });
});

describe('a run routed by its tasks', () => {
  it.each(['task', 'task-specific'])(
    'keeps what known tasks had under %s, by their names',
    async (condition) => {
      const moe: Experts = condition === 'task' ? { condition, experts: 3 } : { condition };
      const old = `by-${condition}`;
      await transfer(old, recipe(moe, { naming, reading }));
      const log = await transfer(
        `${old}-again`,
        // Another order, one task gone, one new.
        recipe(moe, { writing, reading }, { ...still, initialize: { from: at(old) } }),
      );
      expect(log).toContain(
        condition === 'task'
          ? '1 partly taken (routers.task.embedding): writing not known to the start'
          : "16 averaged: an expert of a task that the start does not know: the mean of the start's 2 experts",
      );
      expect(await lossOf(`${old}-again`, 'reading', 1)).toBe(await lossOf(old, 'reading', 4));
    },
  );
});

describe('a run on larger images', () => {
  it('spans the coordinates of the start, also after it is resumed without the start', async () => {
    const content = recipe(
      attribute,
      { naming },
      { steps: '2 steps', checkpoint: { every: '1 steps' }, initialize: { from: at('old') } },
    );
    // Patches half as large: a grid of 4 x 4 in place of 2 x 2.
    const finer = { ...content, model: { ...content.model, patchSize: 2 } };
    const log = await transfer('finer', finer);
    expect(log).toContain(
      '1 new (embedding.patch.weight): patches of another size or other channels in the start; 1 left behind (temperature.masked-language-modelling): the model has no task of its family; other setting gridScale (model 0.5, start 1)',
    );
    const config = async (step: number) =>
      (
        JSON.parse(await readFile(at('finer', 'checkpoints', `step-${step}`, 'config.json'), 'utf8')) as {
          encoder: { gridScale?: number };
        }
      ).encoder.gridScale;
    expect(await config(2)).toBe(0.5);
    await rm(at('finer', 'checkpoints', 'step-2'), { recursive: true });
    const moved = at('old-elsewhere');
    await rename(at('old'), moved);
    // As a run of before has it: `strict` came later.
    const stored = await readFile(at('finer', 'recipe.json'), 'utf8');
    expect(stored).toContain('"strict": false');
    await writeFile(at('finer', 'recipe.json'), stored.replace(/,\s*"strict": false/u, ''));
    try {
      const again = await pretrain('finer', finer);
      expect(again.code, again.log).toBe(exitCodes.done);
      expect(again.log).not.toContain('start: ');
    } finally {
      await rename(moved, at('old'));
    }
    expect(await config(2)).toBe(0.5);
  });
});

describe('a start that cannot be one', () => {
  it('is refused with both values before the folder is claimed', async () => {
    const content = recipe(attribute, { naming }, { initialize: { from: at('old') } });
    const { code, log } = await pretrain('wide', {
      ...content,
      model: { ...content.model, width: 24, heads: 4 },
    });
    expect(code).toBe(exitCodes.usage);
    expect(log).toContain(
      "error: transfer: expected a start of the model's sizes, got others: width (model 24, start 16), heads (model 4, start 2); give the model width 16, heads 2, or train a start of the model's sizes",
    );
    await expect(access(at('wide', 'recipe.json'))).rejects.toThrow('ENOENT');
  });

  it('is refused where the recipe wants all of it', async () => {
    const { code, log } = await pretrain(
      'strict',
      recipe({ ...attribute, experts: 4 }, { naming }, { initialize: { from: at('old'), strict: true } }),
    );
    expect(code).toBe(exitCodes.usage);
    expect(log).toContain('transfer: expected to take every parameter of the start as it is (strict), got ');
  });
});
