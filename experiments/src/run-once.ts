/** One run of an experiment in this process: train or go on, score, write result.json. */
import { writeFileAtomic } from '@polygate/core/node';
import { runInterference } from '@polygate/interference';
import { openRun } from '@polygate/runs';
import { join } from 'node:path';
import { commitOf } from './machine.ts';
import type { RunOrder } from './plan.ts';
import type { InterferenceAt, RunResult } from './results.ts';
import { captionWordScore } from './caption-score.ts';
import { readRunResult, writeRunResult } from './run-result.ts';
import { processorMs, scoreTasks } from './scoring.ts';
import { trainRun, type RunContext } from './train-run.ts';

const INTERFERENCE_FILE = 'interference-at-checkpoints.json';

/** What a finished run leaves in its folder; the variant's name belongs to the experiment. */
type StoredResult = Omit<RunResult, 'variant' | 'interference'> & { readonly engine: string };

/** The result of a run that was finished before. */
export const finishedRun = async (
  order: RunOrder,
): Promise<(RunResult & { readonly engine: string }) | undefined> => {
  const stored = await readRunResult<StoredResult>(order.folder);
  if (!stored) return undefined;
  if (!order.interference) return { ...stored, variant: order.variant };
  const sites = await readRunResult<NonNullable<RunResult['interference']>>(order.folder, INTERFERENCE_FILE);
  return sites && { ...stored, variant: order.variant, interference: sites };
};

type Matrix = InterferenceAt['sites'][number]['firstOrder'];

/** Without the effects by batch, which no table shows. */
const plainer = (matrix: Matrix): Matrix => ({ ...matrix, effects: [] });

const train = async (order: RunOrder, context: RunContext): Promise<'finished' | 'stopped'> => {
  const began = processorMs();
  const trained = await trainRun(order, context);
  if (!trained) return 'stopped';
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
      trainStepMs: trained.stepMs(),
      inferenceMs,
      peakMegabytes: Math.round(process.resourceUsage().maxRSS / 1024),
      parameters: model.parameters.size,
    },
    hours: (processorMs() - began) / 3_600_000,
    engine: trained.engine.line,
  };
  await writeRunResult(order.folder, result);
  return 'finished';
};

/**
 * Makes a run, or what is missing of it. A killed one goes on from its latest checkpoint.
 * @returns `stopped` when the signal came first
 */
export const runOnce = async (order: RunOrder, context: RunContext): Promise<'finished' | 'stopped'> => {
  if (!(await readRunResult(order.folder))) {
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
