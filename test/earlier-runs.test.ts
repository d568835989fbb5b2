/**
 * Runs, checkpoints, exported models and prepared suites of an earlier version open, and mean what they meant then. The
 * files and what that version said of them stand in test/fixtures/run-VERSION; tools/earlier-run.mjs made them.
 */
import { pretrain } from '@polygate/app-pretrain';
import { METRICS_FILE, readMetricRecords } from '@polygate/training';
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { polygate } from './polygate.ts';

const fixture = join(import.meta.dirname, 'fixtures/run-0.1.0');
/** Engines and Node's mathematics may round differently; the numbers themselves stay. */
const DIGITS = 5;

interface Expected {
  readonly opened: Readonly<
    Record<string, { readonly scores: Scores; readonly predictions: Readonly<Record<string, unknown>> }>
  >;
  readonly resumed: { readonly from: number; readonly losses: readonly number[]; readonly scores: Scores };
}
type Scores = Readonly<Record<string, number>>;

// 0.1.0 said "picture" where the answers say "image" now, and "masked words" for masked tokens.
const expected = JSON.parse(
  (await readFile(join(fixture, 'expected.json'), 'utf8'))
    .replaceAll('picture', 'image')
    .replaceAll('masked words', 'masked tokens'),
) as Expected;
const here = process.cwd();
let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'polygate-earlier-'));
  await cp(fixture, folder, { recursive: true });
  // The runs name their suite as they were made: relative to the folder that they were started in.
  process.chdir(folder);
});
afterAll(async () => {
  process.chdir(here);
  await rm(folder, { recursive: true, force: true });
});

const say = async (...argv: string[]): Promise<string> => {
  const { code, out, log } = await polygate(...argv);
  if (code !== 0) throw new Error(log);
  return out;
};
/** How 0.1.0 searched for captions: the defaults are the published ones now. */
const search = { beam: '3', lengthPenalty: '1', finished: 'aside' };
const searchFlags = [
  '--beam',
  search.beam,
  '--length-penalty',
  search.lengthPenalty,
  '--finished',
  search.finished,
];
const scoresOf = async (run: string): Promise<Scores> => {
  const options = Object.entries(search).flatMap(([key, value]) => [
    '--predict',
    `image-captioning.${key}=${value}`,
  ]);
  const flags = ['--suite', 'suite', '--out', 'scores', '--engine', 'cpu', ...options];
  await say('evaluate', '--run', run, ...flags);
  const { scores } = JSON.parse(await readFile('scores/evaluation.json', 'utf8')) as {
    readonly scores: readonly { task: string; split: string; metric: string; value: number }[];
  };
  return Object.fromEntries(
    scores.map(({ task, split, metric, value }) => [`${task}/${split}/${metric}`, value]),
  );
};
/** The same JSON, numbers to so many digits. */
const expectSame = (got: unknown, wanted: unknown): void => {
  const rounded = (value: unknown): string =>
    JSON.stringify(value, (_, each: unknown) =>
      typeof each === 'number' ? Number(each.toFixed(DIGITS)) : each,
    );
  expect(JSON.parse(rounded(got))).toEqual(JSON.parse(rounded(wanted)));
};

const questions = {
  classify: ['classify', 'images/red.png'],
  caption: ['caption', 'images/red.png', ...searchFlags],
  retrieve: ['retrieve', 'a blue bar on the left', '--images', 'images'],
  fill: ['fill', 'the bar on the left is ___.'],
};

describe.each(Object.entries(expected.opened))('%s', (run, { scores, predictions }) => {
  it('is scored as it was', async () => {
    expectSame(await scoresOf(run), scores);
  });

  it.each(Object.entries(questions))('answers predict %s as it did', async (kind, words) => {
    const answer = await say('predict', ...words, '--run', run, '--engine', 'cpu', '--json');
    // The sum of log p stands beside the score now.
    expectSame(
      JSON.parse(answer, (key, value: unknown) => (key === 'logProbability' ? undefined : value)),
      predictions[kind],
    );
  });
});

it('a run is exported to what it was exported to', async () => {
  await say('export', '--run', 'runs/four', '--out', 'again', '--engine', 'cpu');
  const answer = await say(
    'predict',
    'classify',
    'images/red.png',
    '--run',
    'again',
    '--engine',
    'cpu',
    '--json',
  );
  expectSame(JSON.parse(answer), expected.opened['exported']?.predictions['classify']);
});

it('a run is inspected', async () => {
  const flags = ['--run', 'runs/four', '--engine', 'cpu', '--batches', '3', '--directions', '1'];
  expect(await say('inspect', 'interference', ...flags)).toContain('retrieval');
  expect(await say('inspect', 'report', '--run', 'runs/four')).toContain('report.html');
});

it('a stopped run goes on with its weights, moments and schedule', async () => {
  const { from, losses, scores } = expected.resumed;
  const { recipe } = JSON.parse(await readFile('runs/steady/recipe.json', 'utf8')) as { recipe: object };
  const result = await pretrain({ recipe, run: 'runs/steady' });
  expect(result).toMatchObject({ status: 'finished', resumedFrom: from, step: losses.length });
  const again: unknown[] = [];
  for await (const record of readMetricRecords(join('runs/steady', METRICS_FILE))) {
    if (record?.['kind'] === 'train') again.push(record['loss']);
  }
  // What is drawn for a batch (here the frame that its images stand at) moves a loss by a thousandth; a run without its
  // moments or at another rate is ten times as far off.
  expect(again).toHaveLength(losses.length);
  for (const [at, loss] of losses.entries())
    expect(Math.abs((again[at] as number) - loss)).toBeLessThan(0.003);
  const scoresNow = await scoresOf('runs/steady');
  for (const name of Object.keys(scores).filter((each) => each.startsWith('colours'))) {
    expect(scoresNow[name], name).toBeCloseTo(scores[name] ?? Number.NaN, DIGITS);
  }
});

it('a stopped run of all families goes on to its end', async () => {
  const { recipe } = JSON.parse(await readFile('runs/four/recipe.json', 'utf8')) as { recipe: object };
  const result = await pretrain({ recipe, run: 'runs/four' });
  expect(result).toMatchObject({ status: 'finished', resumedFrom: 30, step: 40 });
  expect(Object.values(result.losses).every((loss) => Number.isFinite(loss))).toBe(true);
});
