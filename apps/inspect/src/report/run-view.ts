/** Everything that a report shows of one run, read from its folder. */
import { ConfigError } from '@polygate/core';
import { describeOverfitting, readOverfitting, type Recipe } from '@polygate/generalist';
import {
  DIAGNOSTICS_FILE,
  INTERFERENCE_FILE,
  readDiagnostics,
  readInterference,
  type DiagnosticsRecord,
  type InterferenceRecord,
} from '@polygate/interference';
import { openRun } from '@polygate/runs';
import type { TrainedTask } from '@polygate/tasks';
import { basename, join, resolve } from 'node:path';
import { gateTablesOf, shareTablesOf, type GateTable } from './gate-table.ts';
import { readMetrics, type MetricsLog } from './metrics-log.ts';

export interface RunView {
  /** Short, for legends: the folder's name. */
  readonly name: string;
  readonly run: string;
  readonly log: MetricsLog;
  /** Names of the tasks in the order of the recipe. */
  readonly tasks: readonly string[];
  /** Absent for a dense model, and for one by token without routing records. */
  /** By group of experts. */
  readonly gates: readonly GateTable[];
  readonly interference?: InterferenceRecord;
  readonly diagnostics?: DiagnosticsRecord;
  /** Lines of the table of facts: name and value. */
  readonly facts: readonly (readonly [name: string, value: string])[];
}

const recipeTasks = (recipe: Recipe | undefined): readonly TrainedTask[] =>
  Object.entries(recipe?.tasks ?? {}).map(([name, { family, dataset }]) => ({ name, family, dataset }));

/**
 * Reads a run.
 * @param base folder of its base, or of the run of that, where it is no longer where the checkpoint says
 * @throws StateError for a folder without checkpoint or metrics; FormatError for files that are damaged
 */
export const viewRun = async (run: string, base?: string): Promise<RunView> => {
  // Only the routers compute, and they do so on the host: the smallest engine will do.
  using opened = await openRun(run, {
    engine: 'cpu',
    precision: 'f32',
    ...(base === undefined ? {} : { base }),
  });
  const { model, recipe, state } = opened;
  const log = await readMetrics(run);
  if (log.lastStep === 0) {
    throw new ConfigError(
      `report: expected a run with at least one step in metrics.jsonl, got an empty one at ${run}; train it first`,
    );
  }
  const { config } = model;
  const tasks = config.tasks ?? recipeTasks(recipe);
  const tables = gateTablesOf(model, tasks);
  const byRow = new Set(tables.map(({ condition }) => condition));
  const gates = [...tables, ...shareTablesOf(log.routing.filter(({ condition }) => !byRow.has(condition)))];
  const interference = await readInterference(join(run, 'inspect', INTERFERENCE_FILE));
  const diagnostics = await readDiagnostics(join(run, 'inspect', DIAGNOSTICS_FILE));
  const facts: (readonly [string, string])[] = [
    ['folder', run],
    ...(recipe
      ? ([
          ['recipe', `${recipe.name}, seed ${recipe.seed}`],
          ['tasks', tasks.map(({ name }) => name).join(', ')],
        ] as const)
      : []),
    ...model.describe(),
    ['parameters', `${(model.parameters.size / 1e6).toFixed(2)} million`],
    ['trained', `${state?.step ?? log.lastStep} steps${state ? `, ${state.samples} samples` : ''}`],
  ];
  for (const finding of await readOverfitting(run)) {
    facts.push([`overfitting, ${finding.task}`, describeOverfitting(finding).replace(/^overfitting: /u, '')]);
  }
  return {
    name: basename(resolve(run)),
    run,
    log,
    tasks: tasks.map(({ name }) => name),
    facts,
    gates,
    ...(interference ? { interference } : {}),
    ...(diagnostics ? { diagnostics } : {}),
  };
};
