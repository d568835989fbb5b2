/**
 * Tasks that a model never saw, as descriptions: a family, a dataset, and what a recipe may say of them. Their attribute rows
 * follow from the family, so that a model scores them that has weights for these rows.
 */
import { rowKey } from '@polygate/attributes';
import { checkSettings, ConfigError, excerpt, laySettings } from '@polygate/core';
import type { SuiteDataset } from '@polygate/datasets';
import {
  familySegments,
  hasTaskFamily,
  servedTask,
  taskFamilyNamed,
  taskRecipeSchema,
  type DescribedTask,
  type TaskModel,
  type TaskRecipe,
} from '@polygate/tasks';
import { z } from 'zod';

const schemaOf = () => z.strictObject({ tasks: z.record(z.string().min(1), taskRecipeSchema()) });

/** `NAME=FAMILY:DATASET`, or without name. */
const FORM = /^(?:([^=:]+)=)?([^=:]+):([^=:]+)$/u;

/**
 * Tasks as the command line names them.
 * @param named each `NAME=FAMILY:DATASET`, or `FAMILY:DATASET` for one that is called like its dataset
 * @param set settings `tasks.NAME.key=value`
 * @throws ConfigError for another form, a name that is there twice, an unknown family, and settings that it refuses
 */
export const parseTasks = (
  named: readonly string[],
  set: readonly string[] = [],
): Readonly<Record<string, TaskRecipe>> => {
  const tasks = new Map<string, { readonly family: string; readonly dataset: string }>();
  for (const text of named) {
    const [, given, family, dataset] = FORM.exec(text.trim()) ?? [];
    const name = given ?? dataset;
    if (name === undefined || family === undefined || dataset === undefined) {
      throw new ConfigError(
        `task: expected NAME=FAMILY:DATASET such as mood=text-classification:reviews, got ${excerpt(text)}`,
        { code: 'task-form' },
      );
    }
    if (tasks.has(name)) {
      throw new ConfigError(
        `task: expected tasks of different names, got "${name}" twice; write another name in front, as in other=${family}:${dataset}`,
        { code: 'task-form', fields: { name } },
      );
    }
    taskFamilyNamed(family);
    tasks.set(name, { family, dataset });
  }
  const schema = schemaOf();
  return checkSettings(schema, laySettings(schema, { tasks: Object.fromEntries(tasks) }, set), 'tasks').tasks;
};

/** The kinds of segments of a family, as routers tell them apart. */
const kindsOf = (family: string, kept?: DescribedTask['settings']): ReadonlySet<string> =>
  new Set(familySegments(family, kept).map(({ modality, row }) => `${modality} ${rowKey(row)}`));

/**
 * The task of a model whose experts serve a family on a dataset: the one of that family, else one whose segments are of
 * the same kinds.
 * @returns undefined where there is none, or the model doesn't say its tasks
 */
const serverOf = (model: Pick<TaskModel, 'tasks'>, family: string, dataset: string): string | undefined => {
  const served = servedTask(model, family, { dataset });
  if (served) return served.name;
  const kinds = [...kindsOf(family)];
  return model.tasks.find((task) => {
    if (!hasTaskFamily(task.family)) return false;
    const served = kindsOf(task.family, task.settings);
    return kinds.every((kind) => served.has(kind));
  })?.name;
};

/** A task of a recipe as evaluators take it. */
export const describeTask = (
  model: Pick<TaskModel, 'tasks'>,
  {
    name,
    recipe,
    dataset,
  }: { readonly name: string; readonly recipe: TaskRecipe; readonly dataset: SuiteDataset },
): DescribedTask => ({
  name,
  settings: taskFamilyNamed(recipe.family).kept?.(recipe, dataset) ?? {},
  servedBy: serverOf(model, recipe.family, dataset.name),
});
