/** One run of a staged experiment in this process: train or go on, score, write result.json. */
import { ConfigError } from '@polygate/core';
import { evaluateSuite, type Generalist, type OpenSuite } from '@polygate/generalist';
import { openRun } from '@polygate/runs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { commitOf } from '../machine.ts';
import { readRunResult, writeRunResult } from '../run-result.ts';
import { processorMs } from '../scoring.ts';
import { trainRun, type RunContext } from '../train-run.ts';
import type { ScoredStage, StageOrder } from './staged-plan.ts';
import type { StageScore, StagedRun } from './staged-results.ts';

/** The result of an order that was finished before. */
export const finishedStage = ({ folder }: StageOrder): Promise<StagedRun | undefined> =>
  readRunResult<StagedRun>(folder);

/** @throws ConfigError where the reports have no such score */
const scoreStage = async (
  scored: ScoredStage,
  { model, data }: { readonly model: Generalist; readonly data: OpenSuite },
): Promise<StageScore> => {
  const { stage, task, recipe, split, metric, rows } = scored;
  const reports = await evaluateSuite(model, data, {
    tasks: { [task]: recipe },
    splits: [split],
    limit: rows,
  });
  const report = reports.find((each) => each.metric === metric);
  if (!report) {
    throw new ConfigError(
      `staged experiment: expected a score ${metric} of ${task} on ${split}, got ${reports.map((each) => each.metric).join(', ')}`,
    );
  }
  const { value, interval, chance, baselines, count } = report;
  return { stage, task, value, interval, chance, baselines, count };
};

/**
 * Trains and scores, or what is missing of it; a killed run goes on from its latest checkpoint. What only training needs of a
 * tuned run is removed once it is scored.
 * @returns `stopped` when the signal came first
 */
export const runStage = async (order: StageOrder, context: RunContext): Promise<'finished' | 'stopped'> => {
  if (await finishedStage(order)) return 'finished';
  const { folder, recipe, scored, variant, seed, key } = order;
  const { signal, report } = context;
  const began = processorMs();
  const trained = await trainRun(order, context);
  if (!trained) return 'stopped';
  const trainingMs = processorMs() - began;
  const scores: StageScore[] = [];
  using opened = await openRun(folder, { threads: 1 });
  await using data = await opened.openSuite();
  for (const each of scored) {
    if (signal?.aborted) return 'stopped';
    const score = await scoreStage(each, { model: opened.model, data });
    report(`${each.task}, ${each.stage}: ${score.value.toFixed(3)}`);
    scores.push(score);
  }
  const result: StagedRun = {
    variant,
    seed,
    key,
    commit: commitOf(),
    engine: trained.engine.line,
    steps: recipe.steps,
    scores,
    trainingHours: trainingMs / 3_600_000,
    hours: (processorMs() - began) / 3_600_000,
    parameters: opened.model.parameters.size,
  };
  await writeRunResult(folder, result);
  if (recipe.tune) await rm(join(folder, 'checkpoints'), { recursive: true });
  return 'finished';
};
