/** One run of a staged experiment in this process: train or go on, score, write result.json. */
import { ConfigError, parseJson, silentLogger } from '@polygate/core';
import { writeFileAtomic } from '@polygate/core/node';
import { evaluateSuite, type Generalist, type OpenSuite } from '@polygate/generalist';
import { openRun, trainRecipe } from '@polygate/runs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { commitOf } from '../machine.ts';
import { lineProgress } from '../line-progress.ts';
import { processorMs } from '../scoring.ts';
import type { ScoredStage, StageOrder } from './staged-plan.ts';
import type { StageScore, StagedRun } from './staged-results.ts';

const RESULT_FILE = 'result.json';

/** The result of an order that was finished before; a result is renamed into place, so it is never half there. */
export const finishedStage = async (order: StageOrder): Promise<StagedRun | undefined> => {
  const path = join(order.folder, RESULT_FILE);
  const text = await readFile(path, 'utf8').catch(() => undefined);
  return text === undefined ? undefined : (parseJson(text, path) as StagedRun);
};

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
export const runStage = async (
  order: StageOrder,
  context: { readonly signal?: AbortSignal; readonly report: (text: string) => void },
): Promise<'finished' | 'stopped'> => {
  if (await finishedStage(order)) return 'finished';
  const { folder, recipe, scored, variant, seed, key } = order;
  const { signal, report } = context;
  const began = processorMs();
  const trained = await trainRecipe(
    { recipe, run: folder },
    { logger: silentLogger, progress: lineProgress(report), ...(signal ? { signal } : {}) },
  );
  if (trained.status === 'stopped') return 'stopped';
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
  await writeFileAtomic(join(folder, RESULT_FILE), `${JSON.stringify(result, null, 1)}\n`);
  if (recipe.tune) await rm(join(folder, 'checkpoints'), { recursive: true });
  return 'finished';
};
