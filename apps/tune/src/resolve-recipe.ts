/** The recipe that a command asks for: a named one or a record, with base, suite, task and method laid over it. */
import { ConfigError, ownValue, silentLogger, unknownName, type Logger } from '@polygate/core';
import { readSuite, type Suite } from '@polygate/datasets';
import { applyOverrides, defaultTasks, type Recipe, type RecipeInput } from '@polygate/generalist';
import { readRun } from '@polygate/runs';
import { suiteTunings, tuneRecipes, type SuiteTuning } from './recipes/index.ts';

export interface TuneChoice {
  /** Name of a recipe, such as `imagenet-1k` for that of the method, or a recipe itself. @default 'mini' */
  readonly recipe?: string | object;
  /** Folder of the run or model that is tuned. @default the recipe's `initialize.from` */
  readonly from?: string;
  /** Checkpoint of that run. @default its best, else its last */
  readonly checkpoint?: string;
  /** Where what is tuned lies now, if it has been moved. @default `from` */
  readonly base?: string;
  /** Folder of a prepared suite. @default the recipe's, else the one that the run was trained on */
  readonly suite?: string;
  /** Task of the suite by name, or its dataset. @default the recipe's */
  readonly task?: string;
  /** @default the recipe's, `prompt` */
  readonly method?: string;
  /** Settings `path=value` laid over all. */
  readonly set?: readonly string[];
  /** Whether the suite may be missing, where the recipe is only looked at. @default false */
  readonly ahead?: boolean;
}

type Tasks = NonNullable<RecipeInput['tasks']>;
type TaskInput = Tasks[string];

const DEFAULT_METHOD = 'prompt';

/** By its name, or by that of its row: `imagenet-1k` is `imagenet-1k-prompt` by the method `prompt`. */
const byName = <Value>(
  values: Readonly<Record<string, Value>>,
  name: string,
  method: string,
): Value | undefined =>
  ownValue(values, name) ??
  ownValue(values, `${name}-${method}`) ??
  ownValue(values, `${name}-${DEFAULT_METHOD}`);

const namedRecipe = (name: string, method: string): RecipeInput => {
  const named = byName(tuneRecipes, name, method);
  if (!named)
    throw unknownName('tune recipe', name, [...Object.keys(tuneRecipes), ...Object.keys(suiteTunings)]);
  return named;
};

/** What a recipe says that the suite decides; its reasons are told. @throws ConfigError where there is no suite */
const fittedRecipe = (
  fitted: SuiteTuning,
  {
    suite,
    folder,
    task,
  }: { readonly suite: Suite | undefined; readonly folder: string; readonly task: string | undefined },
  logger: Logger,
): RecipeInput => {
  if (!suite) {
    throw new ConfigError(
      `tune: expected a prepared suite, which decides the recipe, got none in ${folder}; give its folder by --suite`,
      { code: 'no-suite' },
    );
  }
  const dataset = task === undefined ? undefined : taskNamed(suite, task)[1].dataset;
  const { recipe, reasons } = fitted.fit(suite, { folder, dataset });
  for (const reason of reasons) logger.info(reason);
  const { name: _, ...settings } = recipe;
  return settings;
};

/** The task of a suite that a name means: its own, or that of its dataset where there is one alone. */
const taskNamed = (suite: Suite, name: string): readonly [string, Pick<TaskInput, 'family' | 'dataset'>] => {
  const all = Object.entries(defaultTasks(suite));
  const fitting = all.filter(([key, { dataset }]) => key === name || dataset === name);
  const match = fitting.find(([key]) => key === name) ?? (fitting.length === 1 ? fitting[0] : undefined);
  if (match) return match;
  if (fitting.length === 0) {
    throw unknownName(
      `task of the suite ${suite.name}`,
      name,
      all.map(([key]) => key),
    );
  }
  throw new ConfigError(
    `--task: expected one task of the dataset ${name}, got ${fitting.map(([key]) => key).join(', ')}; name one of them`,
    { fields: { task: name } },
  );
};

/** A task with the settings that the recipe has for its family, or else its batch size. */
const laidTask = (tasks: Tasks, { family, dataset }: Pick<TaskInput, 'family' | 'dataset'>): TaskInput => {
  const inputs = Object.values(tasks);
  const same = inputs.find((each) => each.family === family);
  const batchSize = inputs[0]?.batchSize;
  return { ...(same ?? (batchSize === undefined ? {} : { batchSize })), family, dataset } as TaskInput;
};

/** The task that is asked for; or those of the recipe, or the only one of the suite where it lacks those. */
const tasksOf = (
  tasks: Tasks,
  {
    suite,
    folder,
    task,
  }: { readonly suite: Suite; readonly folder: string; readonly task: string | undefined },
): Tasks => {
  if (task !== undefined) {
    const [name, entry] = taskNamed(suite, task);
    return { [name]: laidTask(tasks, entry) };
  }
  const wanted = Object.values(tasks);
  const isThere = ({ dataset }: TaskInput): boolean => suite.datasets.some(({ name }) => name === dataset);
  if (wanted.length > 0 && wanted.every(isThere)) return tasks;
  const all = Object.entries(defaultTasks(suite));
  const [only] = all;
  if (only && all.length === 1) return { [only[0]]: laidTask(tasks, only[1]) };
  throw new ConfigError(
    `tune: expected a task of ${folder} to tune on, got ${wanted.map(({ dataset }) => dataset).join(', ') || 'none'}; name one by --task: ${all.map(([name]) => name).join(', ') || 'it has none'}`,
    { code: 'no-task', fields: { suite: folder } },
  );
};

/** The suite that a run was trained on. @throws ConfigError where that is not known */
const suiteOf = async (from: string | undefined, checkpoint: string | undefined): Promise<string> => {
  const suite = from === undefined ? undefined : (await readRun(from, checkpoint)).recipe?.suite;
  if (suite !== undefined) return suite;
  throw new ConfigError(
    `tune: expected a prepared suite, got none${from === undefined ? '' : `, and ${from} names none`}; give its folder by --suite`,
    { code: 'no-suite' },
  );
};

/** The suite, or undefined where it may be missing and is. */
const openAhead = async (folder: string, ahead: boolean): Promise<Suite | undefined> => {
  try {
    return await readSuite(folder);
  } catch (error) {
    if (ahead) return undefined;
    throw error;
  }
};

/** Name of a run by what it tunes and how: a plain name of a folder. */
const runName = (tasks: Tasks, method: string): string =>
  `${Object.keys(tasks).join('-')}-${method}`.replaceAll(/[^\w.-]+/gu, '-');

/**
 * @throws ConfigError listing the known recipes, tasks, methods, keys or values; StateError or ConfigError for a folder that
 * is no run, model or suite
 */
export const resolveTuneRecipe = async (
  choice: TuneChoice,
  logger: Logger = silentLogger,
): Promise<Recipe> => {
  const { method, checkpoint, recipe = 'mini', set = [], ahead = false } = choice;
  const fitted =
    typeof recipe === 'string' ? byName(suiteTunings, recipe, method ?? DEFAULT_METHOD) : undefined;
  const named = (): RecipeInput =>
    typeof recipe === 'string' ? namedRecipe(recipe, method ?? DEFAULT_METHOD) : (recipe as RecipeInput);
  const asked = fitted ? { tune: { method: fitted.method } } : named();
  const from = choice.from ?? asked.initialize?.from;
  const given = choice.suite ?? asked.suite;
  const folder =
    given ?? (ahead && from === undefined ? 'data/mini' : await suiteOf(choice.base ?? from, checkpoint));
  const suite = await openAhead(folder, ahead);
  const input = fitted ? fittedRecipe(fitted, { suite, folder, task: choice.task }, logger) : asked;
  const tune = method === undefined || input.tune?.method === method ? input.tune : { method };
  const { tasks: taskSettings = {} } = input;
  const tasks = suite ? tasksOf(taskSettings, { suite, folder, task: choice.task }) : taskSettings;
  const laid: RecipeInput = {
    ...input,
    suite: folder,
    tasks,
    tune: tune ?? { method: DEFAULT_METHOD },
    ...(tasks === taskSettings && input.name !== undefined
      ? {}
      : { name: runName(tasks, tune?.method ?? DEFAULT_METHOD) }),
    ...(from === undefined
      ? {}
      : { initialize: { ...input.initialize, from, ...(checkpoint === undefined ? {} : { checkpoint }) } }),
  };
  return applyOverrides(laid, set);
};
