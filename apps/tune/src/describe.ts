/** What a recipe trains of a model, counted part by part; nothing is allocated. */
import { textTable } from '@polygate/core';
import {
  accountParameters,
  describeEncoder,
  mergedConfigOf,
  presetNamed,
  resolveEncoderConfig,
  type EncoderConfig,
} from '@polygate/encoder';
import { describeMergedEncoder, isMergedConfig, type MergedEncoderConfig } from '@polygate/encoder/merged';
import {
  describeAdapter,
  modelFolderOf,
  readModelConfig,
  taskSegments,
  trainedTasks,
  tuningMethodNamed,
  type Recipe,
  type UniPerceiverConfig,
} from '@polygate/generalist';
import { readSuite } from '@polygate/datasets';
import { selectSpecs, sizeOf, type ParameterSpec } from '@polygate/nn';
import type { TrainedTask } from '@polygate/tasks';
import { namedTunings } from './recipes/index.ts';

/** The paper's models, in the order of its Table 6. */
const PUBLISHED = ['ti', 'b', 'l'] as const;
/** Classes of a task that says nothing of its own. */
const STAND_IN_CLASSES = 10;

/** What is trained of one model. */
export interface TrainedCounts {
  readonly model: string;
  /** Scalars of the model without the copies of its linears that experts are. */
  readonly dense: number;
  /** Scalars that are trained, by part: prompts, prefix, replaced (norms), heads, labels. */
  readonly parts: Readonly<Record<string, number>>;
  readonly trained: number;
  readonly share: number;
}

const scalars = (specs: readonly ParameterSpec[]): number =>
  specs.reduce((sum, { shape }) => sum + sizeOf(shape), 0);

interface Counted {
  readonly model: string;
  readonly config: EncoderConfig | MergedEncoderConfig;
  readonly tasks: readonly TrainedTask[];
}

/** Counts what `tune` of a recipe trains of a model. @throws ConfigError for settings that don't fit it */
const countTrained = (
  tune: NonNullable<Recipe['tune']>,
  { model, config, tasks }: Counted,
): TrainedCounts => {
  const { adapter, trains, merges } = tuningMethodNamed(tune.method);
  const base = isMergedConfig(config) ? describeMergedEncoder(config) : describeEncoder(config);
  const dense = isMergedConfig(config) ? scalars(base) : accountParameters(config).dense;
  if (!adapter) {
    const hasExperts = !isMergedConfig(config) && config.moe !== undefined;
    const specs =
      hasExperts && merges?.(tune)
        ? describeMergedEncoder(mergedConfigOf(config, tasks.flatMap(taskSegments)))
        : base;
    const selection = trains?.(tune);
    const trained = scalars(selection ? selectSpecs(specs, selection, 'tune') : specs);
    return { model, dense, parts: {}, trained, share: trained / scalars(specs) };
  }
  const { specs } = describeAdapter(tune, { encoder: resolveEncoderConfig(config), base, tasks });
  const parts: Record<string, number> = {};
  for (const spec of specs) {
    const [, part = ''] = spec.name.split('.');
    parts[part] = (parts[part] ?? 0) + sizeOf(spec.shape);
  }
  const trained = scalars(specs);
  return { model, dense, parts, trained, share: trained / dense };
};

const named = (count: number | undefined): readonly string[] =>
  Array.from({ length: count ?? STAND_IN_CLASSES }, (_, i) => `class ${i}`);

/**
 * What a recipe trains: of the paper's models with the published numbers of classes, and of the model that it starts from,
 * where it names one.
 * @throws ConfigError for a start or suite that is not there
 */
export const countsOf = async (recipe: Recipe): Promise<readonly TrainedCounts[]> => {
  const { tune, initialize, name, tasks } = recipe;
  if (!tune) return [];
  const row = namedTunings.get(name)?.row;
  const published = PUBLISHED.map((model) =>
    countTrained(tune, {
      model,
      config: presetNamed(model),
      tasks: Object.entries(tasks).map(([task, { family, dataset }]) => ({
        name: task,
        family,
        dataset,
        classes: named(row?.classes),
      })),
    }),
  );
  if (!initialize) return published;
  const folder = await modelFolderOf(initialize.from, initialize.checkpoint);
  const { config } = await readModelConfig(folder);
  const start = countTrained(tune, {
    model: initialize.from,
    config: (config as UniPerceiverConfig).encoder,
    tasks: trainedTasks(tasks, await readSuite(recipe.suite)),
  });
  return [...published, start];
};

const grouped = (count: number): string => count.toLocaleString('en-US');

/** A table of {@link countsOf}, for `--describe`. */
export const describeTuning = async (recipe: Recipe): Promise<string> => {
  const counts = await countsOf(recipe);
  const parts = [...new Set(counts.flatMap((each) => Object.keys(each.parts)))];
  const rows = [
    ['model', 'dense model', ...parts, 'trained', 'share'],
    ...counts.map(({ model, dense, parts: partCounts, trained, share }) => [
      model,
      grouped(dense),
      ...parts.map((part) => grouped(partCounts[part] ?? 0)),
      grouped(trained),
      `${(100 * share).toFixed(2)} %`,
    ]),
  ];
  return textTable(rows);
};
