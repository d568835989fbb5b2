import { describe, expect, it } from 'vitest';
import { finishedOrders } from './finished-orders.ts';
import { planStages } from './staged-plan.ts';
import type { StagedResults, StagedRun, StageScore } from './staged-results.ts';
import { aboveChance, bestBaseline, summaryTable, taskTable } from './staged-tables.ts';
import type { Stage } from './stages.ts';
import { tables45 } from './tables-4-5.ts';

const score = (task: string, stage: Stage, value: number): StageScore => ({
  task,
  stage,
  value,
  interval: [0, 1],
  chance: task === 'digits' ? 0.5 : null,
  baselines: task === 'digits' ? { majority: 0.55, naiveBayes: 0.6 } : { 'most frequent': 0.1 },
  count: 10,
});

const run = (variant: string, seed: number, scores: readonly StageScore[]): StagedRun => ({
  variant,
  seed,
  key: `${variant}${seed}${scores[0]?.stage ?? ''}`,
  commit: 'abc1234',
  engine: 'torch',
  steps: '10 steps',
  scores,
  trainingHours: 0.1,
  hours: 0.2,
  parameters: 1000,
});

/** Untuned, prompt-tuned and fine-tuned scores of both tasks. */
const branch = (variant: string, seed: number, digits: readonly number[], captions: readonly number[]) =>
  (['untuned', 'prompt', 'fine'] as const).map((stage, i) =>
    run(variant, seed, [
      score('digits', stage, digits[i] ?? NaN),
      score('captions', stage, captions[i] ?? NaN),
    ]),
  );

const results: StagedResults = {
  experiment: 'made-up',
  title: 'Made up',
  question: 'Is it?',
  command: 'npm run experiment -- made-up',
  baseline: 'dense',
  machine: { cpu: 'A CPU', cores: 2, memoryGigabytes: 24, node: 'v20', engine: 'torch' },
  settings: {},
  variants: [
    { name: 'dense', label: 'dense' },
    { name: 'moe', label: 'experts' },
  ],
  rows: [
    { name: 'digits', label: 'digits', split: 'test', metric: 'top-1', novel: false },
    { name: 'captions', label: 'captions', split: 'test', metric: 'token-F1', novel: true },
  ],
  runs: [
    ...branch('dense', 1, [0.6, 0.7, 0.8], [0.1, 0.2, 0.4]),
    ...branch('dense', 2, [0.6, 0.7, 0.9], [0.1, 0.4, 0.4]),
    ...branch('moe', 1, [0.7, 0.8, 0.9], [0.2, 0.2, 0.5]),
  ],
};

describe('tables of stages', () => {
  it('have each variant untuned, prompt-tuned and fine-tuned beside the best simple system', () => {
    expect(bestBaseline(results, 'digits')).toEqual({ name: 'naiveBayes', value: 0.6 });
    expect(taskTable(results, results.rows).split('\n')[2]).toBe(
      '| digits | top-1, test | 0.600 (naiveBayes) | 0.600 ± 0.000 | 0.700 ± 0.000 | 0.850 ± 0.071 | 0.700 | 0.800 | 0.900 |',
    );
  });

  it('sum up the way from chance to perfect, and compare stages and variants seed by seed', () => {
    expect(aboveChance({ value: 0.6, chance: 0.5 })).toBeCloseTo(0.2, 12);
    expect(aboveChance({ value: 0.6, chance: null })).toBe(0.6);
    const lines = summaryTable(results).split('\n').slice(2);
    // digits: untuned 0.2 and 0.2, prompts 0.4 and 0.4, fine 0.6 and 0.8; 12.706 * 0.1414 / sqrt(2) = 1.271
    expect(lines[0]).toBe(
      '| tasks of pre-training | dense | 0.200 ± 0.000 | 0.400 ± 0.000 | 0.700 ± 0.141 | 0.200 [0.200, 0.200] | 0.300 [-0.971, 1.571] |  |  |  |',
    );
    expect(lines[1]).toBe(
      '| tasks of pre-training | experts | 0.400 | 0.600 | 0.800 | 0.200 | 0.200 | 0.200 | 0.200 | 0.200 |',
    );
    // Means of both tasks: dense 0.15, 0.3, 0.5 of seed 1; experts 0.3, 0.4, 0.65.
    expect(lines[5]).toBe(
      '| all | experts | 0.300 | 0.400 | 0.650 | 0.100 | 0.250 | 0.150 | 0.100 | 0.150 |',
    );
  });
});

describe('the plan of stages', () => {
  const options = { suite: 'data/mini-full', suiteHash: 'abc', seeds: [1, 2], runs: 'runs' };

  it('starts every tuning from the pre-training of its variant and seed, on the share that its stage learns from', () => {
    const branches = planStages(tables45, options);
    expect(branches).toHaveLength(4);
    const tuned = tables45.tasks.filter((task) => task.tuned ?? true);
    for (const { pretraining, tunings } of branches) {
      expect(pretraining.scored.map(({ task }) => task)).toEqual(tables45.tasks.map(({ name }) => name));
      expect(tunings).toHaveLength(2 * tuned.length);
      for (const { recipe, seed, scored } of tunings) {
        expect(recipe.initialize?.from).toBe(pretraining.folder);
        expect(seed).toBe(pretraining.seed);
        const [only] = Object.values(recipe.tasks);
        expect(only?.subset?.share).toBe(scored[0]?.stage === 'prompt' ? 0.01 : undefined);
      }
    }
    const keys = branches
      .flatMap(({ pretraining, tunings }) => [pretraining, ...tunings])
      .map(({ key }) => key);
    expect(new Set(keys).size).toBe(keys.length);
  });

  it('names runs by what decides their results', () => {
    const few = { ...tables45, tasks: tables45.tasks.slice(0, 1), variants: tables45.variants.slice(0, 1) };
    const [first] = planStages(few, options);
    const [same] = planStages({ ...few, title: 'other' }, { ...options, suite: 'elsewhere' });
    const [other] = planStages({ ...few, rows: 10 }, options);
    expect(same?.pretraining.key).toBe(first?.pretraining.key);
    expect(other?.pretraining.key).not.toBe(first?.pretraining.key);
  });

  it('makes nothing again that another machine wrote, but a pre-training whose weights a tuning still needs', async () => {
    const few = { ...tables45, tasks: tables45.tasks.slice(0, 1), variants: tables45.variants.slice(0, 1) };
    const branches = planStages(few, options);
    const [first, second] = branches;
    const orders = [first, second].flatMap((each) => (each ? [each.pretraining, ...each.tunings] : []));
    // All of seed 1 is recorded; of seed 2 all but a tuning.
    const recorded = new Map(
      orders.slice(0, -1).map((order) => [order.key, { ...run('dense', order.seed, []), key: order.key }]),
    );
    const absent = (): Promise<undefined> => Promise.resolve(undefined);
    const finished = finishedOrders(branches, recorded, absent);
    expect(await Promise.all(orders.map(finished.isFinished))).toEqual([
      true,
      true,
      true,
      false,
      true,
      false,
    ]);
    expect((await finished.resultOf(orders[3] as (typeof orders)[number]))?.seed).toBe(2);
  });

  it('asks no task of pre-training to be one of its datasets that novel tasks have', () => {
    const trained = new Set(Object.values(tables45.pretraining.tasks ?? {}).map(({ dataset }) => dataset));
    for (const { novel, recipe } of tables45.tasks) expect(trained.has(recipe.dataset)).toBe(!novel);
  });
});
