/**
 * The built command line on each version of Node that is promised: raw files to shards, training, a run that one
 * version began and another goes on with, and evaluation give what they give on the Node that runs the tests; on the
 * native engine too where it is there, with the addon that this Node built.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describeTorch } from '@polygate/backend-torch';
import { exitCodes } from 'polygate';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fetchNodes, hasOtherNodes, otherVersions } from './node-binaries.ts';
import { smallPrepareRecipe, smallTrainingRecipe, writeRawFiles } from './small-suite.ts';

const run = promisify(execFile);
const root = join(import.meta.dirname, '..');
const script = join(import.meta.dirname, 'node-versions-child.mjs');
const hasTorch = describeTorch().available;
/** Each process loads tfjs and goes through every stage; the machine may be loaded. */
const timeout = 300_000;

interface Command {
  readonly argv: readonly string[];
  readonly stopAtCheckpoint?: boolean;
}

interface Outcome {
  readonly code: number;
  readonly out: readonly string[];
}

let folder = '';
let nodes: Awaited<ReturnType<typeof fetchNodes>> | undefined;

/** What the command line itself says, as told at a terminal that is none. */
const ownLines = /^(?:info|warn): .*$/gmu;

/** Runs command lines in a folder below the test's. Deprecations throw, other warnings of Node fail. */
const polygate = async (
  node: string,
  folderName: string,
  commands: readonly Command[],
): Promise<Outcome[]> => {
  const cwd = join(folder, folderName);
  await mkdir(cwd, { recursive: true });
  const file = join(cwd, 'commands.json');
  await writeFile(file, JSON.stringify(commands));
  // Flags of whoever started the tests may be unknown to another Node.
  const { NODE_OPTIONS: _, ...env } = process.env;
  const options = { cwd, env: { ...env, OMP_NUM_THREADS: '1' } };
  const { stdout, stderr } = await run(node, ['--throw-deprecation', script, file], options);
  expect(stderr.replace(ownLines, '')).not.toMatch(/warn|deprecat|error/iu);
  const outcomes = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Outcome);
  expect(outcomes.map(({ code }) => code)).toEqual(
    commands.map(({ stopAtCheckpoint }) => (stopAtCheckpoint ? exitCodes.interrupted : exitCodes.done)),
  );
  return outcomes;
};

interface Step {
  readonly step: number;
  readonly task: string;
  readonly loss: number;
}

const stepsOf = async (folderName: string): Promise<Step[]> =>
  (await readFile(join(folder, folderName, 'metrics.jsonl'), 'utf8'))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Step & { kind: string })
    .filter(({ kind }) => kind === 'train')
    .map(({ step, task, loss }) => ({ step, task, loss }));

const prepare: Command = { argv: ['prepare', '--recipe', '../suite.json', '--out', 'data'] };
const pretrain = (runFolder: string, engine: string, recipe = 'recipe.json'): Command => ({
  argv: ['pretrain', '--recipe', `../${recipe}`, '--run', runFolder, '--engine', engine],
});
/** Captioning is left out: beam search on the reference engine takes longer than all the rest. */
const evaluate = (runFolder: string): Command => ({
  argv: [
    ...['evaluate', '--run', runFolder, '--engine', 'cpu', '--json'],
    ...['--datasets', 'colours,lines', '--splits', 'test', '--limit', '4'],
  ],
});
const onTorch = hasTorch ? [pretrain('torch', 'torch')] : [];

/** Everything that must not depend on the version. */
const resultOf = async (folderName: string, outcomes: readonly Outcome[]) => {
  const scored = outcomes.flatMap(({ out }) => out).find((line) => line.startsWith('{"scores"')) ?? '{}';
  const { scores } = JSON.parse(scored) as { scores: { metric: string; value: number }[] };
  return {
    // Row counts, checksums of shards and tokenizer, samples left out.
    suite: await readFile(join(folder, folderName, 'data/small/suite.json'), 'utf8'),
    steps: await stepsOf(`${folderName}/run`),
    torch: hasTorch ? await stepsOf(`${folderName}/torch`) : [],
    scores: scores.map(({ metric, value }) => ({ metric, value })),
  };
};

let expected: Awaited<ReturnType<typeof resultOf>>;

beforeAll(async () => {
  if (!hasOtherNodes) return;
  if (!existsSync(join(root, 'apps/polygate/dist/index.js')))
    throw new Error('expected built packages, got none; run npm run build first');
  folder = await mkdtemp(join(tmpdir(), 'polygate-node-versions-'));
  await writeRawFiles(folder);
  await writeFile(
    join(folder, 'suite.json'),
    JSON.stringify({
      ...smallPrepareRecipe,
      sources: {
        colours: { source: 'image-folder', path: '../images' },
        bars: { source: 'captions-csv', file: '../captions.csv', images: '../images' },
        lines: { source: 'plain-text', files: ['../book.txt'], unit: 'line' },
      },
    }),
  );
  const recipe = JSON.stringify({
    ...smallTrainingRecipe('data/small'),
    steps: '4 steps',
    checkpoint: { every: '2 steps' },
  });
  await writeFile(join(folder, 'recipe.json'), recipe);
  await writeFile(join(folder, 'recipe.ts'), `export default ${recipe} satisfies object;\n`);
  const [binaries, outcomes] = await Promise.all([
    fetchNodes(),
    polygate(process.execPath, 'here', [
      prepare,
      pretrain('run', 'cpu'),
      evaluate('run'),
      ...onTorch,
      { ...pretrain('begun', 'cpu'), stopAtCheckpoint: true },
    ]),
  ]);
  nodes = binaries;
  expected = await resultOf('here', outcomes);
}, timeout);
afterAll(() => rm(folder, { recursive: true, force: true }));

describe.skipIf(!hasOtherNodes)('Node', () => {
  it('of the tests goes all the way', async () => {
    expect(expected.steps.map(({ step }) => step)).toEqual([1, 2, 3, 4]);
    expect(expected.torch).toHaveLength(hasTorch ? 4 : 0);
    expect(expected.scores.map(({ metric }) => metric)).toContain('perplexity');
    expect((await stepsOf('here/begun')).map(({ step }) => step)).toEqual([1, 2]);
  });

  it.each(otherVersions)('%i does the same, and goes on with its run', { timeout }, async (major) => {
    const folderName = `node-${major}`;
    await cp(join(folder, 'here/begun'), join(folder, folderName, 'run'), { recursive: true });
    const outcomes = await polygate(nodes?.[major] ?? '', folderName, [
      prepare,
      // From here on Node reads TypeScript recipes itself.
      { argv: [...pretrain('run', 'cpu', 'recipe.ts').argv, '--resume', 'must'] },
      evaluate('run'),
      ...onTorch,
    ]);
    const got = await resultOf(folderName, outcomes);
    expect(got.suite).toBe(expected.suite);
    const plain = ({ steps, torch, scores }: typeof expected) => ({
      tasks: [...steps, ...torch].map(({ step, task }) => `${step} ${task}`),
      metrics: scores.map(({ metric }) => metric),
    });
    expect(plain(got)).toEqual(plain(expected));
    // Math.exp and its like may differ in the last bit from one V8 to the next.
    const numbers = ({ steps, torch, scores }: typeof expected): number[] => [
      ...[...steps, ...torch].map(({ loss }) => loss),
      ...scores.map(({ value }) => value),
    ];
    const others = numbers(expected);
    numbers(got).forEach((value, i) => expect(value).toBeCloseTo(others[i] ?? NaN, 4));
  });
});
