/** Two evaluations against each other: what their samples show, in numbers and in words. */
import { compareRuns, compareScores, formatComparison, readOutcomes } from '@polygate/app-evaluate';
import type { Outcomes, ScoredSamples } from '@polygate/app-evaluate';
import { reportMean, reportStatistic } from '@polygate/evaluation';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { serializeOutcomes } from '../src/outcomes.ts';

let scratch: string;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'polygate-compare-'));
});
afterAll(() => rm(scratch, { recursive: true, force: true }));

const groups = Array.from({ length: 60 }, (_, i) => `id ${i}`);
/** Right answers up to a sample, wrong ones after it. */
const rightUpTo = (end: number): readonly number[] => groups.map((_, i) => Number(i < end));

const scored = (
  metric: string,
  values: readonly number[],
  others: Partial<ScoredSamples> = {},
): ScoredSamples => ({
  task: 'digits classification',
  split: 'test',
  metric,
  value: values.reduce((sum, value) => sum + value, 0) / values.length,
  better: 'higher',
  outcomes: { values, groups, better: 'higher' },
  ...others,
});

const outcomes = (run: string, scores: readonly ScoredSamples[]): Outcomes => ({
  run,
  suite: 'digits',
  evaluationSeed: 1,
  scores,
});

describe('a comparison', () => {
  it('says which run is better where the samples show it', () => {
    const a = outcomes('runs/a', [scored('top-1', rightUpTo(30)), scored('top-5', rightUpTo(50))]);
    const b = outcomes('runs/b', [scored('top-1', rightUpTo(45)), scored('top-5', rightUpTo(51))]);
    const { scores } = compareScores(a, b);
    const [first, second] = scores;
    // 15 samples that b alone has right: 2 / 2^15, twice for two scores.
    expect(first).toMatchObject({ test: 'McNemar', winner: 'b', differing: 15, difference: 0.25 });
    expect(first?.probability).toBeCloseTo(2 ** -14, 12);
    expect(first?.adjusted).toBeCloseTo(2 ** -13, 12);
    expect(first?.interval[0]).toBeGreaterThan(0);
    expect(first?.verdict).toBe('B is better (p < 0.001)');
    expect(second).toMatchObject({ winner: undefined, ahead: 'b', probability: 1 });
    expect(second?.verdict).toBe('no difference that 60 samples show (p = 1.0; B is ahead)');
    const text = formatComparison(compareScores(a, b));
    expect(text).toContain('A is better on 0, B on 1 of 2 scores; of the others the samples do not show it.');
    expect(text.split('\n').slice(0, 2)).toEqual(['A: runs/a', 'B: runs/b']);
    expect(compareScores(b, a).scores[0]?.winner).toBe('a');
    expect(compareScores(a, a).scores[0]?.verdict).toBe('the same on every sample');
    expect(formatComparison(compareScores(a, a))).toContain(
      'Neither run is shown to be better on any score.',
    );
  });

  it('takes groups as one, and permutes what is no yes or no', () => {
    const few = groups.map((_, i) => `concept ${i % 4}`);
    const of = (values: readonly number[]): ScoredSamples =>
      scored('token-F1', values, { outcomes: { values, groups: few, better: 'higher' } });
    const { scores } = compareScores(outcomes('a', [of(rightUpTo(30))]), outcomes('b', [of(rightUpTo(45))]));
    // Four groups that all differ one way: 2 of 16.
    expect(scores[0]).toMatchObject({ test: 'permutation', probability: 0.125, winner: undefined });
  });

  it('knows that lower is better, of log probabilities that higher is', () => {
    const report = (shift: number) =>
      reportMean(
        { task: 'lines', split: 'test', metric: 'perplexity', chance: 10, better: 'lower' },
        groups.map((_, i) => -1 - (i % 7) / 10 - shift),
        { seed: 1, groups, range: [-Infinity, 0], transform: (mean) => Math.exp(-mean) },
      );
    expect(report(0).outcomes?.better).toBe('higher');
    const of = (shift: number): Outcomes => {
      const { outcomes: values, ...rest } = report(shift);
      return outcomes('x', values ? [{ ...rest, outcomes: values }] : []);
    };
    const { scores } = compareScores(of(0), of(0.5));
    expect(scores[0]).toMatchObject({ winner: 'a', better: 'lower' });
    expect(scores[0]?.difference).toBeCloseTo(-0.5, 9);
    const loss = reportMean(
      { task: 'x', split: 'test', metric: 'NLL', chance: 1, better: 'lower' },
      [1, 2, 3],
      { seed: 1 },
    );
    expect(loss.outcomes?.better).toBe('lower');
  });

  it('compares macro-F1 by changing sides', () => {
    const of = (run: string, end: number): Outcomes => {
      const rows = groups.map((_, i) => [i % 2, i < end ? i % 2 : 1 - (i % 2)]);
      const corpus = { statistic: 'macro-F1', rows, groups } as const;
      const { outcomes: _, ...score } = scored('macro-F1', rightUpTo(end));
      return outcomes(run, [{ ...score, corpus }]);
    };
    const [compared] = compareScores(of('a', 30), of('b', 50)).scores;
    // Two classes in turn: macro-F1 is the share that is right, .5 and 5/6.
    expect(compared?.difference).toBeCloseTo(1 / 3, 12);
    expect(compared).toMatchObject({ test: 'randomization', winner: 'b', differing: 20 });
    expect(compared?.interval[0]).toBeGreaterThan(0.15);
    expect(compareScores(of('a', 30), of('b', 31)).scores[0]?.winner).toBeUndefined();
  });

  it('leaves details out unless they are asked for', () => {
    const detail = scored('MRR', rightUpTo(10), { detail: true });
    const all = outcomes('a', [scored('top-1', rightUpTo(30)), detail]);
    expect(compareScores(all, all).scores).toHaveLength(1);
    expect(compareScores(all, all, { details: true }).scores).toHaveLength(2);
  });
});

describe('outcomes.json', () => {
  const write = async (name: string, end: number): Promise<string> => {
    const folder = join(scratch, name);
    await mkdir(folder, { recursive: true });
    const report = reportMean(
      { task: 'digits classification', split: 'test', metric: 'top-1', chance: 0.1 },
      rightUpTo(end),
      { seed: 1, groups },
    );
    const head = { run: folder, suite: 'digits', evaluationSeed: 1 };
    const { outcomes: _, ...bare } = report;
    await writeFile(join(folder, 'outcomes.json'), serializeOutcomes(head, [report, bare]));
    return folder;
  };

  it('comes back as it was written, and comparisons go to files', async () => {
    const [a, b] = [await write('a', 20), await write('b', 40)];
    const read = await readOutcomes(a);
    expect(read.scores).toHaveLength(1);
    expect(read.scores[0]?.outcomes).toEqual({ values: rightUpTo(20), groups, better: 'higher' });
    expect(await readOutcomes(join(a, 'outcomes.json'))).toEqual(read);
    const report = reportStatistic(
      { task: 'x', split: 'test', metric: 'macro-F1', chance: 0.5 },
      {
        count: 2,
        statistic: () => 0.5,
        named: {
          statistic: 'macro-F1',
          rows: [
            [0, 0],
            [1, 0, 1],
          ],
        },
      },
      { seed: 1, resamples: 10, groups: ['a', 'b'] },
    );
    const text = serializeOutcomes({ run: 'x', suite: 'x', evaluationSeed: 1 }, [report]);
    await writeFile(join(scratch, 'corpus.json'), text);
    expect((await readOutcomes(join(scratch, 'corpus.json'))).scores[0]?.corpus).toEqual(report.corpus);
    await writeFile(
      join(scratch, 'corpus.json'),
      text.replace('"statistic":"macro-F1"', '"statistic":"makro-F1"'),
    );
    await expect(readOutcomes(join(scratch, 'corpus.json'))).rejects.toThrow(
      'unknown statistic of a corpus "makro-F1": did you mean "macro-F1"?',
    );
    const comparison = await compareRuns(a, b, { output: scratch });
    expect(comparison.scores[0]?.winner).toBe('b');
    expect(await compareRuns(a, b, { output: scratch })).toEqual(comparison);
    const stored = JSON.parse(await readFile(join(scratch, 'comparison.json'), 'utf8')) as unknown;
    expect(stored).toEqual(JSON.parse(JSON.stringify(comparison)));
    expect(await readFile(join(scratch, 'comparison.md'), 'utf8')).toContain(
      '| digits classification, test, top-1 | 0.333 | 0.667 | 0.333 |',
    );
  });

  it('is refused where it is none, or of other samples', async () => {
    const a = await write('a', 20);
    const put = async (change: (text: string) => string): Promise<string> => {
      const folder = join(scratch, 'changed');
      await mkdir(folder, { recursive: true });
      const text = await readFile(join(a, 'outcomes.json'), 'utf8');
      await writeFile(join(folder, 'outcomes.json'), change(text));
      return folder;
    };
    await expect(compareRuns(a, join(scratch, 'none'))).rejects.toThrow(
      /^compare: expected a folder of a run or of results, got none at .*none$/u,
    );
    await mkdir(join(scratch, 'empty'), { recursive: true });
    await expect(compareRuns(a, join(scratch, 'empty'))).rejects.toThrow(
      /got none; evaluate the run first: polygate evaluate --run .*empty$/u,
    );
    await expect(
      compareRuns(a, await put((text) => text.replace('"version":1', '"version":2'))),
    ).rejects.toThrow('outcomes.json: expected version 1, got 2; evaluate the run again');
    await expect(compareRuns(a, await put((text) => text.replace('[1,1,1,', '[1,"x",1,')))).rejects.toThrow(
      'expected finite values of samples',
    );
    await expect(compareRuns(a, await put((text) => text.replace('"id 3"', '"id 333"')))).rejects.toThrow(
      'compare: digits classification, test, top-1: comparison: expected scores of the same samples, got id 3 and id 333 as sample 3; evaluate both on the same suite, with the same limit and seed',
    );
    await expect(compareRuns(a, await put((text) => text.replace('top-1', 'top-7')))).rejects.toThrow(
      /^compare: expected scores that both runs have, got digits classification, test, top-1 of .*a and digits classification, test, top-7 of .*changed; evaluate both on the same suite$/u,
    );
  });
});
