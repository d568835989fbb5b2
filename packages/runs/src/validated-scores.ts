/** Which scores a run's validation gives, and the one that its recipe keeps the best checkpoint by. */
import { ConfigError, unknownName } from '@polygate/core';
import { knownSplit } from '@polygate/datasets';
import type { OpenSuite, Recipe } from '@polygate/generalist';
import type { TaskRecipe } from '@polygate/tasks';
import type { BestOptions } from '@polygate/training';

/** Measures of every task on every held-out split. */
const MEASURES = ['loss', 'accuracy'] as const;

/** Split names by meaning: `val`, `valid` and `dev` are the validation split. */
const plainName = (split: string): string => knownSplit(split) ?? split;

/**
 * The held-out splits that a task is validated on.
 * @param wanted names of splits, in any usual spelling. @default all
 */
export const heldOutSplits = (
  { suite }: Pick<OpenSuite, 'suite'>,
  task: TaskRecipe,
  wanted?: readonly string[],
): readonly string[] => {
  const entry = suite.datasets.find(({ name }) => name === task.dataset);
  const names = wanted && new Set(wanted.map(plainName));
  return Object.entries(entry?.splits ?? {}).flatMap(([split, { rows }]) =>
    rows > 0 && split !== task.split && (names?.has(plainName(split)) ?? true) ? [split] : [],
  );
};

/** Names of the datasets of tasks that have rows in the trained splits alone. */
export const datasetsWithoutHeldOut = (
  data: Pick<OpenSuite, 'suite'>,
  tasks: Readonly<Record<string, TaskRecipe>>,
): readonly string[] => [
  ...new Set(
    Object.values(tasks).flatMap((task) => (heldOutSplits(data, task).length === 0 ? [task.dataset] : [])),
  ),
];

/**
 * Names of all values that a validation gives, `<task>/<split>/<measure>`.
 * @throws ConfigError for a split of the recipe that no dataset has
 */
export const validatedScores = (
  data: Pick<OpenSuite, 'suite'>,
  recipe: Recipe,
  tasks: Readonly<Record<string, TaskRecipe>>,
): readonly string[] => {
  const { splits } = recipe.validation;
  const known = new Set(data.suite.datasets.flatMap((dataset) => Object.keys(dataset.splits)));
  const meanings = new Set([...known].map(plainName));
  const missing = splits?.find((split) => !meanings.has(plainName(split)));
  // The recipes of ours name a split that small suites need not have.
  if (missing !== undefined && plainName(missing) !== 'validation') {
    throw unknownName('split of validation.splits', missing, [...known]);
  }
  return Object.entries(tasks).flatMap(([name, task]) =>
    heldOutSplits(data, task, splits).flatMap((split) =>
      MEASURES.map((measure) => `${name}/${split}/${measure}`),
    ),
  );
};

/**
 * The score of a recipe over values of validation: the one of that name, or the mean of those that end in it.
 * @param names from {@link validatedScores}
 * @returns undefined where the recipe names none
 * @throws ConfigError for a score that no validation gives, scores of two kinds at once, or a stop without a score
 */
export const bestOf = ({ validation }: Recipe, names: readonly string[]): BestOptions | undefined => {
  const { best, stop } = validation;
  if (!best) {
    if (!stop) return undefined;
    throw new ConfigError(
      'recipe: validation.stop: expected a score that no longer improves, got none; name one in validation.best.score, such as validation/loss',
      { fields: { path: 'validation.stop' } },
    );
  }
  const { score } = best;
  const matching = names.filter((name) => name === score || name.endsWith(`/${score}`));
  if (matching.length === 0) {
    throw new ConfigError(
      `recipe: validation.best.score: expected a value of validation or the end of several, got "${score}"; ${
        names.length > 0
          ? `there are ${names.join(', ')}`
          : 'there is no held-out split: prepare the suite with one, or leave validation.best out'
      }`,
      { code: 'unknown-name', fields: { path: 'validation.best.score', known: names } },
    );
  }
  const ofLosses = matching.filter((name) => name.endsWith('/loss')).length;
  if (ofLosses > 0 && ofLosses < matching.length) {
    throw new ConfigError(
      `recipe: validation.best.score: expected values of one kind, got losses and accuracies (${matching.join(', ')}); add /loss or /accuracy`,
      { fields: { path: 'validation.best.score' } },
    );
  }
  return {
    name: score,
    better: best.better ?? (ofLosses > 0 ? 'lower' : 'higher'),
    score: (values) =>
      matching.reduce((sum, name) => sum + (values[name] ?? Number.NaN), 0) / matching.length,
    ...(stop ? stop : {}),
  };
};
