/**
 * Probes of a frozen model: what its embeddings know of the classes of a suite's datasets, by nearest neighbours and by a
 * linear probe. Nothing of the model is trained.
 *
 * N training rows · D values of an embedding · C classes
 */
import { ConfigError, createRandom, ownValue, silentLogger, unknownName, type Logger } from '@polygate/core';
import { kindNamed, type SuiteDataset } from '@polygate/datasets';
import {
  chanceTopK,
  chooseStrength,
  fitLinearProbe,
  labelRanks,
  neighbourVotes,
  probeProbabilities,
  reportMean,
  topK,
  type LabelledEmbeddings,
  type ScoreReport,
} from '@polygate/evaluation';
import { values } from '@polygate/stream';
import {
  groupsOf,
  servedTask,
  splitBatches,
  taskFamilies,
  taskRecipeSchema,
  type Task,
  type TaskFamily,
  type TaskRecipe,
} from '@polygate/tasks';
import type { Generalist, ModelEmbedding } from './models/model.ts';
import { servesFamily } from './serving.ts';
import { datasetText, type OpenSuite } from './suite-data.ts';
import { requireSuiteOf } from './suite-fit.ts';
import { makeTask } from './task-recipes.ts';

export interface ProbeOptions {
  /** Splits to score. @default all but `train` */
  readonly splits?: readonly string[];
  /** Datasets to score. @default all that have classes and a training split */
  readonly datasets?: readonly string[];
  /** Most rows of a split. @default 2000 */
  readonly limit?: number;
  /** Most training rows. @default 4000 */
  readonly trainLimit?: number;
  /** Neighbours that vote. @default 20, or as many as there are training rows */
  readonly neighbours?: number;
  /**
   * Strengths that the linear probe chooses from, on a fifth of the training rows; see `centredRows` for its scale.
   * @default 0.001, 0.01, 0.1, 1, 10
   */
  readonly strengths?: readonly number[];
  /** Chooses rows and resamples. @default 1 */
  readonly seed?: number;
  /** Rows at once. @default 64 */
  readonly batchSize?: number;
  /** Gets a line for each dataset. */
  readonly logger?: Logger;
  /** When it aborts, the dataset at work is finished and the rest left out. */
  readonly signal?: AbortSignal;
}

const STRENGTHS = [0.001, 0.01, 0.1, 1, 10];
/** Enough for a probe's labels; its weights would go on to change for long. */
const FIT = { iterations: 200, tolerance: 1e-4 } as const;

/** @throws ConfigError (code `no-embedding`) */
const embeddingOf = ({ architecture, embedding }: Generalist): ModelEmbedding => {
  if (embedding) return embedding;
  throw new ConfigError(
    `probe: expected a model that embeds its inputs, got one of the architecture ${architecture}; evaluate its scores instead`,
    { code: 'no-embedding', fields: { architecture } },
  );
};

/** The family whose inputs of a dataset the model can embed. */
const familyOf = (model: Generalist, { name, kind }: SuiteDataset): TaskFamily | undefined =>
  taskFamilies().find(
    (family) => family.kind === kind && servesFamily(model, family.name, { dataset: name }),
  );

/** A dataset's inputs as a family shows them, with the settings that the model keeps of a task on it. */
const inputTask = (
  model: Generalist,
  data: OpenSuite,
  at: { readonly dataset: SuiteDataset; readonly family: TaskFamily },
): { readonly task: Task; readonly serving: string | undefined } => {
  const { dataset, family } = at;
  const served = servedTask(model, family.name, { dataset: dataset.name });
  const kept = Object.entries(served?.settings ?? {}).filter(([key]) => Object.hasOwn(family.settings, key));
  const recipe = taskRecipeSchema().parse({
    family: family.name,
    dataset: dataset.name,
    // What was said of another dataset's inputs says nothing of these.
    ...(served?.dataset === dataset.name ? Object.fromEntries(kept) : {}),
  } as never) as TaskRecipe;
  const { tokenizer, image, vocabulary } = model;
  const task = makeTask(dataset.name, recipe, {
    suite: data.suite,
    tokenizer,
    image,
    vocabulary,
    training: false,
  });
  return { task, serving: served?.name };
};

interface EmbeddedSplit extends LabelledEmbeddings {
  readonly labels: readonly number[];
  readonly groups: readonly string[];
}

/** A part of the rows of a split. */
const rowsOf = (
  { values: points, width, labels, groups }: EmbeddedSplit,
  rows: readonly number[],
): EmbeddedSplit => {
  const out = new Float64Array(rows.length * width);
  for (const [i, row] of rows.entries()) {
    for (let d = 0; d < width; d += 1) out[i * width + d] = points[row * width + d] ?? 0;
  }
  return {
    values: out,
    width,
    labels: rows.map((row) => labels[row] ?? 0),
    groups: rows.map((row) => groups[row] ?? ''),
  };
};

/**
 * What a linear probe reads: embeddings less the mean of the training rows, times one factor that brings their mean square
 * to 1. Points of unit length that lie close together would need strengths of any size; the angles between them stay.
 */
const centredRows = (train: EmbeddedSplit): ((rows: EmbeddedSplit) => EmbeddedSplit) => {
  const { values: points, width, labels } = train;
  const mean = new Float64Array(width);
  for (let i = 0; i < points.length; i += 1) {
    mean[i % width] = (mean[i % width] ?? 0) + (points[i] ?? 0) / labels.length;
  }
  let squares = 0;
  for (let i = 0; i < points.length; i += 1) squares += ((points[i] ?? 0) - (mean[i % width] ?? 0)) ** 2;
  const scale = squares > 0 ? Math.sqrt(points.length / squares) : 1;
  return (rows) => ({
    ...rows,
    values: Float64Array.from(rows.values, (value, i) => scale * (value - (mean[i % width] ?? 0))),
  });
};

/**
 * The strength that is best on a fifth of the training rows, by groups, so that rows of one concept are on one side; 1 where
 * a side would lack classes.
 */
const strengthOf = (
  train: EmbeddedSplit,
  {
    classes,
    strengths,
    seed,
  }: { readonly classes: number; readonly strengths: readonly number[]; readonly seed: number },
): number => {
  const [only] = strengths;
  if (strengths.length === 1 && only !== undefined) return only;
  const random = createRandom(seed).fork('probe');
  const sides = [[], []] as [number[], number[]];
  const chosen = new Map<string, boolean>();
  for (const [row, group] of train.groups.entries()) {
    const held = chosen.get(group) ?? random.fork(group).next() < 0.2;
    chosen.set(group, held);
    sides[held ? 1 : 0].push(row);
  }
  const [fit, held] = sides.map((rows) => rowsOf(train, rows));
  if (!fit || !held || held.labels.length === 0 || new Set(fit.labels).size < 2) return 1;
  return chooseStrength(fit, held, { classes, strengths, ...FIT });
};

/** What there is to probe, and what is not. */
const nothingToProbe = ({ folder, suite }: OpenSuite, left: readonly string[]): ConfigError => {
  const listed = suite.datasets.map(datasetText).join('; ') || 'nothing';
  const reasons = left.length > 0 ? ` (${left.join('; ')})` : '';
  return new ConfigError(
    `probe: expected a dataset with classes, a training split and a held-out one in ${folder}, got ${listed}${reasons}; prepare one, or name other datasets`,
    { code: 'nothing-to-probe' },
  );
};

/**
 * Scores of nearest neighbours and of a linear probe on the embeddings of every dataset that has classes: fitted to its
 * training split, scored on the others.
 * @throws StateError for a suite of another tokenizer; ConfigError for images of another size, an unknown split or dataset,
 * a model that embeds nothing (code `no-embedding`), and where there is nothing to probe
 */
export const probeSuite = async (
  model: Generalist,
  data: OpenSuite,
  options: ProbeOptions = {},
): Promise<readonly ScoreReport[]> => {
  const { limit = 2000, trainLimit = 4000, strengths = STRENGTHS, seed = 1 } = options;
  const { batchSize = 64, logger = silentLogger, neighbours, signal } = options;
  const embedding = embeddingOf(model);
  requireSuiteOf(model, data);
  const { datasets } = data.suite;
  const names = datasets.map(({ name }) => name);
  const splits = [...new Set(datasets.flatMap((dataset) => Object.keys(dataset.splits)))];
  for (const name of options.datasets ?? [])
    if (!names.includes(name)) throw unknownName('dataset', name, names);
  for (const name of options.splits ?? [])
    if (!splits.includes(name)) throw unknownName('split', name, splits);
  const reports: ScoreReport[] = [];
  const left: string[] = [];
  for (const dataset of datasets) {
    if (!(options.datasets?.includes(dataset.name) ?? true)) continue;
    const { classes = [] } = dataset;
    const rows = (split: string): number => ownValue(dataset.splits, split)?.rows ?? 0;
    const wanted = Object.keys(dataset.splits).filter(
      (split) => rows(split) > 0 && (options.splits?.includes(split) ?? split !== 'train'),
    );
    if (!kindNamed(dataset.kind).hasClasses || rows('train') === 0 || wanted.length === 0) continue;
    const family = familyOf(model, dataset);
    if (!family || classes.length < 2) {
      const reason = family
        ? 'it has one class'
        : 'the model was not exported, or not trained, for its inputs';
      left.push(`${dataset.name}: ${reason}`);
      logger.warn(`${dataset.name}: left out: ${reason}`);
      continue;
    }
    if (signal?.aborted) break;
    const { task, serving } = inputTask(model, data, { dataset, family });
    const embed = async (split: string, most: number): Promise<EmbeddedSplit> => {
      const parts: Float32Array[] = [];
      const [labels, groups]: [number[], string[]] = [[], []];
      const shards = await data.shards(dataset.name, split);
      for await (const batch of splitBatches(shards, { limit: most, seed, batchSize })) {
        const { inputs } = task.collate(batch, { random: createRandom(seed), training: false });
        parts.push(await embedding.encode(inputs, { task: serving }));
        labels.push(...Array.from(values(batch, 'label'), Number));
        groups.push(...groupsOf(batch));
      }
      const all = new Float32Array(labels.length * embedding.width);
      parts.reduce((at, part) => {
        all.set(part, at);
        return at + part.length;
      }, 0);
      return { values: all, width: embedding.width, labels, groups };
    };
    const train = await embed('train', trainLimit);
    const k = Math.min(neighbours ?? 20, train.labels.length);
    const several = new Set(train.labels).size > 1;
    const centre = centredRows(train);
    const centred = centre(train);
    const strength = several ? strengthOf(centred, { classes: classes.length, strengths, seed }) : 1;
    const probe = several
      ? fitLinearProbe(centred, { classes: classes.length, strength, ...FIT })
      : undefined;
    logger.info(
      `${dataset.name}: ${train.labels.length} training rows, ${probe ? `linear probe of strength ${strength}` : 'one class, no linear probe'}`,
    );
    for (const split of wanted) {
      const held = await embed(split, limit);
      const report = (metric: string, scores: ArrayLike<number>): ScoreReport => {
        const { chance: _, ...baselines } = dataset.baselines?.[split] ?? {};
        return reportMean(
          {
            task: `${dataset.name} probe`,
            split,
            metric,
            chance: chanceTopK({ classes: classes.length }),
            baselines: rows(split) <= limit ? baselines : {},
          },
          topK(labelRanks(scores, held.labels), 1).perSample,
          { seed, groups: [...held.groups], range: [0, 1] },
        );
      };
      if (probe) reports.push(report('linear probe top-1', probeProbabilities(probe, centre(held))));
      reports.push(report(`${k}-NN top-1`, neighbourVotes(train, held, { classes: classes.length, k })));
    }
  }
  if (reports.length === 0) throw nothingToProbe(data, left);
  return reports;
};
