/** Scores of a model on the held-out splits of a suite. */
import { ConfigError, ownValue, silentLogger, StateError, unknownName, type Logger } from '@polygate/core';
import type { SuiteDataset } from '@polygate/datasets';
import type { ScoreReport } from '@polygate/evaluation';
import {
  createShared,
  taskFamilies,
  taskFamilyNamed,
  type DescribedTask,
  type SplitContext,
  type TaskFamily,
  type TaskModel,
  type TaskRecipe,
} from '@polygate/tasks';
import type { Generalist } from './models/model.ts';
import { servesFamily, warnUntrained } from './serving.ts';
import { datasetText, type OpenSuite } from './suite-data.ts';
import { requireSuiteOf } from './suite-fit.ts';
import { describeTask } from './described-tasks.ts';
import { familyKinds, taskDataset } from './task-recipes.ts';

export interface EvaluateOptions {
  /** Splits to score. @default all but `train` */
  readonly splits?: readonly string[];
  /** Datasets to score. @default all */
  readonly datasets?: readonly string[];
  /**
   * Tasks to score, by name, whether the model was trained on them or not; see `parseTasks`.
   * @default those of the kinds of the datasets
   */
  readonly tasks?: Readonly<Record<string, TaskRecipe>>;
  /** Most rows of a split, chosen by the seed. @default all */
  readonly limit?: number;
  /** Chooses rows, masks words, resamples. @default 1 */
  readonly seed?: number;
  /** Rows at once. @default 64 */
  readonly batchSize?: number;
  /** Options of the families' predictions, by family, such as `{ 'image-captioning': { beam: 2 } }`. */
  readonly predict?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /** Whether reports that say more (`detail`) and what each sample scored (`outcomes`) are wanted too. @default false */
  readonly details?: boolean;
  /** Gets a line for each split. */
  readonly logger?: Logger;
  /** When it aborts, the split at work is finished and a StateError thrown. */
  readonly signal?: AbortSignal;
}

/** The families that score a dataset: those that it is a dataset of by default, and those that the model was trained on. */
export const scoringFamilies = (
  model: Pick<TaskModel, 'tasks'>,
  { kind }: SuiteDataset,
): readonly TaskFamily[] =>
  taskFamilies().filter(
    (family) =>
      family.kind === kind &&
      (family.taskName !== undefined || model.tasks.some((task) => task.family === family.name)),
  );

/** A report as small as it is read. */
const withoutOutcomes = ({ outcomes: _, corpus: __, ...report }: ScoreReport): ScoreReport => report;

/** A family that scores a split, by a task of the model or by one that is described. */
interface AskedFamily {
  readonly family: TaskFamily;
  readonly task?: DescribedTask;
}

interface EvaluateSplitOptions {
  readonly asked: readonly AskedFamily[];
  readonly options: EvaluateOptions;
  readonly leftOut: (family: string) => void;
}

/** What scores a dataset: the described tasks on it where some are asked for, else the families of its kind. */
const askedOf = (
  model: Generalist,
  dataset: SuiteDataset,
  { tasks }: EvaluateOptions,
): readonly AskedFamily[] => {
  if (!tasks) return scoringFamilies(model, dataset).map((family) => ({ family }));
  return Object.entries(tasks)
    .filter(([, recipe]) => recipe.dataset === dataset.name)
    .map(([name, recipe]) => ({
      family: taskFamilyNamed(recipe.family),
      task: describeTask(model, { name, recipe, dataset }),
    }));
};

/** Scores of a split by the families that the model has weights for; the others are told of. */
const evaluateSplit = async (
  model: Generalist,
  split: Omit<SplitContext, 'model' | 'options' | 'shared' | 'task'>,
  { asked: all, options, leftOut }: EvaluateSplitOptions,
): Promise<readonly ScoreReport[]> => {
  const shared = createShared();
  const reports: ScoreReport[] = [];
  for (const { family, task } of all) {
    const isServed = task
      ? model.serves({ name: task.servedBy ?? '', family: family.name })
      : servesFamily(model, family.name, { dataset: split.dataset.name });
    if (!isServed) leftOut(family.name);
    else {
      const asked = ownValue(options.predict ?? {}, family.name);
      const { details = false } = options;
      const context = {
        ...split,
        model,
        shared,
        details,
        ...(task ? { task } : {}),
        ...(asked ? { options: asked } : {}),
      };
      const splitReports = await family.evaluate(context);
      reports.push(...(details ? splitReports : splitReports.map(withoutOutcomes)));
    }
  }
  return reports;
};

/** What was looked for and what is there, for a choice of datasets and splits without a row that a task scores. */
const nothingToScore = (
  { folder, suite }: OpenSuite,
  { chosen, wanted }: { readonly chosen: readonly SuiteDataset[]; readonly wanted: readonly string[] },
): ConfigError => {
  const names = chosen.map(({ name }) => name).join(', ') || 'no dataset';
  const held = suite.datasets.map(datasetText).join('; ') || 'nothing';
  if (wanted.length === 0) {
    return new ConfigError(
      `evaluate: expected a held-out split in ${folder}, got no split beside train in ${names}; the suite holds ${held}. Prepare it again with validationPercent and testPercent, or with a source of its own for the test split; --splits train scores what was trained on`,
      { code: 'nothing-to-score' },
    );
  }
  const splits = `the split${wanted.length > 1 ? 's' : ''} ${wanted.join(', ')}`;
  return new ConfigError(
    `evaluate: expected rows to score in ${folder}, got none in ${splits} of ${names}; the suite holds ${held}. What is scored: ${familyKinds()}; name other splits or datasets, or prepare a held-out split`,
    { code: 'nothing-to-score' },
  );
};

/**
 * Scores every held-out split of a suite by the tasks of its kind, each with interval, chance and baselines.
 * @throws StateError for a suite of another tokenizer; ConfigError for one of another image size, an unknown split or
 * dataset (lists the known ones), a task of another kind than its dataset, and where there is nothing to score
 */
export const evaluateSuite = async (
  model: Generalist,
  data: OpenSuite,
  options: EvaluateOptions = {},
): Promise<readonly ScoreReport[]> => {
  const { limit = Number.POSITIVE_INFINITY, seed = 1, batchSize = 64, logger = silentLogger } = options;
  requireSuiteOf(model, data);
  const { datasets } = data.suite;
  const names = datasets.map(({ name }) => name);
  const splitNames = [...new Set(datasets.flatMap(({ splits }) => Object.keys(splits)))];
  for (const name of options.datasets ?? [])
    if (!names.includes(name)) throw unknownName('dataset', name, names);
  for (const name of options.splits ?? [])
    if (!splitNames.includes(name)) throw unknownName('split', name, splitNames);
  const wanted = options.splits ?? splitNames.filter((name) => name !== 'train');
  const asked = options.tasks && Object.entries(options.tasks);
  const scoredBy =
    asked && new Set(asked.map(([name, recipe]) => taskDataset(name, recipe, data.suite).name));
  const chosen = datasets.filter(
    ({ name }) => (options.datasets?.includes(name) ?? true) && (scoredBy?.has(name) ?? true),
  );
  const places = chosen.flatMap((dataset) =>
    Object.entries(dataset.splits)
      .filter(([split, { rows }]) => wanted.includes(split) && rows > 0)
      .map(([split]) => ({ dataset, split })),
  );
  const isScored = ({ dataset }: (typeof places)[number]): boolean =>
    askedOf(model, dataset, options).length > 0;
  const scorable = places.filter(isScored);
  if (scorable.length === 0) throw nothingToScore(data, { chosen, wanted });
  for (const scored of places) {
    if (isScored(scored)) continue;
    const { dataset, split } = scored;
    logger.warn(`${dataset.name}, ${split}: left out, since no task scores ${dataset.kind}`);
  }
  // Tasks that are named are meant, also where the model was trained on none of their families.
  const usual = options.tasks ? [] : scorable.flatMap(({ dataset }) => scoringFamilies(model, dataset));
  for (const { name } of new Set(usual)) if (servesFamily(model, name)) warnUntrained(model, name, logger);
  const reports: ScoreReport[] = [];
  const left: string[] = [];
  const reason = model.isExported
    ? 'the model was not exported for it'
    : 'experts go by tasks, and the model was trained on none of this family';
  for (const { dataset, split } of scorable) {
    if (options.signal?.aborted) {
      throw new StateError('evaluation: stopped before all splits were scored; run it again', {
        code: 'interrupted',
      });
    }
    const leftOut = (family: string): void => {
      left.push(`${dataset.name}, ${split}: ${family}`);
      logger.warn(`${dataset.name}, ${split}: ${family} left out: ${reason}`);
    };
    const scores = await evaluateSplit(
      model,
      { data, dataset, split, limit, seed, batchSize },
      { asked: askedOf(model, dataset, options), options, leftOut },
    );
    reports.push(...scores);
    const [first] = scores;
    if (first) logger.info(`${dataset.name}, ${split}: ${first.metric} ${first.value.toPrecision(3)}`);
  }
  if (reports.length === 0) {
    throw new ConfigError(
      `evaluate: expected a family that the model has weights for, got ${left.join('; ')} (${reason}); name datasets of its tasks, or export the run for these tasks`,
      { code: 'nothing-to-score' },
    );
  }
  return reports;
};
