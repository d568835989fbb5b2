/** Records of others that go wrong at work: every command ends, and says which record of which module, and where. */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { prepare, type PrepareRecipeInput } from '@polygate/app-prepare';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { polygate } from '../polygate.ts';
import { prepareSmallSuite, smallTrainingRecipe } from '../small-suite.ts';

const EXTENSION = join(import.meta.dirname, 'unruly.mjs');
const BIN = join(import.meta.dirname, '../../apps/polygate/bin/polygate.js');
let scratch: string;
let suite: string;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'polygate-unruly-'));
  ({ directory: suite } = await prepareSmallSuite(scratch));
  const rows = Array.from(
    { length: 40 },
    (_, at) => `${at % 2 ? 'up' : 'down'}: ${at} ${at + 1} 3 4 5 6 7 8`,
  );
  await writeFile(join(scratch, 'walks.series'), rows.join('\n'));
});
afterAll(() => rm(scratch, { recursive: true, force: true }));

const run = (name: string): string => join(scratch, 'runs', name);
const written = async (name: string, recipe: object): Promise<string> => {
  const file = join(scratch, `${name}.json`);
  await writeFile(file, JSON.stringify({ name, extensions: [EXTENSION], ...recipe }));
  return file;
};

const sourcesOf = (toy: object) => {
  const lines = { source: 'plain-text', files: [join(scratch, 'book.txt')], unit: 'line' };
  const sizes = { image: { size: 8 }, text: { length: 16 }, tokenizer: { vocabularySize: 300 } };
  return { ...sizes, sources: { toy, lines } };
};
const reading = (fault: string) => sourcesOf({ source: 'unruly-images', fault });
const prepared = async (name: string, recipe: object) =>
  polygate('prepare', '--recipe', await written(name, recipe), '--out', join(scratch, 'data'));

const { model: encoder } = smallTrainingRecipe('');
const trained = async (name: string, recipe: object) => {
  const { model: _, tasks: __, ...common } = smallTrainingRecipe(suite);
  const file = await written(name, { ...common, steps: '2 steps', ...recipe });
  return polygate('pretrain', '--recipe', file, '--run', run(name));
};
const colours = { family: 'image-classification', dataset: 'colours', batchSize: 4 };
const routed = (fault: string) => ({
  model: { ...encoder, moe: { condition: `unruly-${fault}`, experts: 3, topK: 2 } },
  tasks: { colours },
});
const pooled = (fault: string) => ({
  model: { architecture: 'unruly-pooled', width: 4, fault },
  tasks: { colours },
});

/** The error, and the record that it is said of. */
const expectNamed = (
  { code, log }: { readonly code: number; readonly log: string },
  text: string,
  record: string,
): void => {
  expect([code > 0, log]).toEqual([true, expect.stringContaining(text)]);
  expect(log).toMatch(/extension \.\/test\/extensions\/unruly\.mjs/u);
  expect(log).toContain(`(${record})`);
};

describe('a reader that goes wrong', () => {
  it.each([
    [
      'bad-label',
      'reader "unruly-images": item 7 ("s7") of what open(sources.toy).reader.read() gives: expected an index into 2 classes as "label", got 2; correct the record',
    ],
    ['throws', "Cannot read properties of undefined (reading 'sample')"],
    ['no-kind', 'prepare recipe: sources.toy: unknown dataset kind "nothing-of-the-kind": known: '],
  ])('is named: %s', async (fault, text) => {
    expectNamed(await prepared(fault, reading(fault)), text, 'reader "unruly-images"');
  });

  it('is named by its kind, where rows of it are none of the kind', async () => {
    const text = "Cannot read properties of undefined (reading 'series')";
    expectNamed(await prepared('other-kind', reading('other-kind')), text, 'dataset kind "labelled-series"');
  });

  it('is told from one that reads the same each time', async () => {
    for (const [fault, text] of [
      [
        'shrinks',
        'prepare unruly: expected 30 samples as before, got 20; the source changed while it was read',
      ],
      ['shuffles', 'prepare unruly: expected sample 1 to be "s3" as before, got "s7"; the source changed'],
    ] as const) {
      const { code, log } = await prepared(fault, reading(fault));
      expect([code, log]).toEqual([1, expect.stringContaining(text)]);
    }
  });

  it('may name samples alike: each gets an id', async () => {
    expect((await prepared('duplicates', reading('duplicates'))).code).toBe(0);
    const stored = await readFile(join(scratch, 'data', 'duplicates', 'suite.json'), 'utf8');
    const { datasets } = JSON.parse(stored) as {
      datasets: readonly {
        readonly name: string;
        readonly splits: Readonly<Record<string, { rows: number }>>;
      }[];
    };
    const { splits = {} } = datasets.find(({ name }) => name === 'toy') ?? {};
    expect(Object.values(splits).reduce((sum, { rows }) => sum + rows, 0)).toBe(40);
  });

  it('is seen to go on and on, and can be stopped', async () => {
    const told: string[] = [];
    const stop = new AbortController();
    const recipe = { name: 'endless', extensions: [EXTENSION], ...reading('endless') } as PrepareRecipeInput;
    const preparing = prepare(
      { recipe, output: join(scratch, 'data') },
      {
        signal: stop.signal,
        progress(what, rows) {
          told.push(`${what} ${rows}`);
          stop.abort();
        },
      },
    );
    await expect(preparing).rejects.toMatchObject({ name: 'AbortError' });
    expect(told).toEqual(['toy: looking at samples 500']);
  });

  it('is named when it waits for what never comes', async () => {
    const file = await written('stuck', reading('stuck'));
    const argv = [BIN, 'prepare', '--recipe', file, '--out', join(scratch, 'data')];
    const child = spawn(process.execPath, argv, { stdio: ['ignore', 'ignore', 'pipe'] });
    let log = '';
    child.stderr.on('data', (part: Buffer) => (log += part.toString()));
    const code = await new Promise<number>((resolve) => child.once('close', (exit) => resolve(exit ?? -1)));
    expect(code).toBe(1);
    expect(log).toContain(
      'expected work that comes to an end, got some that waits for what never comes: reader "unruly-images": item 1 of what open(sources.toy).reader.read() gives; look for an await that nothing ends',
    );
    expect(log).toMatch(/extension .*unruly\.mjs \(reader "unruly-images"\)/u);
  });
});

describe('a family whose batches are wrong', () => {
  const gives = 'task family "unruly-verdict": what create().collate() gives: ';
  it.each([
    ['more-inputs', `${gives}expected one for each of 5 queries as "labels"`],
    ['far-labels', `${gives}expected indices into 2 candidates as "labels.0", got 7`],
    ['few-ids', `${gives}expected one for each of 2 candidates as "targets.ids"`],
    ['promise', `${gives}expected a value at once, got a promise`],
    ['half-rows', 'task "verdict": encode: expected segment 0 (visual): 2 x 4 x 48 values'],
  ])('is named: %s', async (fault, text) => {
    const verdict = { family: 'unruly-verdict', dataset: 'colours', batchSize: 4, wanted: ['red'], fault };
    const ended = await trained(fault, { model: encoder, tasks: { verdict } });
    expectNamed(ended, text, 'task family "unruly-verdict"');
  });
});

describe('a modality that embeds otherwise than it says', () => {
  it('is named', async () => {
    const walks = sourcesOf({ source: 'series-lines', file: join(scratch, 'walks.series') });
    expect((await prepared('walks', walks)).code).toBe(0);
    for (const [fault, got] of [
      ['none', undefined],
      ['wide', 'float32 [4, 4, 24]'],
      ['short', 'float32 [4, 3, 12]'],
      ['disposed', 'disposed float32 [4, 4, 12]'],
      ['whole', 'int32 [4, 4, 12]'],
    ] as const) {
      const ended = await trained(`embeds-${fault}`, {
        suite: join(scratch, 'data', 'walks'),
        model: { ...encoder, moe: null, modalities: { 'unruly-series': { window: 2, fault } } },
        tasks: { walks: { family: 'unruly-walks', dataset: 'toy', window: 2, batchSize: 4 } },
      });
      if (got === undefined) expect([ended.code, ended.log]).toEqual([0, expect.anything()]);
      else {
        const text = `train: step 1 (task "walks"): modality "unruly-series": what embed() gives: expected a float32 tensor [4, 4, 12], got "${got}"; correct the record`;
        expectNamed(ended, text, 'modality "unruly-series"');
      }
    }
  });
});

describe('a model that goes wrong', () => {
  it('is named where its state does not come back', async () => {
    expect((await trained('lost-state', pooled('lost-state'))).code).toBe(0);
    const argv = ['--run', run('lost-state'), '--engine', 'wasm'];
    for (const command of [
      ['evaluate', '--limit', '4'],
      ['predict', 'classify', join(scratch, 'images', 'red', 'left-4.svg')],
    ]) {
      const text = 'what create().extraState.restore() gives: expected a value at once, got a promise';
      expectNamed(await polygate(...command, ...argv), text, 'model "unruly-pooled"');
    }
  });

  it('is named, or its task, where its loss is none', async () => {
    const weights = 'what create().weights() gives: expected a finite number of 0 or more as "loss", got NaN';
    const accumulated = await trained('nan-weights', { ...pooled('nan-weights'), accumulate: 2 });
    expectNamed(accumulated, weights, 'model "unruly-pooled"');
    const { code, log } = await trained('constant-loss', pooled('constant-loss'));
    const constant =
      'train: step 1 (task "colours"): parameterGradients: expected a scalar loss that depends on a parameter, got one that depends on none';
    expect([code, log]).toEqual([2, expect.stringContaining(constant)]);
  });
});

describe('a condition that goes wrong', () => {
  it.each([
    ['nan-width', 'what create().representationWidth() gives: expected a whole number of 0 or more, got NaN'],
    ['no-key', 'what create().keyOf() gives: expected a text, got nothing'],
    ['short-values', 'what create().represent() gives: expected a Float64Array of 24 values as "values"'],
    ['no-backward', 'what create().represent() gives: expected a function as "backward", got nothing'],
    [
      'short-backward',
      'what create().represent().backward() gives: expected a Float32Array of 48 values as "0"',
    ],
  ])('is named: %s', async (fault, text) => {
    expectNamed(await trained(fault, routed(fault)), text, `condition "unruly-${fault}"`);
  });

  it('is named by what it says that it costs', async () => {
    const { tasks: _, model: __, ...common } = smallTrainingRecipe(suite);
    const file = await written('nan-cost', { ...common, ...routed('nan-cost') });
    const text = 'what create().flops() gives: expected a finite number of 0 or more as "decision", got NaN';
    expectNamed(
      await polygate('pretrain', '--recipe', file, '--describe'),
      text,
      'condition "unruly-nan-cost"',
    );
  });
});
