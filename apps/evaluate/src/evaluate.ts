/** The evaluate stage: a run folder and a prepared suite -> evaluation.json, report.md, outcomes.json and sheet.png. */
import { silentLogger, type Logger } from '@polygate/core';
import { requireWritable, writeFileAtomic } from '@polygate/core/node';
import type { ScoreReport } from '@polygate/evaluation';
import {
  describeOverfitting,
  evaluateSuite,
  readOverfitting,
  scoringFamilies,
  type EvaluateOptions as EvaluateSuiteOptions,
} from '@polygate/generalist';
import { openRun, type OpenRunOptions, type RunRecord } from '@polygate/runs';
import { taskFamilyNamed } from '@polygate/tasks';
import type { EngineChoice } from '@polygate/tensor';
import { join } from 'node:path';
import { cautionsOf } from './cautions.ts';
import { OUTCOMES_FILE, serializeOutcomes } from './outcomes.ts';
import { formatReport, type ReportFacts } from './report.ts';
import { resultsFolder } from './results-folder.ts';
import { sheetSections } from './sheet-entries.ts';
import { drawSheet } from './sheet.ts';

export interface EvaluateOptions extends Omit<OpenRunOptions, 'logger'> {
  /** Folder of a run or of a model, or a package with a model. */
  readonly run: string;
  /** Folder of a prepared suite. @default the one that the run was trained on */
  readonly suite?: string;
  /**
   * Where the results go.
   * @default the folder of the adapter, where one is asked for, else that of the run; `suites/NAME` in it for another suite
   * than the run's; `results/NAME` for the model of a package
   */
  readonly output?: string;
  /** Splits to score. @default all but `train` */
  readonly splits?: readonly string[];
  /** Datasets to score. @default all */
  readonly datasets?: readonly string[];
  /** Tasks to score, by name, also such as the run was never trained on. @default those of the kinds of the datasets */
  readonly tasks?: EvaluateSuiteOptions['tasks'];
  /** Most rows of a split, chosen by the seed; Infinity for all. @default 2000 */
  readonly limit?: number;
  /** Of masks, choice of rows and resampling. @default 1 */
  readonly seed?: number;
  /** Rows at once. @default 64 */
  readonly batchSize?: number;
  /** Options of the families' predictions, by family, such as `{ 'image-captioning': { beam: 3 } }`. */
  readonly predict?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /** Images of each split on the sheet; 0 draws none. @default 9 */
  readonly images?: number;
}

export interface EvaluateContext {
  readonly logger?: Logger;
  /** When it aborts, evaluation ends after the split at work and nothing is written. */
  readonly signal?: AbortSignal;
}

export interface EvaluateResult {
  readonly scores: readonly ScoreReport[];
  /** Scores that say more of the same tasks. */
  readonly details: readonly ScoreReport[];
  readonly engine: EngineChoice;
  /** Paths of what was written. */
  readonly files: {
    readonly evaluation: string;
    readonly report: string;
    readonly outcomes: string;
    readonly sheet?: string;
  };
}

/** Which checkpoint it is, and whether it was the best when it was written. */
const checkpointText = ({ step, best }: NonNullable<RunRecord['state']>): string =>
  best?.step === step && best.value !== undefined
    ? `step ${step}, the best by ${best.name} (${best.value.toPrecision(4)})`
    : `step ${step}`;

/** A report without what each sample scored, which has a file of its own. */
const withoutOutcomes = ({ outcomes: _, corpus: __, ...report }: ScoreReport): ScoreReport => report;

/**
 * Scores a run on the held-out splits of a suite and writes the results.
 * @throws StateError for a run without checkpoint, another tokenizer, or an unwritable folder; ConfigError for an unknown
 * split or dataset; EngineError for an engine that isn't there
 */
export const evaluate = async (
  options: EvaluateOptions,
  context: EvaluateContext = {},
): Promise<EvaluateResult> => {
  const { logger = silentLogger, signal } = context;
  const { run, adapter, seed = 1, images = 9 } = options;
  const { splits, datasets, tasks } = options;
  const { limit = 2000 } = options;
  using opened = await openRun(run, { ...options, logger });
  const { model, engine, recipe, state } = opened;
  await using data = await opened.openSuite(options.suite);
  logger.info(`evaluate ${opened.weights} on ${data.folder}`);
  const output = options.output ?? (await resultsFolder(adapter ?? run, opened, data));
  // Scores of hours are not to be lost for the folder's sake.
  await requireWritable(output);
  const scored = datasets ?? (tasks && Object.values(tasks).map(({ dataset }) => dataset));
  const choice = { ...(splits ? { splits } : {}), ...(scored ? { datasets: scored } : {}), seed };
  const reports = await evaluateSuite(model, data, {
    ...choice,
    details: true,
    ...(tasks ? { tasks } : {}),
    logger,
    limit,
    ...(options.batchSize === undefined ? {} : { batchSize: options.batchSize }),
    ...(options.predict ? { predict: options.predict } : {}),
    ...(signal ? { signal } : {}),
  });

  const all = reports.map(withoutOutcomes);
  const scores = all.filter(({ detail }) => detail !== true);
  const details = all.filter(({ detail }) => detail === true);
  const files = {
    evaluation: join(output, 'evaluation.json'),
    report: join(output, 'report.md'),
    outcomes: join(output, OUTCOMES_FILE),
  };
  let sheet: string | undefined;
  if (images > 0) {
    const sections = await sheetSections(model, data, { ...choice, count: images });
    if (sections.length > 0) {
      sheet = join(output, 'sheet.png');
      const title = `${recipe?.name ?? 'model'}, ${state ? `step ${state.step}` : opened.weights}: random held-out images`;
      await writeFileAtomic(sheet, await drawSheet(sections, { title, side: model.image.height }));
    }
  }
  const families = tasks
    ? Object.values(tasks).map(({ family }) => taskFamilyNamed(family))
    : data.suite.datasets
        .filter(({ name }) => datasets?.includes(name) ?? true)
        .flatMap((dataset) => scoringFamilies(model, dataset));
  const notes = [...new Set(families.flatMap((family) => family.notes ?? []))];
  const overfitting = await readOverfitting(run);
  for (const each of overfitting) logger.warn(describeOverfitting(each));
  const cautions = cautionsOf(all);
  for (const caution of cautions) logger.warn(caution);
  const facts: ReportFacts = {
    run,
    suite: data.suite.name,
    datasets: data.suite.datasets.map(
      (dataset) =>
        `${dataset.name} (${Object.entries(dataset.splits)
          .map(([split, { rows }]) => `${split} ${rows}`)
          .join(', ')})`,
    ),
    engineLine: engine.line,
    parameters: model.parameters.size,
    evaluationSeed: seed,
    ...(recipe ? { recipe: { name: recipe.name, seed: recipe.seed, steps: recipe.steps } } : {}),
    ...(state ? { state, checkpoint: checkpointText(state) } : {}),
    ...(overfitting.length > 0 ? { overfitting } : {}),
    ...(cautions.length > 0 ? { cautions } : {}),
    ...(Number.isFinite(limit) ? { limit } : {}),
    ...(sheet === undefined ? {} : { sheet: 'sheet.png' }),
  };
  const { name, device: usedDevice, precision } = engine;
  await writeFileAtomic(
    files.evaluation,
    `${JSON.stringify({ ...facts, engine: { name, device: usedDevice, precision }, scores, details }, null, 2)}\n`,
  );
  await writeFileAtomic(files.report, formatReport(facts, { scores, details, notes }));
  await writeFileAtomic(
    files.outcomes,
    serializeOutcomes({ run, suite: data.suite.name, evaluationSeed: seed }, reports),
  );
  return { scores, details, engine, files: { ...files, ...(sheet === undefined ? {} : { sheet }) } };
};
