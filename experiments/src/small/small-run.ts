/** One run on a small set in this process: train or go on, score on the test split, write result.json. */
import { ConfigError } from '@polygate/core';
import type { ScoreReport } from '@polygate/evaluation';
import { evaluateSuite, type Recipe } from '@polygate/generalist';
import { openRun } from '@polygate/runs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { commitOf } from '../machine.ts';
import { readRunResult, writeRunResult } from '../run-result.ts';
import { processorMs } from '../scoring.ts';
import { trainRun, type RunContext } from '../train-run.ts';

/** What a run is, and where. */
export interface SmallOrder {
  readonly set: string;
  readonly variant: string;
  readonly seed: number;
  /** First 16 digits of a hash of everything that decides the result. */
  readonly key: string;
  readonly folder: string;
  readonly recipe: Recipe;
}

/** A finished run. */
export interface SmallRun extends Pick<SmallOrder, 'set' | 'variant' | 'seed' | 'key'> {
  readonly commit: string;
  readonly engine: string;
  /** Accuracy on the test split. */
  readonly score: Pick<ScoreReport, 'value' | 'count'>;
  /** Updates made, and those of the checkpoint that is scored. */
  readonly steps: number;
  readonly best: number;
  /** Processor time of training in this process, in seconds. */
  readonly seconds: number;
  readonly parameters: number;
}

/** The result of an order that was finished before. */
export const finishedSmallRun = ({ folder }: SmallOrder): Promise<SmallRun | undefined> =>
  readRunResult<SmallRun>(folder);

/** @returns `stopped` when the signal came first */
export const runSmall = async (order: SmallOrder, context: RunContext): Promise<'finished' | 'stopped'> => {
  if (await finishedSmallRun(order)) return 'finished';
  const { folder, set, variant, seed, key } = order;
  const { report } = context;
  const began = processorMs();
  const trained = await trainRun(order, context);
  if (!trained) return 'stopped';
  const seconds = (processorMs() - began) / 1000;
  using opened = await openRun(folder, { threads: 1 });
  await using data = await opened.openSuite();
  const reports = await evaluateSuite(opened.model, data, { splits: ['test'], limit: 10_000 });
  const score = reports.find(({ metric }) => metric === 'top-1');
  if (!score) {
    throw new ConfigError(
      `small sets: expected a score top-1, got ${reports.map(({ metric }) => metric).join(', ')}`,
    );
  }
  const { value, count } = score;
  report(`top-1 ${value.toFixed(3)} after ${trained.step} steps, ${seconds.toFixed(0)} s`);
  const result: SmallRun = {
    set,
    variant,
    seed,
    key,
    commit: commitOf(),
    engine: trained.engine.line,
    score: { value, count },
    steps: trained.step,
    best: trained.best?.step ?? trained.step,
    seconds,
    parameters: opened.model.parameters.size,
  };
  await writeRunResult(folder, result);
  await rm(join(folder, 'checkpoints'), { recursive: true });
  return 'finished';
};
