/** What one dataset of the suite is made of: its readers, how samples fall into splits, and what rows hold. */
import {
  emojiSplits,
  loadEmoji,
  loadMnist,
  loadMobyDick,
  loadWordNet,
  openCaptionsCsv,
  openCocoCaptions,
  openImageFolder,
  openJsonlManifest,
  openLabelledTsv,
  openPlainText,
  openWebDataset,
  splitByHash,
  type DatasetKind,
  type PackageKey,
  type PackageOptions,
  type Reader,
  type Sample,
} from '@polygate/datasets';
import { joinPlans } from './plan-join.ts';
import type { PrepareRecipe, SourceRecipe } from './recipe.ts';

/** One reader of a dataset. */
export interface PlanPart {
  readonly reader: Reader;
  splitOf(sample: Sample): string;
}

/** One dataset to be written. */
export interface DatasetPlan {
  readonly name: string;
  readonly kind: DatasetKind;
  /** In the order in which they are written. */
  readonly splits: readonly string[];
  readonly classes?: readonly string[];
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

const openOwn = async (
  source: OwnSource,
): Promise<{ reader: Reader; kind: DatasetKind; pairs?: boolean }> => {
  switch (source.source) {
    case 'image-folder':
      return { reader: await openImageFolder(defined(source)), kind: 'labelled-image' };
    case 'captions-csv':
      return { reader: await openCaptionsCsv(defined(source)), kind: 'captioned-image' };
    case 'coco-captions':
      return { reader: await openCocoCaptions(source), kind: 'captioned-image' };
    case 'jsonl':
      return { reader: await openJsonlManifest(defined(source)), kind: source.kind };
    case 'webdataset':
      return { reader: await openWebDataset(defined(source)), kind: source.kind };
    case 'plain-text':
      return { reader: await openPlainText(source), kind: 'text' };
    case 'labelled-tsv':
      return {
        reader: await openLabelledTsv(defined(source)),
        kind: 'labelled-text',
        pairs: source.textColumns.length === 2,
      };
    default:
      return source satisfies never;
  }
};

type Defined<T> = { [K in keyof T]: Exclude<T[K], undefined> };
/** Drops keys that are undefined: the readers' optional fields are absent or have a value. */
const defined = <T extends object>(value: T): Defined<T> =>
  Object.fromEntries(Object.entries(value).filter(([, entry]) => entry !== undefined)) as Defined<T>;

const planOwn = async (key: string, source: OwnSource): Promise<DatasetPlan> => {
  const { reader, kind, pairs = false } = await openOwn(source);
  const { split, testPercent: test, validationPercent: validation } = source;
  const hashed = ['train', ...(validation > 0 ? ['validation'] : []), ...(test > 0 ? ['test'] : [])];
  return plan({
    name: source.dataset ?? key,
    kind,
    splits: split === undefined ? hashed : [split],
    ...(reader.classes ? { classes: reader.classes } : {}),
    parts: [{ reader, splitOf: (sample) => split ?? splitByHash(sample.id, { test, validation }) }],
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
      return planOwn(key, source);
  }
};

/** Opens all sources of a recipe; those that name the same dataset are joined. @throws ConfigError */
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
  return [...plans.values()];
};
