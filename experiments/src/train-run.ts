/** Trains the recipe of a run in this process, or what is missing of it. */
import { silentLogger } from '@polygate/core';
import type { Recipe } from '@polygate/generalist';
import { trainRecipe } from '@polygate/runs';
import { lineProgress } from './line-progress.ts';

/** What a run reports to, and what ends it early. */
export interface RunContext {
  readonly signal?: AbortSignal;
  readonly report: (text: string) => void;
}

/** What training came to, and the milliseconds of its updates. */
type TrainedRun = Awaited<ReturnType<typeof trainRecipe>> & { readonly stepMs: () => number };

/** A killed run goes on from its latest checkpoint. @returns undefined when the signal came first */
export const trainRun = async (
  { recipe, folder }: { readonly recipe: Recipe; readonly folder: string },
  { signal, report }: RunContext,
): Promise<TrainedRun | undefined> => {
  const progress = lineProgress(report);
  const trained = await trainRecipe(
    { recipe, run: folder },
    { logger: silentLogger, progress, ...(signal ? { signal } : {}) },
  );
  return trained.status === 'stopped' ? undefined : { ...trained, stepMs: () => progress.stepMs() };
};
