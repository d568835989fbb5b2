/** From the tasks of a recipe to tasks: what a suite allows, and each task with its columns, classes and candidates. */
import { ConfigError, ownValue } from '@polygate/core';
import { suiteDataset, type Suite, type SuiteDataset } from '@polygate/datasets';
import {
  requireRegisteredParts,
  taskFamilies,
  taskFamilyNamed,
  taskRecipeSchema,
  temperatureOf,
  type Task,
  type TaskContext as FamilyContext,
  type TaskRecipe,
  type TrainedTask,
} from '@polygate/tasks';

/** Each family and the kind that it reads, as text. */
export const familyKinds = (): string =>
  taskFamilies()
    .map(({ name, kind }) => `${name} reads ${kind}`)
    .join(', ');

/** Kinds of datasets that families read, as text. */
export const readKinds = (): string => {
  const kinds = [...new Set(taskFamilies().map(({ kind }) => kind))];
  const last = kinds.pop() ?? '';
  return kinds.length === 0 ? last : `${kinds.join(', ')} or ${last}`;
};

/** A task with its family's defaults. */
const plain = (family: string, dataset: string): TaskRecipe =>
  taskRecipeSchema().parse({ family, dataset }) as TaskRecipe;

/**
 * Every task that the training splits of a suite allow: one of each family that reads the kind of the dataset, under the
 * name that the family gives it. Families that give none are trained on demand alone.
 * @throws ConfigError where two families give a task of one dataset the same name
 */
export const defaultTasks = (suite: Suite): Readonly<Record<string, TaskRecipe>> => {
  const tasks = new Map<string, TaskRecipe>();
  for (const { name: dataset, kind, splits } of suite.datasets) {
    if ((ownValue(splits, 'train')?.rows ?? 0) === 0) continue;
    for (const family of taskFamilies()) {
      const name = family.kind === kind ? family.taskName?.(dataset) : undefined;
      if (name === undefined) continue;
      const taken = tasks.get(name);
      if (taken) {
        throw new ConfigError(
          `tasks: expected one task "${name}" of dataset ${dataset}, got two, of ${taken.family} and ${family.name}; name the tasks in the recipe`,
        );
      }
      tasks.set(name, plain(family.name, dataset));
    }
  }
  return Object.fromEntries(tasks);
};

/**
 * Tasks for a model: texts that are longer than it has positions for are cut there.
 * @param positions longest text of the model, in tokens
 */
export const fitTasks = (
  tasks: Readonly<Record<string, TaskRecipe>>,
  positions: number,
): Readonly<Record<string, TaskRecipe>> =>
  Object.fromEntries(
    Object.entries(tasks).map(([name, task]) => {
      const { settings, longestText = Number.POSITIVE_INFINITY } = taskFamilyNamed(task.family);
      if (!Object.hasOwn(settings, 'maximumTokens')) return [name, task];
      const given = ownValue(task as unknown as Readonly<Record<string, unknown>>, 'maximumTokens');
      const longest = typeof given === 'number' ? given : longestText;
      return [name, longest > positions ? { ...task, maximumTokens: positions } : task];
    }),
  );

/** What tasks share. */
export interface TaskContext extends Omit<FamilyContext, 'dataset'> {
  readonly suite: Suite;
}

/** The dataset of a task. @throws ConfigError for an unknown dataset, or one that the family doesn't read */
export const taskDataset = (name: string, recipe: TaskRecipe, suite: Suite): SuiteDataset => {
  const dataset = suiteDataset(suite, recipe.dataset);
  const family = taskFamilyNamed(recipe.family);
  requireRegisteredParts(family);
  const { kind } = family;
  if (dataset.kind === kind) return dataset;
  throw new ConfigError(
    `task "${name}": expected a dataset of kind ${kind} for ${recipe.family}, got "${dataset.name}" of kind ${dataset.kind}; ${
      suite.datasets
        .filter((each) => each.kind === kind)
        .map((each) => each.name)
        .join(', ') || 'no dataset of the suite'
    } would do`,
  );
};

/**
 * A task of a recipe.
 * @throws ConfigError for an unknown dataset, one of another kind, or settings that the family refuses
 */
export const makeTask = (name: string, recipe: TaskRecipe, context: TaskContext): Task => {
  const { suite, ...shared } = context;
  const dataset = taskDataset(name, recipe, suite);
  const family = taskFamilyNamed(recipe.family);
  const task = family.create(name, recipe, { ...shared, dataset });
  const wanted = { name, family: family.name, temperature: temperatureOf(family) };
  for (const [key, value] of Object.entries(wanted)) {
    const got = task[key as keyof typeof wanted];
    if (got === value) continue;
    throw new ConfigError(
      `task family "${family.name}": expected what create() gives to have the ${key} "${value}", got "${got}"; correct the task, or the record`,
      { code: 'record', fields: { path: key } },
    );
  }
  return task;
};

/** What a model that is trained on these tasks says of them; class names go with it wherever it goes. */
export const trainedTasks = (
  tasks: Readonly<Record<string, TaskRecipe>>,
  suite: Suite,
): readonly TrainedTask[] =>
  Object.entries(tasks).map(([name, recipe]) => {
    const { family, dataset } = recipe;
    const { keepsClasses = false, kept } = taskFamilyNamed(family);
    const trained = suiteDataset(suite, dataset);
    const { classes } = trained;
    const settings = kept?.(recipe, trained) ?? {};
    return {
      name,
      family,
      dataset,
      ...(keepsClasses && classes ? { classes } : {}),
      ...(Object.keys(settings).length > 0 ? { settings } : {}),
    };
  });
