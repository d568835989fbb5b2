/** Everything that a report shows of one run, read from its folder. */
import { ConfigError } from '@polygate/core';
import {
  describeOverfitting,
  loadModel,
  readOverfitting,
  readRun,
  type Recipe,
  type TrainedTask,
} from '@polygate/generalist';
import { basename, join, resolve } from 'node:path';
import {
  INTERFERENCE_FILE,
  readInterference,
  type InterferenceRecord,
} from '../interference/interference-record.ts';
import { gateTableOf, shareTableOf, type GateTable } from './gate-table.ts';
import { readMetrics, type MetricsLog } from './metrics-log.ts';

export interface RunView {
  /** Short, for legends: the folder's name. */
  readonly name: string;
  readonly run: string;
  readonly log: MetricsLog;
  /** Names of the tasks in the order of the recipe. */
  readonly tasks: readonly string[];
  /** Absent for a dense model, and for one by token without routing records. */
  readonly gates?: GateTable;
  readonly interference?: InterferenceRecord;
  /** Lines of the table of facts: name and value. */
  readonly facts: readonly (readonly [name: string, value: string])[];
}

const recipeTasks = (recipe: Recipe | undefined): readonly TrainedTask[] =>
  Object.entries(recipe?.tasks ?? {}).map(([name, { family, dataset }]) => ({ name, family, dataset }));

/**
 * Reads a run on the current engine.
 * @throws StateError for a folder without checkpoint or metrics; FormatError for files that are damaged
 */
export const viewRun = async (run: string): Promise<RunView> => {
  const record = await readRun(run);
  const log = await readMetrics(run);
  if (log.lastStep === 0) {
    throw new ConfigError(
      `report: expected a run with at least one step in metrics.jsonl, got an empty one at ${run}; train it first`,
    );
  }
  using model = await loadModel(record.model);
  const { config } = model;
  const tasks = config.tasks ?? recipeTasks(record.recipe);
  const gates = gateTableOf(model, tasks) ?? shareTableOf(log.routing);
  const interference = await readInterference(join(run, 'inspect', INTERFERENCE_FILE));
  const facts: (readonly [string, string])[] = [
    ['folder', run],
    ...(record.recipe
      ? ([
          ['recipe', `${record.recipe.name}, seed ${record.recipe.seed}`],
          ['tasks', tasks.map(({ name }) => name).join(', ')],
        ] as const)
      : []),
    ...model.describe(),
    ['parameters', `${(model.parameters.size / 1e6).toFixed(2)} million`],
    [
      'trained',
      `${record.state?.step ?? log.lastStep} steps${record.state ? `, ${record.state.samples} samples` : ''}`,
    ],
  ];
  for (const found of await readOverfitting(run)) {
    facts.push([`overfitting, ${found.task}`, describeOverfitting(found).replace(/^overfitting: /u, '')]);
  }
  return {
    name: basename(resolve(run)),
    run,
    log,
    tasks: tasks.map(({ name }) => name),
    facts,
    ...(gates ? { gates } : {}),
    ...(interference ? { interference } : {}),
  };
};
