/** Runs a staged experiment: pre-trainings first, then what starts from each; finished ones are found again. */
import { prepare } from '@polygate/app-prepare';
import type { Logger } from '@polygate/core';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { carryOut, startClock } from '../carry-out.ts';
import { machineOf } from '../machine.ts';
import { recordedRuns } from '../results.ts';
import { finishedOrders } from './finished-orders.ts';
import { planStages, type StagedBranch, type StageOrder } from './staged-plan.ts';
import { writeStaged } from './staged-document.ts';
import type { StagedRun } from './staged-results.ts';
import { finishedStage } from './staged-run.ts';
import type { StagedExperiment } from './stages.ts';

const CHILD = join(dirname(fileURLToPath(import.meta.url)), 'staged-child.js');

export interface StagedFlags {
  readonly seeds: readonly number[];
  readonly jobs: number;
  readonly only: readonly string[] | undefined;
  /** Folder of all runs. */
  readonly runs: string;
}

/** Writes results and document of what is finished. @returns how many runs that is */
const collect = async (
  experiment: StagedExperiment,
  branches: readonly StagedBranch[],
  resultOf: (order: StageOrder) => Promise<StagedRun | undefined>,
): Promise<number> => {
  const orders = branches.flatMap(({ pretraining, tunings }) => [pretraining, ...tunings]);
  const finished = await Promise.all(orders.map(resultOf));
  const runs = finished.filter((run): run is StagedRun => run !== undefined);
  const [last] = runs;
  if (!last) return 0;
  const { name, title, question, baseline, variants, tasks, pretraining, budgets, rows } = experiment;
  await writeStaged({
    experiment: name,
    title,
    question,
    command: `npm run experiment -- ${name}`,
    baseline,
    machine: machineOf(last.engine),
    settings: { pretraining, budgets, rows, tasks: tasks.map(({ recipe }) => recipe) },
    variants: variants.map((variant) => ({ name: variant.name, label: variant.label })),
    rows: tasks.map((task) => ({
      name: task.name,
      label: task.label,
      split: task.split,
      metric: task.metric,
      novel: task.novel,
    })),
    runs,
  });
  return runs.length;
};

/** @returns whether no run failed */
export const runStaged = async (
  experiment: StagedExperiment,
  flags: StagedFlags,
  { logger }: { readonly logger: Logger },
): Promise<boolean> => {
  const { name } = experiment;
  const { directory, suite } = await prepare({ recipe: experiment.suite, output: 'data' }, { logger });
  const branches = planStages(experiment, { ...flags, suite: directory, suiteHash: suite.recipeHash });
  const { resultOf, isFinished } = finishedOrders(
    branches,
    await recordedRuns<StagedRun>(name),
    finishedStage,
  );
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort());
  const minutes = startClock();
  let clean = true;
  const carryOutStage = async (orders: readonly StageOrder[], what: string): Promise<void> => {
    const { failed } = await carryOut(orders, {
      experiment: name,
      what,
      isFinished,
      label: ({ variant, seed, recipe }) =>
        `${variant}, seed ${seed}, ${recipe.tune?.method ?? 'pre-training'}`,
      jobs: flags.jobs,
      child: CHILD,
      signal: stop.signal,
      minutes,
      logger,
    });
    clean &&= failed.length === 0;
  };
  // Seed by seed, so that what is stopped leaves whole columns.
  for (const seed of flags.seeds) {
    const branchesOfSeed = branches.filter(({ pretraining }) => pretraining.seed === seed);
    await carryOutStage(
      branchesOfSeed.map(({ pretraining }) => pretraining),
      `pre-trainings of seed ${seed}`,
    );
    const ready: StagedBranch[] = [];
    for (const branch of branchesOfSeed) if (await isFinished(branch.pretraining)) ready.push(branch);
    await carryOutStage(
      ready.flatMap(({ tunings }) => tunings),
      `tunings of seed ${seed}`,
    );
    const count = await collect(experiment, branches, resultOf);
    logger.info(`${name}: ${count} runs in all after ${minutes()} minutes`);
    if (stop.signal.aborted) break;
  }
  return clean;
};
