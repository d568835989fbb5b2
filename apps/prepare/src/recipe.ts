/** The recipe of a prepared suite: which sources, at which image size, with which tokenizer. */
import {
  type Budgets,
  checkSettings,
  ConfigError,
  defaultBudgets,
  laySettings,
  madeOfRecords,
} from '@polygate/core';
import {
  allReaders,
  commonSettings,
  countSetting,
  isColour,
  nameSetting,
  textSetting,
  kindNamed,
  kindNames,
  readerNamed,
  type DatasetPlan,
  type DatasetReader,
  type KindSettings,
  type NamedReaders,
  kindSettings as sectionSettings,
} from '@polygate/datasets';
import { z } from 'zod';

const MAX_BYTES = 2 ** 42;

const imageSchema = z.strictObject({
  /** Side of all images, in pixels. */
  size: z.number().int().min(4).max(1024).default(48),
  /** Whether images that are not square are laid on a background or cropped. */
  fit: z.enum(['contain', 'cover']).default('contain'),
  /** Colour beside and under images, as CSS writes it: #ffffff, white, rgb(255, 255, 255). */
  background: z
    .string()
    .refine(
      isColour,
      'expected an opaque colour as CSS writes it, such as #ffffff, white or rgb(255, 255, 255)',
    )
    .default('#ffffff'),
});

const tokenizerSchema = z.strictObject({
  /** Ids in all; fewer result from little text. */
  vocabularySize: z.number().int().min(258).max(65_536).default(4096),
  lowercase: z.boolean().default(true),
  /** Characters of training text that merges are learned from. */
  maxCharacters: countSetting(2 ** 32).default(64_000_000),
  /** A tokenizer.json to use as it is, in place of training one. */
  file: textSetting.optional(),
});

const limitsSchema = z.strictObject({
  /** Share of bad samples beyond which the preparation stops. */
  rate: z.number().min(0).max(1).default(0.1),
  /** Bad samples in a row beyond which the preparation stops. */
  run: countSetting(1e9).default(200),
});

const budget = (name: keyof Budgets) => countSetting(MAX_BYTES).default(defaultBudgets[name]);

/** Bounds in bytes on the memory that one input may take; what exceeds one is left out and names it. */
const budgetsSchema = z.strictObject({
  /** One encoded image. */
  imageBytes: budget('imageBytes'),
  /** Pixels of all images that are decoded at once. */
  decodeBytes: budget('decodeBytes'),
  /** One member of an archive. */
  memberBytes: budget('memberBytes'),
  /** All members of one sample of an archive. */
  sampleBytes: budget('sampleBytes'),
  /** One paragraph or caption. */
  textBytes: budget('textBytes'),
  /** All paragraphs of a document. */
  documentBytes: budget('documentBytes'),
  /** One JSON document, parsed. */
  jsonBytes: budget('jsonBytes'),
  /** One row group of a Parquet file or batch of an Arrow file, of the columns that are read. */
  groupBytes: budget('groupBytes'),
});

const sections = {
  /**
   * Modules that register readers or kinds of datasets: packages, or paths from the recipe's folder or the working
   * directory. They are imported before the recipe is checked. @default none
   */
  extensions: z.array(z.string().min(1)).optional(),
  /** Folder of the suite below the data folder. */
  name: nameSetting,
  image: imageSchema.prefault({}),
  text: z
    .strictObject({ /** Tokens of a row. */ length: z.number().int().min(8).max(4096).default(64) })
    .prefault({}),
  tokenizer: tokenizerSchema.prefault({}),
};
const limits = {
  /**
   * Modules that register readers or kinds of datasets of other packages: names of packages, or paths from the recipe's
   * folder or the working directory. They are imported before the recipe is checked.
   */
  extensions: z.array(textSetting).optional(),
  limits: limitsSchema.prefault({}),
  budgets: budgetsSchema.prefault({}),
  compression: z.enum(['none', 'lz4']).default('lz4'),
  /** Whether scores of simple baselines are computed. */
  baselines: z.boolean().default(true),
};

const sourceSchema = ({ name, settings, givesPlans }: DatasetReader) =>
  z.strictObject({
    source: z.literal(name),
    ...settings,
    ...(givesPlans ? {} : commonSettings),
  });

/** Sections of the recipe that belong to kinds of datasets, by name. */
const kindSections = (kinds: Iterable<string>) => {
  const shapes = new Map<string, z.ZodRawShape>();
  for (const name of kinds) {
    const { section } = kindNamed(name);
    if (section) shapes.set(section.name, section.settings);
  }
  return shapes;
};

/** The schema of recipes with all readers and kinds of datasets that are registered now. */
export const prepareSchema = madeOfRecords(() => {
  const kinds = [...kindSections(kindNames())].map(([section, shape]) => [
    section,
    z.strictObject(shape).optional(),
  ]);
  const [first, ...rest] = allReaders().map(sourceSchema);
  return z.strictObject({
    ...sections,
    /** Sources by key; the key names the dataset. */
    sources: z.record(nameSetting, z.discriminatedUnion('source', [first, ...rest] as [typeof first & {}])),
    ...limits,
    ...(Object.fromEntries(kinds) as Record<never, z.ZodOptional<z.ZodObject>>),
  });
});

/** One source of a recipe, checked: the reader's settings beside those that readers share. */
export interface SourceRecipe {
  /** Name of the reader. */
  readonly source: string;
  readonly dataset?: string;
  readonly split?: string;
  readonly validationPercent?: number;
  readonly testPercent?: number;
  readonly [setting: string]: unknown;
}

type Sections = z.ZodObject<typeof sections & typeof limits>;

/** A recipe with everything filled in. */
export type PrepareRecipe = z.output<Sections> & {
  readonly sources: Readonly<Record<string, SourceRecipe>>;
  /** Settings of a kind of datasets, where a source may give that kind. */
  readonly [section: string]: unknown;
};

type SourceInput = {
  [N in keyof NamedReaders]: { source: N } & z.input<z.ZodObject<NamedReaders[N]['settings']>> &
    z.input<z.ZodObject<typeof commonSettings>>;
}[keyof NamedReaders];

/** What a recipe file may say, with the settings of the readers that the compiler knows. */
export type PrepareRecipeInput = z.input<Sections> & { sources: Record<string, SourceInput> };

/** @throws ConfigError where a source would put everything aside */
const requireTraining = (key: string, source: SourceRecipe): void => {
  const { split, validationPercent = 0, testPercent = 0 } = source;
  // Where all rows are of one split nothing is drawn.
  if (split !== undefined || validationPercent + testPercent < 100) return;
  throw new ConfigError(
    `prepare recipe: sources.${key}: expected validationPercent and testPercent below 100 together, so that samples are left for training, got ${validationPercent} and ${testPercent}; lower one of them, or set split: "test" to hold all samples out`,
    { code: 'percents', fields: { source: key, validationPercent, testPercent } },
  );
};

/**
 * Checks a recipe and fills in its defaults.
 * @throws ConfigError naming the setting and what is allowed there; an unknown key or source lists the known ones
 */
export const parsePrepareRecipe = (input: unknown): PrepareRecipe => {
  const checked = checkSettings(prepareSchema(), input, 'prepare recipe') as PrepareRecipe;
  // Kinds that no source gives say nothing: a recipe is the same whatever else is registered.
  const kinds = Object.values(checked.sources).flatMap(({ source }) => readerNamed(source).kinds);
  const defaults = [...kindSections(kinds)].map(([section, shape]) => [
    section,
    z.strictObject(shape).parse(checked[section] ?? {}),
  ]);
  const recipe = { ...checked, ...Object.fromEntries(defaults) } as PrepareRecipe;
  for (const [key, source] of Object.entries(recipe.sources)) requireTraining(key, source);
  if (Object.keys(recipe.sources).length > 0) return recipe;
  throw new ConfigError(
    'prepare recipe: sources: expected at least one source, got none; add one under sources.NAME',
  );
};

/**
 * A recipe file with types, as `defineRecipe` of @polygate/generalist: `export default definePrepareRecipe({ ... })`.
 * @throws ConfigError as {@link parsePrepareRecipe}
 */
export const definePrepareRecipe = (recipe: PrepareRecipeInput): PrepareRecipeInput => {
  parsePrepareRecipe(recipe);
  return recipe;
};

/**
 * Lays settings such as `image.size=32` or `sources.photos.file=captions.csv` over a recipe.
 * @throws ConfigError for text that is not `path=value` and for whatever the recipe does not allow
 */
export const applyPrepareSettings = (recipe: unknown, settings: readonly string[]): PrepareRecipe =>
  parsePrepareRecipe(laySettings(prepareSchema(), recipe, settings));

/** Settings of a dataset's kind: those of the recipe's section of it, and over them those that its source decides. */
export const kindSettings = (
  { kind, settings }: Pick<DatasetPlan, 'kind' | 'settings'>,
  recipe: PrepareRecipe,
): KindSettings => {
  const record = kindNamed(kind);
  const { section } = record;
  return sectionSettings(record, {
    ...(section ? (recipe[section.name] as KindSettings) : {}),
    ...settings,
  });
};
