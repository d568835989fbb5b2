/** Updates on one task alone, of a run's checkpoint: its optimizer, its rate, the batches that it would draw next. */
import { ownValue, StateError, type Logger, type Random } from '@polygate/core';
import type { Generalist, Recipe } from '@polygate/generalist';
import { createOptimizer, type Optimizer, type ParameterSet } from '@polygate/nn';
import type { RunRecord } from '@polygate/runs';
import type { TaskBatch } from '@polygate/tasks';
import {
  METRICS_FILE,
  readMetricRecords,
  sourceRandom,
  verifyFiles,
  type TrainSource,
} from '@polygate/training';
import { access } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { interferenceMatrix } from './interference-matrix.ts';
import { plainMatrix, type SiteRecord } from './interference-record.ts';
import { updatesAlone } from './updates-alone.ts';

/** Rate of the last update up to a step, as the run wrote it down; undefined without a record. */
const rateAt = async (run: string, step: number): Promise<number | undefined> => {
  let rate: number | undefined;
  try {
    for await (const record of readMetricRecords(join(run, METRICS_FILE))) {
      if (typeof record?.['learningRate'] !== 'number' || typeof record['step'] !== 'number') continue;
      if (record['step'] <= step) rate = record['learningRate'];
    }
  } catch {
    // No file: the recipe's rate is the one.
  }
  return rate;
};

export interface UpdatesMeasure {
  readonly record: RunRecord;
  readonly recipe: Recipe;
  readonly sources: readonly TrainSource<TaskBatch>[];
  /** [T][N] batches that losses are taken on, N being the rounds. */
  readonly batches: readonly (readonly TaskBatch[])[];
  /** First cursor of each task that no batch was drawn at. */
  readonly from: number;
  readonly updates: number;
  readonly random: Random;
  readonly seed: number;
  readonly logger: Logger;
  readonly signal?: AbortSignal | undefined;
}

export interface MeasuredUpdates {
  readonly learningRate: number;
  readonly weights: number;
  readonly matrix: SiteRecord['firstOrder'];
}

/** @throws StateError for a checkpoint without its optimizer, or when the signal aborts */
export const measureUpdates = async (
  model: Generalist,
  measure: UpdatesMeasure,
): Promise<MeasuredUpdates> => {
  const { record, recipe, sources, batches, from, updates, random, seed, logger, signal } = measure;
  const path = join(record.weights, 'optimizer.safetensors');
  await access(path).catch((cause: unknown) => {
    throw new StateError(
      `interference: expected the run's optimizer at ${path}, got none; measure a checkpoint that pretrain wrote, or leave updates out`,
      { fields: { path }, cause },
    );
  });
  const { learningRate: base, clipNorm } = recipe.optimizer;
  const create = (parameters: ParameterSet): Optimizer => createOptimizer(parameters, recipe.optimizer);
  const learningRate = (await rateAt(record.run, record.state?.step ?? 0)) ?? base;
  using stored = create(model.parameters);
  const { state, weights: folder } = record;
  if (state) await verifyFiles({ step: state.step, path: folder }, state, [basename(path)]);
  await stored.load(path);
  const options = {
    batches,
    updates,
    lossWeights: sources.map(({ lossWeight = 1 }) => lossWeight),
    optimizer: { create, learningRate, clipNorm: clipNorm ?? undefined, state: stored.state() },
    random: random.fork('updates'),
    next: async (task: number, { round, update }: { round: number; update: number }) => {
      const source = sources[task] as TrainSource<TaskBatch>;
      const cursor = (ownValue(state?.cursors ?? {}, source.name) ?? 0) + from + round * updates + update;
      const step = (state?.step ?? 0) + from + round * updates + update;
      return await source.next(cursor, {
        random: sourceRandom(random, source, { cursor, step, use: 'data' }),
      });
    },
    signal,
  };
  const changes = await updatesAlone(model, {
    ...options,
    progress: (done, all) => {
      if (done % (all / sources.length) === 0)
        logger.info(`interference: ${updates} updates on one task alone: ${done} of ${all} rounds`);
    },
  });
  return {
    learningRate,
    weights: model.parameters.size,
    matrix: plainMatrix(interferenceMatrix(changes, { seed })),
  };
};
