/** The datasets of a recipe: its sources opened by their readers, joined where they name one dataset, splits settled. */
import { ConfigError, errorAt, noteOrigin } from '@polygate/core';
import {
  canonicalSplit,
  checkClassNames,
  isDatasetPlan,
  kindNamed,
  readerNamed,
  type DatasetKind,
  type DatasetPlan,
  type PackageOptions,
  type Reader,
} from '@polygate/datasets';
import { joinPlans } from './plan-join.ts';
import type { PrepareRecipe, SourceRecipe } from './recipe.ts';
import { overlapWarning, settleSplits, type SettleContext } from './settled-splits.ts';
import { SuiteOverlaps } from './suite-overlaps.ts';

/** @throws ConfigError where recipe and source name splits that can't both be followed */
const splitsOf = (key: string, source: SourceRecipe, reader: Reader): readonly string[] => {
  const { testPercent: test = 0, validationPercent: validation = 0 } = source;
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

/** The kind of a source's rows. @throws ConfigError for one that nothing registers */
const kindOf = (key: string, kind: string, reader: string): DatasetKind => {
  try {
    return kindNamed(kind);
  } catch (error) {
    throw noteOrigin(errorAt(error, `prepare recipe: sources.${key}`), { kind: 'reader', name: reader });
  }
};

/** @throws ConfigError for a source that can't be opened */
const planSource = async (
  key: string,
  source: SourceRecipe,
  { packages, recipe }: { readonly packages: PackageOptions; readonly recipe: PrepareRecipe },
): Promise<DatasetPlan> => {
  const { workDirectory, logger } = packages;
  const onNote = (note: string): void => logger?.warn(`prepare recipe: sources.${key}: ${note}`);
  const opened = await readerNamed(source.source).open(source, {
    key,
    within: workDirectory === undefined ? [] : [workDirectory],
    budgets: recipe.budgets,
    imageSize: recipe.image.size,
    packages,
    onNote,
  });
  if (isDatasetPlan(opened)) return opened;
  const { kind, reader, settings, classesGiven = false } = opened;
  const { hasClasses } = kindOf(key, kind, source.source);
  reader.notes?.forEach(onNote);
  const splits = splitsOf(key, source, reader);
  const [split] = source.split === undefined ? [] : splits;
  const percents = { test: source.testPercent ?? 0, validation: source.validationPercent ?? 0 };
  return {
    name: source.dataset ?? key,
    kind,
    splits,
    ...(reader.classes && hasClasses ? { classes: reader.classes } : {}),
    ...(classesGiven ? { classesGiven } : {}),
    // Until splits are settled nobody asks for one.
    parts: [
      { reader, splitOf: () => 'train', draw: { ...(split === undefined ? {} : { split }), percents } },
    ],
    ...(settings ? { settings } : {}),
  };
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
  { progress, signal }: Pick<SettleContext, 'progress' | 'signal'> = {},
): Promise<DatasetPlan[]> => {
  const plans = new Map<string, DatasetPlan>();
  for (const [key, source] of Object.entries(recipe.sources)) {
    const next = await planSource(key, source, { recipe, packages });
    const before = plans.get(next.name);
    plans.set(next.name, before ? joinPlans(before, next, key) : next);
  }
  const all = [...plans.values()];
  checkNames(all);
  for (const { name, classes = [] } of all) checkClassNames(classes, `prepare ${name}`);
  const suite = new SuiteOverlaps();
  const context = { suite, recipe, logger: packages.logger, progress, signal };
  const settled: DatasetPlan[] = [];
  for (const each of all) settled.push(await settleSplits(each, context));
  const shared = suite.overlaps();
  return settled.map((each) => {
    const more = shared.get(each.name) ?? [];
    for (const overlap of more) packages.logger?.warn(`prepare ${each.name}: ${overlapWarning(overlap)}`);
    return more.length === 0 ? each : { ...each, overlaps: [...(each.overlaps ?? []), ...more] };
  });
};
