/**
 * Words that every JavaScript object inherits (`constructor`, `__proto__`), through each app: as names that people give
 * they are names like any other, and as names to look up they are unknown ones.
 */
import type { RecipeInput } from '@polygate/generalist';
import { exitCodes } from 'polygate';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeTinySuite } from '../packages/generalist/test/tiny-suite.ts';
import { put } from './small-suite.ts';
import { polygate, tinyModel } from './polygate.ts';

const inherited = ['constructor', 'toString', '__proto__', 'hasOwnProperty'] as const;

let root = '';
let suite = '';
let run = '';
const at = (...path: string[]): string => join(root, ...path);

type Task = NonNullable<RecipeInput['tasks']>[string];
const task = (family: Task['family'], dataset: string): Task => ({ family, dataset, batchSize: 2 });

const tasks: NonNullable<RecipeInput['tasks']> = {
  constructor: task('image-classification', 'colours'),
  toString: task('masked-language-modelling', 'lines'),
  valueOf: task('image-text-retrieval', 'images'),
};

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'polygate-own-keys-'));
  suite = await writeTinySuite();
  run = at('run');
  const recipe: RecipeInput = {
    suite,
    model: {
      ...tinyModel,
      moe: { condition: 'task', experts: 2, topK: 1, renormalize: true },
    },
    tasks,
    steps: '8 steps',
    engine: 'cpu',
    checkpoint: { every: '4 steps' },
    validation: { every: '4 steps', limit: 4, splits: ['test'], best: { score: 'constructor/test/loss' } },
  };
  await writeFile(at('train.json'), JSON.stringify(recipe));
}, 120_000);
afterAll(async () => {
  await rm(root, { recursive: true, force: true });
  await rm(suite, { recursive: true, force: true });
});

describe('tasks with inherited names', () => {
  it('are trained, resumed, scored, served, exported and looked into', async () => {
    const argv = ['pretrain', '--recipe', at('train.json'), '--run', run];
    const { code, log } = await polygate(...argv);
    expect(code, log).toBe(exitCodes.done);
    expect(log).not.toMatch(/NaN|undefined|\[native code\]/u);
    const lines = (await readFile(join(run, 'metrics.jsonl'), 'utf8')).trimEnd().split('\n');
    const losses = lines
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .filter(({ kind }) => kind === 'train')
      .map(({ loss }) => loss);
    expect(losses).toHaveLength(8);
    expect(losses.every((loss) => Number.isFinite(loss))).toBe(true);
    const state = JSON.parse(await readFile(join(run, 'checkpoints', 'step-8', 'state.json'), 'utf8')) as {
      cursors: Record<string, number>;
    };
    expect(Object.keys(state.cursors).sort()).toEqual(Object.keys(tasks).sort());
    expect(Object.values(state.cursors).reduce((sum, cursor) => sum + cursor, 0)).toBe(8);
    expect((await polygate(...argv)).code).toBe(exitCodes.done);

    const evaluated = await polygate('evaluate', '--run', run, '--limit', '2', '--engine', 'cpu', '--json');
    expect(evaluated.code, evaluated.log).toBe(exitCodes.done);
    const filled = await polygate(
      'predict',
      'fill',
      'the ___',
      '--run',
      run,
      '--task',
      'toString',
      '--engine',
      'cpu',
    );
    expect(filled.code, filled.log).toBe(exitCodes.done);
    const exported = await polygate(
      'export',
      '--run',
      run,
      '--out',
      at('out'),
      '--tasks',
      'constructor',
      '--engine',
      'cpu',
    );
    expect(exported.code, exported.log).toBe(exitCodes.done);
    const report = await polygate('inspect', 'report', '--run', run);
    expect(report.code, report.log).toBe(exitCodes.done);
  });
});

describe('columns and fields with inherited names', () => {
  it('are read by the names that the recipe gives', async () => {
    const svg = (x: number): string =>
      `<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"><rect x="${x}" width="2" height="8"/></svg>`;
    const rows = inherited.flatMap((name, n) =>
      [0, 1, 2].map((i) => ({ file: `${name}-${i}.svg`, name, at: 2 * n + i / 2 })),
    );
    for (const { file, at: x } of rows) await put(root, `images/${file}`, svg(x));
    const table = rows.map(({ file, name }, i) => `${file},${name},${i % 3 === 2 ? 'test' : 'train'}`);
    await put(root, 'table.csv', `__proto__,constructor,toString\n${table.join('\n')}\n`);
    const lines = rows.map(
      ({ file, name }) => `{"toString": "${file}", "__proto__": "the ${name} of __proto__ ${file}"}`,
    );
    await put(root, 'lines.jsonl', `${lines.join('\n')}\n`);
    const recipe = {
      name: 'odd',
      image: { size: 8 },
      tokenizer: { vocabularySize: 300 },
      sources: {
        constructor: {
          source: 'labelled-table',
          file: at('table.csv'),
          images: at('images'),
          imageColumn: '__proto__',
          labelColumn: 'constructor',
          splitColumn: 'toString',
        },
        lines: {
          source: 'jsonl',
          file: at('lines.jsonl'),
          root: at('images'),
          imageColumn: 'toString',
          captionColumn: '__proto__',
        },
      },
    };
    await put(root, 'prepare.json', JSON.stringify(recipe));
    const { code, log, out } = await polygate('prepare', '--recipe', at('prepare.json'), '--out', at('data'));
    expect(code, log).toBe(exitCodes.done);
    expect(out + log).toContain('constructor (labelled-image): train 8, test 4');
    const text = await readFile(at('data', 'odd', 'suite.json'), 'utf8');
    const { datasets } = JSON.parse(text) as { datasets: { name: string; classes?: string[] }[] };
    expect(datasets.map(({ name, classes }) => [name, classes])).toEqual([
      ['constructor', [...inherited].sort()],
      ['lines', undefined],
    ]);
  });
});

/** Command lines with a word to look up, and what they say of it. */
const lookUps: readonly (readonly [line: (word: string) => string[], text: (word: string) => string])[] = [
  [(word) => [word], (word) => word],
  [(word) => ['prepare', '--recipe', word], (word) => `unknown prepare recipe "${word}"`],
  [(word) => ['prepare', '--set', `${word}=x`], (word) => `unknown setting "${word}"`],
  [(word) => ['prepare', '--set', `${word}.prototype.x=1`], (word) => `unknown setting "${word}"`],
  [(word) => ['prepare', '--set', `sources.a.source=${word}`], (word) => `"${word}"`],
  [(word) => ['pretrain', '--recipe', word], (word) => `unknown pretrain recipe "${word}"`],
  ...(
    [
      [(word) => `${word}=x`, (word) => `unknown setting "${word}"`],
      [(word) => `${word}.prototype.x=1`, (word) => `unknown setting "${word}"`],
      [(word) => `model.preset=${word}`, (word) => `unknown preset "${word}"`],
      [(word) => `model.moe.condition=${word}`, (word) => `unknown condition "${word}"`],
      [(word) => `model.${word}=1`, (word) => `unknown setting "model.${word}"`],
      [(word) => `engine=${word}`, (word) => `unknown engine "${word}"`],
      [(word) => `tasks.constructor.family=${word}`, (word) => `unknown family "${word}"`],
      [(word) => `tasks.constructor.dataset=${word}`, (word) => `unknown dataset "${word}"`],
      [(word) => `tasks.constructor.split=${word}`, (word) => `"${word}"`],
      [(word) => `validation.splits=${word}`, (word) => `unknown split of validation.splits "${word}"`],
      [(word) => `validation.best.score=${word}`, (word) => `got "${word}"; there are constructor/test/loss`],
    ] satisfies readonly [(word: string) => string, (word: string) => string][]
  ).map(
    ([set, text]) =>
      [
        (word: string) => [
          'pretrain',
          '--recipe',
          at('train.json'),
          '--run',
          at('other'),
          '--set',
          set(word),
        ],
        text,
      ] as const,
  ),
  [(word) => ['evaluate', '--run', run, '--datasets', word, '--engine', 'cpu'], (word) => `"${word}"`],
  [(word) => ['evaluate', '--run', run, '--splits', word, '--engine', 'cpu'], (word) => `"${word}"`],
  [
    (word) => ['evaluate', '--run', run, '--checkpoint', word],
    (word) => `unknown checkpoint of ${run} "${word}"`,
  ],
  [
    (word) => ['predict', 'fill', 'the ___', '--run', run, '--engine', word],
    (word) => `unknown engine "${word}"`,
  ],
  [
    (word) => ['predict', 'fill', 'the ___', '--run', run, '--engine', 'cpu', '--task', `${word}-`],
    (word) => `unknown task "${word}-"`,
  ],
  [
    (word) => ['export', '--run', run, '--out', at('none'), '--engine', 'cpu', '--tasks', `valueOf,${word}-`],
    (word) => `unknown task "${word}-"`,
  ],
  [
    (word) => ['inspect', 'interference', '--run', run, '--engine', 'cpu', '--tasks', `valueOf,${word}-`],
    (word) => `"${word}-"`,
  ],
];

describe('inherited names that nobody gave', () => {
  it.each(inherited)('%s is unknown to every look-up', async (word) => {
    for (const [line, text] of lookUps) {
      const argv = line(word);
      const { code, log } = await polygate(...argv);
      expect(code, argv.join(' ')).toBe(exitCodes.usage);
      expect(log, argv.join(' ')).toContain(text(word));
      expect(log, argv.join(' ')).not.toMatch(/is not a function|Cannot read|native code|undefined/u);
    }
  });

  it('cannot be keys where entries would be passed over', async () => {
    const file = await put(
      root,
      'proto.json',
      `{"suite": ${JSON.stringify(suite)}, "engine": "cpu", "tasks": {"__proto__": {"family": "image-captioning", "dataset": "images"}}}`,
    );
    const { code, log } = await polygate('pretrain', '--recipe', file, '--run', at('proto'));
    expect(code).toBe(exitCodes.usage);
    expect(log).toContain(
      'recipe: expected keys that entries can have, got "tasks.__proto__"; choose another name',
    );
  });
});
