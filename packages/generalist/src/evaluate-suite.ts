/** Scores of a model on the held-out splits of a suite. */
import { ConfigError, silentLogger, StateError, unknownName, type Logger } from '@polygate/core';
import type { SuiteDataset } from '@polygate/datasets';
import { isMergedConfig } from '@polygate/encoder/merged';
import type { ScoreReport } from '@polygate/evaluation';
import type { TaskFamily } from '@polygate/tasks';
import { readSplit } from './captioned-rows.ts';
import { evaluateCaptioning } from './evaluate-captioning.ts';
import { evaluateClassification } from './evaluate-classification.ts';
import { evaluateLanguage } from './evaluate-language.ts';
import { evaluateRetrieval } from './evaluate-retrieval.ts';
import type { SplitContext } from './evaluation-context.ts';
import type { Generalist } from './models/uni-perceiver/uni-perceiver-model.ts';
import type { CaptionOptions } from './predict-caption.ts';
import { datasetText, type OpenSuite } from './suite-data.ts';
import { servesFamily } from './serving.ts';
import { requireSuiteOf } from './suite-fit.ts';

export interface EvaluateOptions {
  /** Splits to score. @default all but `train` */
  readonly splits?: readonly string[];
  /** Datasets to score. @default all */
  readonly datasets?: readonly string[];
  /** Most rows of a split, chosen by the seed. @default all */
  readonly limit?: number;
  /** Chooses rows, masks words, resamples. @default 1 */
  readonly seed?: number;
  /** Rows at once. @default 64 */
  readonly batchSize?: number;
  readonly caption?: CaptionOptions;
  /** Gets a line for each split. */
  readonly logger?: Logger;
  /** When it aborts, the split at work is finished and a StateError thrown. */
  readonly signal?: AbortSignal;
}

/** How a family scores a split. */
type Evaluate = (context: SplitContext, options: SplitOptions) => Promise<readonly ScoreReport[]>;

interface SplitOptions {
  readonly caption: CaptionOptions;
  /** Rows of a split of captioned pictures, read once for both of its families. */
  readonly captioned: () => ReturnType<typeof readSplit>;
}

/** The families that score a kind of rows; labelled text is scored after tuning only. */
const evaluators: Readonly<Record<string, readonly (readonly [TaskFamily, Evaluate])[]>> = {
  'labelled-image': [['image-classification', evaluateClassification]],
  text: [['masked-language-modelling', evaluateLanguage]],
  'captioned-image': [
    [
      'image-captioning',
      async (context, { captioned, caption }) => evaluateCaptioning(context, await captioned(), caption),
    ],
    ['image-text-retrieval', async (context, { captioned }) => evaluateRetrieval(context, await captioned())],
  ],
  'labelled-text': [],
};

/** Scores of a split by the families that the model has weights for; the others are told of. */
const evaluateSplit = async (
  context: SplitContext,
  caption: CaptionOptions,
  leftOut: (family: TaskFamily) => void,
): Promise<readonly ScoreReport[]> => {
  const { model, dataset } = context;
  let rows: ReturnType<typeof readSplit> | undefined;
  const captioned = () => (rows ??= readSplit(context));
  const reports: ScoreReport[] = [];
  for (const [family, evaluate] of evaluators[dataset.kind] ?? []) {
    if (!servesFamily(model, family, { dataset: dataset.name })) leftOut(family);
    else reports.push(...(await evaluate(context, { caption, captioned })));
  }
  return reports;
};

/** What was looked for and what is there, for a choice of datasets and splits without a row that a task scores. */
const nothingToScore = (
  { folder, suite }: OpenSuite,
  { chosen, wanted }: { readonly chosen: readonly SuiteDataset[]; readonly wanted: readonly string[] },
): ConfigError => {
  const names = chosen.map(({ name }) => name).join(', ') || 'no dataset';
  const found = suite.datasets.map(datasetText).join('; ') || 'nothing';
  if (wanted.length === 0) {
    return new ConfigError(
      `evaluate: expected a held-out split in ${folder}, got no split beside train in ${names}; the suite holds ${found}. Prepare it again with validationPercent and testPercent, or with a source of its own for the test split; --splits train scores what was trained on`,
      { code: 'nothing-to-score' },
    );
  }
  const splits = `the split${wanted.length > 1 ? 's' : ''} ${wanted.join(', ')}`;
  return new ConfigError(
    `evaluate: expected rows to score in ${folder}, got none in ${splits} of ${names}; the suite holds ${found}. Classification, captioning, retrieval and masked words are scored, of labelled-image, captioned-image and text; name other splits or datasets, or prepare a held-out split`,
    { code: 'nothing-to-score' },
  );
};

/**
 * Scores every held-out split of a suite by the tasks of its kind, each with interval, chance and baselines.
 * @throws StateError for a suite of another tokenizer; ConfigError for one of another picture size, an unknown split or
 * dataset (lists the known ones), and where there is nothing to score
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
  const known = [...new Set(datasets.flatMap(({ splits }) => Object.keys(splits)))];
  for (const name of options.datasets ?? [])
    if (!names.includes(name)) throw unknownName('dataset', name, names);
  for (const name of options.splits ?? []) if (!known.includes(name)) throw unknownName('split', name, known);
  const wanted = options.splits ?? known.filter((name) => name !== 'train');
  const chosen = datasets.filter(({ name }) => options.datasets?.includes(name) ?? true);
  const places = chosen.flatMap((dataset) =>
    Object.entries(dataset.splits)
      .filter(([split, { rows }]) => wanted.includes(split) && rows > 0)
      .map(([split]) => ({ dataset, split })),
  );
  const scorable = places.filter(({ dataset }) => dataset.kind !== 'labelled-text');
  if (scorable.length === 0) throw nothingToScore(data, { chosen, wanted });
  for (const { dataset, split } of places) {
    if (dataset.kind !== 'labelled-text') continue;
    logger.warn(`${dataset.name}, ${split}: left out, since no task scores ${dataset.kind}`);
  }
  const reports: ScoreReport[] = [];
  const left: string[] = [];
  const reason = isMergedConfig(model.encoder.config)
    ? 'the model was not exported for it'
    : 'experts go by tasks, and the model was trained on none of this family';
  for (const { dataset, split } of scorable) {
    if (options.signal?.aborted) {
      throw new StateError('evaluation: stopped before all splits were scored; run it again', {
        code: 'interrupted',
      });
    }
    const context = { model, data, dataset, split, limit, seed, batchSize };
    const own = await evaluateSplit(context, options.caption ?? {}, (family) => {
      left.push(`${dataset.name}, ${split}: ${family}`);
      logger.warn(`${dataset.name}, ${split}: ${family} left out: ${reason}`);
    });
    reports.push(...own);
    const [first] = own;
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
