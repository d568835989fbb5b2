/** What one dataset of the suite is made of: its readers, how samples fall into splits, and what rows hold. */
import { ConfigError } from '@polygate/core';
import {
  canonicalSplit,
  checkClassNames,
  emojiSplits,
  loadEmoji,
  loadMnist,
  loadMobyDick,
  loadWordNet,
  openCaptionsCsv,
  openCocoCaptions,
  openImageFolder,
  openJsonlManifest,
  openLabelledTable,
  openLabelledTsv,
  openPlainText,
  openSidecarCaptions,
  openWebDataset,
  renameClasses,
  type DatasetKind,
  type LabelConflicts,
  type PackageKey,
  type PackageOptions,
  type Reader,
  type Sample,
  type SplitOverlap,
  type SplitPercents,
} from '@polygate/datasets';
import { joinPlans } from './plan-join.ts';
import type { PrepareRecipe, SourceRecipe } from './recipe.ts';
import { overlapWarning, settleSplits } from './settled-splits.ts';
import { SuiteOverlaps } from './suite-overlaps.ts';

/** One reader of a dataset. */
export interface PlanPart {
  readonly reader: Reader;
  splitOf(sample: Sample): string;
  /** How the splits of own data are drawn, until they are settled. */
  readonly draw?: {
    /** Split of all rows. */
    readonly split?: string;
    readonly percents: SplitPercents;
  };
}

/** One dataset to be written. */
export interface DatasetPlan {
  readonly name: string;
  readonly kind: DatasetKind;
  /** In the order in which they are written. */
  readonly splits: readonly string[];
  readonly classes?: readonly string[];
  /** Whether the recipe lists the classes, in the order that numbers in the data refer to. @default false */
  readonly classesGiven?: boolean;
  /** Samples that two splits share, also with the training of another dataset. */
  readonly overlaps?: readonly SplitOverlap[];
  /** Samples that show the same under different labels. */
  readonly labelConflicts?: LabelConflicts;
  readonly parts: readonly PlanPart[];
  /** Further utf8 columns. */
  readonly extra: readonly string[];
  /** Whether labelled texts are pairs. */
  readonly pairs: boolean;
  /** Name of a labelled-image dataset made of the same pictures. */
  readonly labelledTwin?: string;
  readonly packages: readonly PackageKey[];
}

const plan = (
  fields: Partial<DatasetPlan> & Pick<DatasetPlan, 'name' | 'kind' | 'splits' | 'parts'>,
): DatasetPlan => ({
  extra: [],
  pairs: false,
  packages: [],
  ...fields,
});

type OwnSource = Exclude<SourceRecipe, { source: 'emoji' | 'mnist' | 'mini-text' }>;

interface OpenContext {
  /** Folders that links may lead to. */
  readonly within: readonly string[];
  readonly budgets: PrepareRecipe['budgets'];
  readonly onNote: (note: string) => void;
}

const openOwn = async (
  source: OwnSource,
  { within, budgets, onNote }: OpenContext,
): Promise<{ reader: Reader; kind: DatasetKind; pairs?: boolean }> => {
  switch (source.source) {
    case 'image-folder':
      return { reader: await openImageFolder({ ...defined(source), within }), kind: 'labelled-image' };
    case 'sidecar-captions':
      return { reader: await openSidecarCaptions({ ...source, within }), kind: 'captioned-image' };
    case 'labelled-table':
      return {
        reader: await openLabelledTable({ ...defined(source), within, ...columnOf(source) }),
        kind: 'labelled-image',
      };
    case 'captions-csv':
      return {
        reader: await openCaptionsCsv({ ...defined(source), within, ...columnOf(source) }),
        kind: 'captioned-image',
      };
    case 'coco-captions': {
      const { kind } = source;
      const read = kind === 'labelled-image' ? 'labels' : 'captions';
      return { reader: await openCocoCaptions({ ...defined(source), within, budgets, read }), kind };
    }
    case 'jsonl': {
      const findClasses = source.kind === 'labelled-image';
      const options = { ...defined(source), within, findClasses, ...columnOf(source) };
      return { reader: await openJsonlManifest(options), kind: source.kind };
    }
    case 'webdataset': {
      const findClasses = source.kind === 'labelled-image';
      const splitsByName = source.split === undefined;
      const options = { ...defined(source), findClasses, splitsByName, budgets, onNote };
      return { reader: await openWebDataset(options), kind: source.kind };
    }
    case 'plain-text':
      return { reader: await openPlainText({ ...source, budgets }), kind: 'text' };
    case 'labelled-tsv':
      return {
        reader: await openLabelledTsv({ ...defined(source), ...columnOf(source) }),
        kind: 'labelled-text',
        pairs: source.textColumns.length === 2,
      };
    default:
      return source satisfies never;
  }
};

/** Where the recipe names the split of all rows, a column of splits is not looked for. */
const columnOf = <C extends string | number>(source: {
  readonly split?: string | undefined;
  readonly splitColumn?: C | undefined;
}): { readonly splitColumn?: C | '' } => {
  const column = source.splitColumn ?? (source.split === undefined ? undefined : '');
  return column === undefined ? {} : { splitColumn: column };
};

type Defined<T> = { [K in keyof T]: Exclude<T[K], undefined> };
/** Drops keys that are undefined: the readers' optional fields are absent or have a value. */
const defined = <T extends object>(value: T): Defined<T> =>
  Object.fromEntries(Object.entries(value).filter(([, entry]) => entry !== undefined)) as Defined<T>;

/** @throws ConfigError where recipe and source name splits that can't both be followed */
const splitsOf = (key: string, source: OwnSource, reader: Reader): readonly string[] => {
  const { testPercent: test, validationPercent: validation } = source;
  if (source.split === undefined) {
    const hashed = ['train', ...(validation > 0 ? ['validation'] : []), ...(test > 0 ? ['test'] : [])];
    return reader.splits ?? hashed;
  }
  const split = canonicalSplit(source.split) ?? source.split;
  if (reader.splits && !(reader.splits.length === 1 && reader.splits[0] === split)) {
    throw new ConfigError(
      `prepare recipe: sources.${key}: expected either split "${source.split}" or the splits ${reader.splits.join(', ')} that the source itself names, got both; leave split out, or give the folder of that split alone`,
      { code: 'splits-disagree', fields: { source: key } },
    );
  }
  return [split];
};

const planOwn = async (
  key: string,
  source: OwnSource,
  { packages, recipe }: { readonly packages: PackageOptions; readonly recipe: PrepareRecipe },
): Promise<DatasetPlan> => {
  const { workDirectory, logger } = packages;
  const onNote = (note: string): void => logger?.warn(`prepare recipe: sources.${key}: ${note}`);
  const within = workDirectory === undefined ? [] : [workDirectory];
  const opened = await openOwn(source, { within, budgets: recipe.budgets, onNote });
  const { kind, pairs = false } = opened;
  // An image folder names its classes itself, since its folders may be splits, too.
  const renames = 'classNames' in source && source.source !== 'image-folder' ? source.classNames : undefined;
  const reader = renames && kind === 'labelled-image' ? renameClasses(opened.reader, renames) : opened.reader;
  reader.notes?.forEach(onNote);
  const splits = splitsOf(key, source, reader);
  const [split] = source.split === undefined ? [] : splits;
  const percents = { test: source.testPercent, validation: source.validationPercent };
  const labelled = kind === 'labelled-image' || kind === 'labelled-text';
  return plan({
    name: source.dataset ?? key,
    kind,
    splits,
    ...(reader.classes && labelled ? { classes: reader.classes } : {}),
    ...('classes' in source && source.classes !== undefined ? { classesGiven: true } : {}),
    // Until splits are settled nobody asks for one.
    parts: [
      { reader, splitOf: () => 'train', draw: { ...(split === undefined ? {} : { split }), percents } },
    ],
    pairs,
  });
};

const planSource = async (
  key: string,
  source: SourceRecipe,
  context: { readonly recipe: PrepareRecipe; readonly packages: PackageOptions },
): Promise<DatasetPlan> => {
  const { packages } = context;
  switch (source.source) {
    case 'emoji': {
      const set = await loadEmoji({ ...defined(source), size: context.recipe.image.size }, packages);
      return plan({
        name: `${key}-captions`,
        kind: 'captioned-image',
        splits: emojiSplits,
        classes: set.reader.classes ?? [],
        parts: [set],
        extra: ['concept', 'vendor', 'group'],
        labelledTwin: `${key}-group`,
        packages: ['emojibase', 'noto', 'twemoji', 'openmoji', 'fluent'],
      });
    }
    case 'mnist': {
      const set = await loadMnist(defined(source), packages);
      return plan({
        name: key,
        kind: 'labelled-image',
        splits: ['train', 'validation', 'test'],
        classes: set.reader.classes ?? [],
        parts: [set],
        packages: ['mnist'],
      });
    }
    case 'mini-text':
      return plan({
        name: key,
        kind: 'text',
        splits: ['train', 'validation'],
        parts: [await loadMobyDick(source, packages), await loadWordNet(source, packages)],
        extra: ['source'],
        packages: ['wordnet', 'mobyDick'],
      });
    default:
      return planOwn(key, source, context);
  }
};

/** @throws ConfigError where two datasets would be written to one folder */
const checkNames = (plans: readonly DatasetPlan[]): void => {
  const names = plans.flatMap(({ name, labelledTwin }) => [name, labelledTwin ?? name]);
  for (const { labelledTwin } of plans) {
    if (labelledTwin === undefined || names.filter((name) => name === labelledTwin).length < 2) continue;
    throw new ConfigError(
      `prepare recipe: expected datasets of different names, got "${labelledTwin}" twice; give one source another key`,
      { code: 'dataset-twice' },
    );
  }
};

/**
 * Opens all sources of a recipe; those that name the same dataset are joined. Then the split of every sample is settled.
 * @throws ConfigError for sources that can't be opened or disagree, and for classes that read the same
 */
export const planDatasets = async (
  recipe: PrepareRecipe,
  packages: PackageOptions,
): Promise<DatasetPlan[]> => {
  const plans = new Map<string, DatasetPlan>();
  for (const [key, source] of Object.entries(recipe.sources)) {
    const next = await planSource(key, source, { recipe, packages });
    const known = plans.get(next.name);
    plans.set(next.name, known ? joinPlans(known, next, key) : next);
  }
  const all = [...plans.values()];
  checkNames(all);
  for (const { name, classes = [] } of all) checkClassNames(classes, `prepare ${name}`);
  const suite = new SuiteOverlaps();
  const context = { suite, budgets: recipe.budgets, logger: packages.logger };
  const settled: DatasetPlan[] = [];
  for (const each of all) settled.push(await settleSplits(each, context));
  const shared = suite.overlaps();
  return settled.map((each) => {
    const more = shared.get(each.name) ?? [];
    for (const overlap of more) packages.logger?.warn(`prepare ${each.name}: ${overlapWarning(overlap)}`);
    return more.length === 0 ? each : { ...each, overlaps: [...(each.overlaps ?? []), ...more] };
  });
};
