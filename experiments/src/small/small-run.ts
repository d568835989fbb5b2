/** One run on a small set in this process: train or go on, score on the test split, write result.json. */
import { ConfigError, parseJson, silentLogger } from '@polygate/core';
import { writeFileAtomic } from '@polygate/core/node';
import type { ScoreReport } from '@polygate/evaluation';
import { evaluateSuite, type Recipe } from '@polygate/generalist';
import { openRun, trainRecipe } from '@polygate/runs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { lineProgress } from '../line-progress.ts';
import { commitOf } from '../machine.ts';
import { processorMs } from '../scoring.ts';

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

const RESULT_FILE = 'result.json';

/** The result of an order that was finished before; a result is renamed into place, so it is never half there. */
export const finishedSmallRun = async (order: SmallOrder): Promise<SmallRun | undefined> => {
  const path = join(order.folder, RESULT_FILE);
  const text = await readFile(path, 'utf8').catch(() => undefined);
  return text === undefined ? undefined : (parseJson(text, path) as SmallRun);
};

/** @returns `stopped` when the signal came first */
export const runSmall = async (
  order: SmallOrder,
  context: { readonly signal?: AbortSignal; readonly report: (text: string) => void },
): Promise<'finished' | 'stopped'> => {
  if (await finishedSmallRun(order)) return 'finished';
  const { folder, recipe, set, variant, seed, key } = order;
  const { signal, report } = context;
  const began = processorMs();
  const trained = await trainRecipe(
    { recipe, run: folder },
    { logger: silentLogger, progress: lineProgress(report), ...(signal ? { signal } : {}) },
  );
  if (trained.status === 'stopped') return 'stopped';
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
  await writeFileAtomic(join(folder, RESULT_FILE), `${JSON.stringify(result, null, 1)}\n`);
  await rm(join(folder, 'checkpoints'), { recursive: true });
  return 'finished';
};
