/**
 * Settings of tasks that version 0.1.0 knew for every family, whether the family has them or not: the one place where
 * recipes of older versions become those of today.
 */
import { ownValue } from '@polygate/core';
import { hasTaskFamily, taskFamilyNamed } from '@polygate/tasks';

/** Each with the value that was filled in where a recipe said nothing; undefined for none. */
const FORMERLY_COMMON: Readonly<Record<string, unknown>> = {
  candidates: undefined,
  augmentation: undefined,
  maximumTokens: undefined,
  maskRate: 0.15,
};

type Json = Readonly<Record<string, unknown>>;

const isRecord = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const currentTask = (task: unknown, drops: (name: string, value: unknown) => boolean): unknown => {
  const family = isRecord(task) ? ownValue(task, 'family') : undefined;
  if (!isRecord(task) || typeof family !== 'string' || !hasTaskFamily(family)) return task;
  const { settings } = taskFamilyNamed(family);
  return Object.fromEntries(
    Object.entries(task).filter(
      ([name, value]) =>
        Object.hasOwn(settings, name) || !Object.hasOwn(FORMERLY_COMMON, name) || !drops(name, value),
    ),
  );
};

const currentTasks = (recipe: unknown, drops: (name: string, value: unknown) => boolean): unknown => {
  const tasks = isRecord(recipe) ? ownValue(recipe, 'tasks') : undefined;
  if (!isRecord(recipe) || !isRecord(tasks) || Object.hasOwn(tasks, '__proto__')) return recipe;
  const current = Object.entries(tasks).map(([name, task]) => [name, currentTask(task, drops)] as const);
  return { ...recipe, tasks: Object.fromEntries(current) };
};

/** A recipe without what older versions filled into tasks whose family never had it. */
export const withoutFormerDefaults = (recipe: unknown): unknown =>
  currentTasks(recipe, (name, value) => value !== undefined && value === FORMERLY_COMMON[name]);

/** Extensions as a recipe says them, of records that a run has of them. */
const namedExtensions = (recipe: unknown): unknown => {
  const extensions = isRecord(recipe) ? ownValue(recipe, 'extensions') : undefined;
  if (!isRecord(recipe) || !Array.isArray(extensions)) return recipe;
  const named = extensions.map((each: unknown) => (isRecord(each) ? ownValue(each, 'module') : each));
  return { ...recipe, extensions: named };
};

/**
 * The recipe of a run folder without the settings that older versions took and did not use, and with what it has of
 * extensions as their modules' names.
 */
export const withoutFormerSettings = (recipe: unknown): unknown =>
  namedExtensions(currentTasks(recipe, () => true));
