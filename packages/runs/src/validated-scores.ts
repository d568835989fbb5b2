/** Which scores a run's validation gives, and the one that its recipe keeps the best checkpoint by. */
import { ConfigError, unknownName, type Logger } from '@polygate/core';
import { knownSplit } from '@polygate/datasets';
import type { OpenSuite, Recipe } from '@polygate/generalist';
import type { TaskRecipe } from '@polygate/tasks';
import type { BestOptions } from '@polygate/training';

/** Measures of every task on every held-out split. */
const MEASURES = ['loss', 'accuracy'] as const;

/** Split names by meaning: `val`, `valid` and `dev` are the validation split. */
const plainName = (split: string): string => knownSplit(split) ?? split;

/** What is looked at in training: a test split that has its say in it would score too well in the end. */
const DEFAULT_SPLITS = ['validation'] as const;

/** The splits of a task's dataset that have rows and are not trained on. */
const heldOutSplits = ({ suite }: Pick<OpenSuite, 'suite'>, task: TaskRecipe): readonly string[] => {
  const entry = suite.datasets.find(({ name }) => name === task.dataset);
  return Object.entries(entry?.splits ?? {}).flatMap(([split, { rows }]) =>
    rows > 0 && split !== task.split ? [split] : [],
  );
};

/** The held-out splits that a task is validated on: those that the recipe names, in any usual spelling. */
export const validatedSplits = (
  data: Pick<OpenSuite, 'suite'>,
  task: TaskRecipe,
  { splits = DEFAULT_SPLITS }: { readonly splits?: readonly string[] | undefined },
): readonly string[] => {
  const names = new Set(splits.map(plainName));
  return heldOutSplits(data, task).filter((split) => names.has(plainName(split)));
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

/** Datasets of tasks whose held-out splits are none that training looks at, such as `test` alone, with those splits. */
export const datasetsWithoutValidation = (
  data: Pick<OpenSuite, 'suite'>,
  tasks: Readonly<Record<string, TaskRecipe>>,
): ReadonlyMap<string, readonly string[]> =>
  new Map(
    Object.values(tasks).flatMap((task) => {
      const splits = heldOutSplits(data, task);
      const isValidated = validatedSplits(data, task, {}).length > 0;
      return splits.length === 0 || isValidated ? [] : [[task.dataset, splits] as const];
    }),
  );

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
  const splitNames = new Set(data.suite.datasets.flatMap((dataset) => Object.keys(dataset.splits)));
  const meanings = new Set([...splitNames].map(plainName));
  const missing = splits?.find((split) => !meanings.has(plainName(split)));
  // The recipes of ours name a split that small suites need not have.
  if (missing !== undefined && plainName(missing) !== 'validation') {
    throw unknownName('split of validation.splits', missing, [...splitNames]);
  }
  return Object.entries(tasks).flatMap(([name, task]) =>
    validatedSplits(data, task, recipe.validation).flatMap((split) =>
      MEASURES.map((measure) => `${name}/${split}/${measure}`),
    ),
  );
};

const splitOf = (name: string): string => plainName(name.split('/').at(-2) ?? '');
const isValidation = (name: string): boolean => splitOf(name) === 'validation';

/** Refuses a score that no validation gives. */
const unknownScore = (score: string, { names, unvalidated }: Validated): ConfigError => {
  const without = [...unvalidated].map(([dataset, splits]) => `${splits.join(' and ')} alone of ${dataset}`);
  const remedy =
    without.length > 0
      ? `held out is ${without.join(', ')}, which training does not look at: prepare a validation split (validationPercent), or leave validation.best out`
      : 'there is no held-out split: prepare the suite with one (validationPercent), or leave validation.best out';
  return new ConfigError(
    `recipe: validation.best.score: expected a value of validation or the end of several, got "${score}"; ${
      names.length > 0 ? `there are ${names.join(', ')}` : remedy
    }`,
    { code: 'unknown-name', fields: { path: 'validation.best.score', known: names } },
  );
};

/** What the validation of a run gives. */
export interface Validated {
  /** From {@link validatedScores}. */
  readonly names: readonly string[];
  /** From {@link datasetsWithoutValidation}. */
  readonly unvalidated: ReadonlyMap<string, readonly string[]>;
  readonly logger: Logger;
}

/**
 * The values that choose: of the validation split, where it has any of that name.
 * @throws ConfigError for a test split that is named beside a validation split
 */
const choosing = (
  score: string,
  matching: readonly string[],
  { names, logger }: Validated,
): readonly string[] => {
  const validation = matching.filter(isValidation);
  if (validation.length > 0) return validation;
  const tasks = new Set(names.filter(isValidation).map((name) => name.split('/').slice(0, -2).join('/')));
  const spared = matching.find((name) => tasks.has(name.split('/').slice(0, -2).join('/')));
  const tests = [...new Set(matching.map(splitOf))].join(', ');
  if (spared !== undefined) {
    throw new ConfigError(
      `recipe: validation.best.score: expected a value of the validation split, got "${score}", of ${tests}, whose scores would then be those that it was chosen by; choose by ${names.filter(isValidation).join(' or ')}`,
      { code: 'chosen-by-test', fields: { path: 'validation.best.score', splits: tests } },
    );
  }
  logger.warn(
    `validation.best.score: "${score}" chooses the checkpoint by ${tests}, so that scores on it say too much: prepare a validation split (validationPercent) and choose by that`,
  );
  return matching;
};

/**
 * The score of a recipe over values of validation: the one of that name, or the mean of those that end in it.
 *
 * It is of validation splits alone where there are any; a test split has to be named in `validation.splits` and warned of.
 * @returns undefined where the recipe names none
 * @throws ConfigError for a score that no validation gives, one of a test split beside a validation split, scores of two
 * kinds at once, or a stop without a score
 */
export const bestOf = ({ validation }: Recipe, validated: Validated): BestOptions | undefined => {
  const { best, stop } = validation;
  if (!best) {
    if (!stop) return undefined;
    throw new ConfigError(
      'recipe: validation.stop: expected a score that no longer improves, got none; name one in validation.best.score, such as validation/loss',
      { fields: { path: 'validation.stop' } },
    );
  }
  const { score } = best;
  const named = validated.names.filter((name) => name === score || name.endsWith(`/${score}`));
  if (named.length === 0) throw unknownScore(score, validated);
  const matching = choosing(score, named, validated);
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
