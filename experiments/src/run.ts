/** `npm run experiment -- NAME [--seeds 1,2,3] [--jobs 2] [--only dense,attribute] [--tables]` */
import { prepare } from '@polygate/app-prepare';
import { ConfigError, consoleLogger, ownValue } from '@polygate/core';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { baseRecipe, scoredTasks, suiteSettings } from './base-recipe.ts';
import { carryOut, startClock } from './carry-out.ts';
import { experimentNamed, experiments } from './catalogue.ts';
import { writeDocument } from './document.ts';
import type { Experiment } from './experiment.ts';
import { machineOf } from './machine.ts';
import { planRuns, type RunOrder } from './plan.ts';
import { readResults, writeResults, type ExperimentResults, type RunResult } from './results.ts';
import { finishedRun } from './run-once.ts';
import { writeStaged } from './staged/staged-document.ts';
import type { StagedResults } from './staged/staged-results.ts';
import { runSmallExperiment } from './small/run-small.ts';
import { writeSmall } from './small/small-document.ts';
import type { SmallExperiment } from './small/small-experiment.ts';
import { smallExperiments } from './small/small-catalogue.ts';
import type { SmallResults } from './small/small-results.ts';
import { runStaged } from './staged/run-staged.ts';
import type { StagedExperiment } from './staged/stages.ts';
import { tables45 } from './staged/tables-4-5.ts';

/** Experiments that tune what they pre-train, by name. */
const staged: Readonly<Record<string, StagedExperiment>> = Object.freeze({ [tables45.name]: tables45 });

const RUNS_FOLDER = join('runs', 'experiments');

const logger = consoleLogger();

interface Flags {
  readonly seeds: readonly number[];
  readonly jobs: number;
  readonly only: readonly string[] | undefined;
}

/** Writes the results of all runs that are finished, and the document. @returns how many there are */
const collect = async (
  experiment: Experiment,
  orders: readonly RunOrder[],
  suite: unknown,
): Promise<number> => {
  const finished = await Promise.all(orders.map(finishedRun));
  const runs: RunResult[] = [];
  let engine = '';
  for (const each of finished) {
    if (!each) continue;
    const { engine: line, ...run } = each;
    engine = line;
    runs.push(run);
  }
  const [first] = orders;
  if (!first || runs.length === 0) return 0;
  const results = {
    experiment: experiment.name,
    title: experiment.title,
    question: experiment.question,
    command: `npm run experiment -- ${experiment.name}`,
    baseline: experiment.baseline,
    machine: machineOf(engine),
    // A path of the machine that ran it says nothing to others.
    recipe: {
      ...first.recipe,
      suite: relative('', first.recipe.suite),
      model: { ...first.recipe.model, moe: null },
    },
    suite,
    metrics: experiment.metrics,
    variants: experiment.variants,
    tasks: Object.keys(first.recipe.tasks),
    runs,
  };
  logger.info(`written: ${await writeResults(results)}`);
  // Without its baseline a seed has nothing to be compared with.
  const compared = runs.filter(({ seed }) =>
    runs.some((run) => run.seed === seed && run.variant === experiment.baseline),
  );
  if (compared.length > 0) await writeDocument({ ...results, runs: compared });
  return runs.length;
};

const runExperiment = async (experiment: Experiment, flags: Flags): Promise<boolean> => {
  const { directory, suite } = await prepare(
    { recipe: 'mini', set: [...suiteSettings], output: 'data' },
    { logger },
  );
  const orders = planRuns(experiment, {
    base: { ...baseRecipe, suite: directory },
    scored: scoredTasks,
    seeds: flags.seeds,
    suiteHash: suite.recipeHash,
    runs: RUNS_FOLDER,
  });
  const wanted = orders.filter(({ variant }) => flags.only?.includes(variant) ?? true);
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort());
  const minutes = startClock();
  const { finished, stopped, failed } = await carryOut(wanted, {
    experiment: experiment.name,
    what: 'runs',
    isFinished: finishedRun,
    label: ({ variant, seed }) => `${variant}, seed ${seed}`,
    jobs: flags.jobs,
    signal: stop.signal,
    minutes,
    logger,
  });
  const count = await collect(experiment, orders, { settings: suiteSettings, datasets: suite.datasets });
  logger.info(
    `${experiment.name}: ${finished.length} finished in ${minutes()} minutes, ${count} in all${
      stopped.length > 0 ? `, ${stopped.length} stopped: the same command goes on` : ''
    }`,
  );
  return failed.length === 0;
};

const usage = (): void => {
  process.stderr.write(
    'usage: npm run experiment -- NAME [NAME ...] [--seeds 1,2,3] [--jobs 2] [--only VARIANTS] [--tables]\n       of small sets also [--sets digits,tiles] [--full data/mini-full] [--base RUN]\n\n',
  );
  const all = [experiments, staged, smallExperiments].flatMap((each) =>
    Object.values<Experiment | StagedExperiment | SmallExperiment>(each),
  );
  for (const { name, title, variants } of all) {
    process.stderr.write(`  ${name.padEnd(12)} ${title}: ${variants.map((each) => each.name).join(', ')}\n`);
  }
};

const main = async (): Promise<void> => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      seeds: { type: 'string', default: '1,2,3' },
      jobs: { type: 'string', default: '2' },
      only: { type: 'string' },
      sets: { type: 'string' },
      base: { type: 'string' },
      full: { type: 'string' },
      tables: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (positionals.length === 0 || values.help) {
    usage();
    return;
  }
  const seeds = values.seeds.split(',').map(Number);
  if (!seeds.every((seed) => Number.isInteger(seed) && seed >= 0)) {
    throw new ConfigError(
      `experiment: expected --seeds as whole numbers with commas such as 1,2,3, got "${values.seeds}"`,
    );
  }
  const flags = { seeds, jobs: Number(values.jobs), only: values.only?.split(',') };
  for (const name of positionals) {
    const inStages = ownValue(staged, name);
    if (inStages) {
      if (values.tables) await writeStaged(await readResults<StagedResults>(name));
      else if (!(await runStaged(inStages, { ...flags, runs: RUNS_FOLDER }, { logger })))
        process.exitCode = 1;
      continue;
    }
    const onSets = ownValue(smallExperiments, name);
    if (onSets) {
      const { base, full } = values;
      const sets = values.sets?.split(',');
      if (values.tables) await writeSmall(await readResults<SmallResults>(name));
      else if (
        !(await runSmallExperiment(onSets, { ...flags, sets, base, full, runs: RUNS_FOLDER }, { logger }))
      )
        process.exitCode = 1;
      continue;
    }
    const experiment = experimentNamed(name);
    if (values.tables) await writeDocument(await readResults<ExperimentResults>(name));
    else if (!(await runExperiment(experiment, flags))) process.exitCode = 1;
  }
};

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exitCode = error instanceof ConfigError ? 2 : 1;
});
