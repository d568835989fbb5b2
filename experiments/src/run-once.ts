/** One run of an experiment in this process: train or go on, score, write result.json. */
import { parseJson, silentLogger } from '@polygate/core';
import { writeFileAtomic } from '@polygate/core/node';
import { runInterference } from '@polygate/interference';
import { openRun, trainRecipe } from '@polygate/runs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { lineProgress } from './line-progress.ts';
import { commitOf } from './machine.ts';
import type { RunOrder } from './plan.ts';
import type { InterferenceAt, RunResult } from './results.ts';
import { captionWordScore } from './caption-score.ts';
import { processorMs, scoreTasks } from './scoring.ts';

const RESULT_FILE = 'result.json';
const INTERFERENCE_FILE = 'interference-at-checkpoints.json';

/** What a finished run leaves in its folder; the variant's name belongs to the experiment. */
type StoredResult = Omit<RunResult, 'variant' | 'interference'> & { readonly engine: string };

const readJson = async <T>(path: string): Promise<T | undefined> => {
  try {
    return parseJson(await readFile(path), path) as T;
  } catch {
    // Not there yet; a result is renamed into place, so it is never half there.
    return undefined;
  }
};

/** The result of a run that was finished before. */
export const finishedRun = async (
  order: RunOrder,
): Promise<(RunResult & { readonly engine: string }) | undefined> => {
  const stored = await readJson<StoredResult>(join(order.folder, RESULT_FILE));
  if (!stored) return undefined;
  if (!order.interference) return { ...stored, variant: order.variant };
  const sites = await readJson<NonNullable<RunResult['interference']>>(join(order.folder, INTERFERENCE_FILE));
  return sites && { ...stored, variant: order.variant, interference: sites };
};

type Matrix = InterferenceAt['sites'][number]['firstOrder'];

/** Without the effects by batch, which no table shows. */
const plainer = (matrix: Matrix): Matrix => ({ ...matrix, effects: [] });

const train = async (
  order: RunOrder,
  context: { readonly signal?: AbortSignal; readonly report: (text: string) => void },
): Promise<'finished' | 'stopped'> => {
  const progress = lineProgress(context.report);
  const began = processorMs();
  const trained = await trainRecipe(
    { recipe: order.recipe, run: order.folder },
    { logger: silentLogger, progress, ...(context.signal ? { signal: context.signal } : {}) },
  );
  if (trained.status === 'stopped') return 'stopped';
  using opened = await openRun(order.folder);
  await using data = await opened.openSuite();
  const { model } = opened;
  const { scores, inferenceMs } = await scoreTasks(order.scored, { model, data, recipe: order.recipe });
  const words = await captionWordScore(order, { model, data });
  // A run that was finished before this process came to it has no time of its own.
  const result: StoredResult = {
    seed: order.seed,
    key: order.key,
    commit: commitOf(),
    scores: words
      ? { ...scores, [words.task]: { ...scores[words.task], 'token-F1': words.tokenF1 } }
      : scores,
    price: {
      trainStepMs: progress.stepMs(),
      inferenceMs,
      peakMegabytes: Math.round(process.resourceUsage().maxRSS / 1024),
      parameters: model.parameters.size,
    },
    hours: (processorMs() - began) / 3_600_000,
    engine: trained.engine.line,
  };
  await writeFileAtomic(join(order.folder, RESULT_FILE), `${JSON.stringify(result, null, 1)}\n`);
  return 'finished';
};

/**
 * Makes a run, or what is missing of it. A killed one goes on from its latest checkpoint.
 * @returns `stopped` when the signal came first
 */
export const runOnce = async (
  order: RunOrder,
  context: { readonly signal?: AbortSignal; readonly report: (text: string) => void },
): Promise<'finished' | 'stopped'> => {
  if (!(await readJson(join(order.folder, RESULT_FILE)))) {
    const status = await train(order, context);
    if (status === 'stopped') return status;
  }
  if (order.interference && !(await finishedRun(order))) {
    const measured: InterferenceAt[] = [];
    for (const checkpoint of order.interference.checkpoints) {
      context.report(`interference at ${checkpoint}`);
      const { checkpoints: _all, ...plan } = order.interference;
      const record = await runInterference(order.folder, { checkpoint, threads: 1, ...plan });
      const { updates, rounds, learningRate, model } = record;
      const sites = record.sites.map(({ firstOrder, exact, ...rest }) => ({
        ...rest,
        firstOrder: plainer(firstOrder),
        exact: exact && plainer(exact),
      }));
      measured.push({
        checkpoint,
        sites,
        updates,
        rounds,
        learningRate,
        model: model && { ...model, updates: plainer(model.updates) },
      });
    }
    await writeFileAtomic(join(order.folder, INTERFERENCE_FILE), `${JSON.stringify(measured)}\n`);
  }
  return 'finished';
};
