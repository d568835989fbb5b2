/** Runs an experiment on small sets; finished runs are found again. */
import { prepare } from '@polygate/app-prepare';
import { ConfigError, type Logger } from '@polygate/core';
import { sha256File } from '@polygate/core/node';
import { readRun } from '@polygate/runs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { carryOut, startClock } from '../carry-out.ts';
import { machineOf } from '../machine.ts';
import { recordedRuns } from '../results.ts';
import { prepareSets, type PreparedSet } from './prepare-sets.ts';
import { writeSmall } from './small-document.ts';
import type { SmallExperiment } from './small-experiment.ts';
import { planSmallRuns, type SmallBase } from './small-plan.ts';
import { rowOf } from './small-results.ts';
import { finishedSmallRun, type SmallOrder, type SmallRun } from './small-run.ts';
import { smallSets } from './small-sets.ts';

const CHILD = join(dirname(fileURLToPath(import.meta.url)), 'small-child.js');
const OUTPUT = 'data';

export interface SmallFlags {
  readonly seeds: readonly number[];
  readonly jobs: number;
  readonly only: readonly string[] | undefined;
  /** Names of sets. @default all */
  readonly sets: readonly string[] | undefined;
  /** Folder of the run or model that variants start from. @default the run of the experiment's recipe */
  readonly base: string | undefined;
  /** Folder of the prepared full mini suite. @default prepared, or found, in data */
  readonly full: string | undefined;
  /** Folder of all runs. */
  readonly runs: string;
}

const openBase = async (
  { base: recipe }: SmallExperiment,
  { base }: SmallFlags,
): Promise<SmallBase | undefined> => {
  if (recipe === undefined) return undefined;
  const folder = base ?? join('runs', recipe);
  const { weights, state } = await readRun(folder);
  return {
    folder,
    sha256: await sha256File(join(weights, 'model.safetensors')),
    ...(state ? { steps: state.step } : {}),
  };
};

/** Writes results and document of what is finished. @returns how many runs that is */
const collect = async (
  experiment: SmallExperiment,
  orders: readonly SmallOrder[],
  {
    sets,
    base,
    resultOf,
  }: {
    readonly sets: readonly PreparedSet[];
    readonly base: SmallBase | undefined;
    readonly resultOf: (order: SmallOrder) => Promise<SmallRun | undefined>;
  },
): Promise<number> => {
  const results = await Promise.all(orders.map(resultOf));
  const runs = results.filter((run): run is SmallRun => run !== undefined);
  const [last] = runs;
  if (!last) return 0;
  const { name, title, question, baseline, variants } = experiment;
  const { folder: _, ...start } = base ?? { folder: '', sha256: '' };
  await writeSmall({
    experiment: name,
    title,
    question,
    command: `npm run experiment -- ${name}`,
    baseline,
    machine: machineOf(last.engine),
    variants: variants.map((variant) => ({ name: variant.name, label: variant.label })),
    ...(base ? { base: start } : {}),
    sets: sets.map(rowOf),
    runs,
  });
  return runs.length;
};

/** @returns whether no run failed */
export const runSmallExperiment = async (
  experiment: SmallExperiment,
  flags: SmallFlags,
  { logger }: { readonly logger: Logger },
): Promise<boolean> => {
  const { name } = experiment;
  const full = flags.full ?? (await prepare({ recipe: 'mini-full', output: OUTPUT }, { logger })).directory;
  const chosen = smallSets.filter((set) => flags.sets?.includes(set.name) ?? true);
  if (chosen.length === 0) {
    throw new ConfigError(
      `experiment ${name}: expected sets among ${smallSets.map((set) => set.name).join(', ')}, got ${flags.sets?.join(', ')}`,
    );
  }
  const base = await openBase(experiment, flags);
  const sets = await prepareSets(smallSets, full, { output: OUTPUT, logger });
  const options = { seeds: flags.seeds, runs: flags.runs, base };
  const all = planSmallRuns(experiment, { ...options, sets });
  const wanted = all.filter(
    ({ set, variant }) =>
      chosen.some((candidate) => candidate.name === set) && (flags.only?.includes(variant) ?? true),
  );
  const recorded = await recordedRuns<SmallRun>(name);
  const resultOf = async (order: SmallOrder): Promise<SmallRun | undefined> =>
    (await finishedSmallRun(order)) ?? recorded.get(order.key);
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort());
  const minutes = startClock();
  const { failed } = await carryOut(wanted, {
    experiment: name,
    what: 'runs',
    isFinished: resultOf,
    label: ({ set, variant, seed }) => `${set}, ${variant}, seed ${seed}`,
    jobs: flags.jobs,
    child: CHILD,
    signal: stop.signal,
    minutes,
    logger,
  });
  logger.info(
    `${name}: ${await collect(experiment, all, { sets, base, resultOf })} runs in all after ${minutes()} minutes`,
  );
  return failed.length === 0;
};
