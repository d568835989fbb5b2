/** The recipe of a prepared suite: which sources, at which picture size, with which tokenizer. */
import { type Budgets, checkSettings, ConfigError, defaultBudgets, laySettings } from '@polygate/core';
import { expandBraces, isColour } from '@polygate/datasets';
import { z } from 'zod';

/** A count with a bound that no honest use meets. */
const count = (most: number) => z.number().min(1).max(most).int();
const MAX_BYTES = 2 ** 42;
const MAX_COLUMNS = 2 ** 20;
const percent = z.number().min(0).max(90);
const text = z.string().min(1);
/** Names of a list, each of them once. */
const names = z
  .array(text)
  .refine((list) => new Set(list).size === list.length, 'expected different names, got one twice');
/** A column by its name, or by its index from 0. */
const column = z.union([text, z.number().min(0).max(MAX_COLUMNS).int()]);
const delimiter = z
  .string()
  .regex(
    /^[^"\r\n]$/u,
    'expected one character such as ",", ";", "|" or a tab (\\t), not a quote or a line end',
  );
/** How a table is laid out. */
const table = {
  delimiter: delimiter.optional(),
  /** Whether quotes group cells or belong to the text. @default csv with commas and semicolons, else none */
  quotes: z.enum(['csv', 'none']).optional(),
  /** Whether the first line names the columns; else they are counted from 0. */
  header: z.boolean().default(true),
};
const name = z.string().regex(/^[a-z0-9][a-z0-9-]*$/u, 'expected lower-case letters, digits and "-"');

/** What all sources of the user's own data share. */
const own = {
  /** Dataset that the rows belong to, where several sources make one. @default the source's key */
  dataset: name.optional(),
  /** Split of all rows. @default the splits that the source names, else by the hash of what a sample shows */
  split: name.optional(),
  /** Share of samples put aside for use during training, in percent. */
  validationPercent: percent.default(5),
  /** Share of samples put aside for evaluation, in percent. */
  testPercent: percent.default(10),
};

/** Which links to folders are followed: those that stay inside the source's folder or the work directory, or all. */
const links = z.enum(['inside', 'follow']).default('inside');
/** Column or field that names the split of a row; an empty text for none. @default one that is named so */
const splitField = z.string().optional();
const splitColumn = z.union([z.string(), z.number().min(0).max(MAX_COLUMNS).int()]).optional();
const classes = names.min(1).optional();
/** Words for labels; labels of one word are one class. */
const classNames = z.record(z.string(), text).optional();
/** Cut from the front of the pictures' names. */
const prefix = text.optional();
/** A field of JSON lines. */
const field = text.optional();

/** The kinds of sources; a new one is an entry here and one in sources.ts. */
const sourceSchemas = {
  emoji: z.strictObject({
    source: z.literal('emoji'),
    vendors: z.array(z.string()).optional(),
    heldOutVendor: z.string().default('openmoji'),
    unseenPercent: percent.default(15),
    validationPercent: percent.default(3),
    keepPercent: z.number().min(1).max(100).default(100),
    /** Captions of each emoji that are made of keywords, beside its name. */
    keywordCaptions: z.number().int().min(0).max(4).default(2),
  }),
  mnist: z.strictObject({
    source: z.literal('mnist'),
    testPercent: percent.default(15),
    validationPercent: percent.default(3),
    /** Pictures used of each digit. @default all */
    perDigit: count(1e6).optional(),
  }),
  'mini-text': z.strictObject({
    source: z.literal('mini-text'),
    /** Every n-th synset and chapter is used. */
    every: count(1e6).default(1),
  }),
  'image-folder': z.strictObject({
    source: z.literal('image-folder'),
    path: text,
    classNames,
    links,
    ...own,
  }),
  'captions-csv': z.strictObject({
    source: z.literal('captions-csv'),
    file: text,
    images: text,
    imageColumn: column.optional(),
    captionColumn: column.optional(),
    splitColumn,
    prefix,
    suffix: text.optional(),
    ...table,
    links,
    ...own,
  }),
  'coco-captions': z.strictObject({
    source: z.literal('coco-captions'),
    annotations: text,
    images: text,
    kind: z.enum(['captioned-image', 'labelled-image']).default('captioned-image'),
    classNames,
    prefix,
    links,
    ...own,
  }),
  'sidecar-captions': z.strictObject({
    source: z.literal('sidecar-captions'),
    path: text,
    /** Whether each line of a text is a caption of its own. */
    captions: z.enum(['file', 'lines']).default('file'),
    links,
    ...own,
  }),
  'labelled-table': z.strictObject({
    source: z.literal('labelled-table'),
    file: text,
    images: text,
    imageColumn: column.optional(),
    labelColumn: column.optional(),
    splitColumn,
    ...table,
    prefix,
    suffix: text.optional(),
    classes,
    classNames,
    links,
    ...own,
  }),
  jsonl: z.strictObject({
    source: z.literal('jsonl'),
    file: text,
    root: text.optional(),
    imageColumn: field,
    captionColumn: field,
    labelColumn: field,
    prefix,
    suffix: text.optional(),
    classes,
    classNames,
    splitColumn: splitField,
    links,
    kind: z.enum(['captioned-image', 'labelled-image', 'text']).default('captioned-image'),
    ...own,
  }),
  webdataset: z.strictObject({
    source: z.literal('webdataset'),
    files: z.array(text).min(1),
    /** Member that is the picture, such as `depth.png`. */
    image: text.optional(),
    /** Member that holds the captions. */
    text: text.optional(),
    classes,
    classNames,
    kind: z.enum(['captioned-image', 'labelled-image']).default('captioned-image'),
    ...own,
  }),
  'plain-text': z.strictObject({
    source: z.literal('plain-text'),
    files: z.array(text).min(1),
    unit: z.enum(['line', 'paragraph', 'document']).default('paragraph'),
    ...own,
  }),
  'labelled-tsv': z.strictObject({
    source: z.literal('labelled-tsv'),
    file: text,
    textColumns: z.array(column).min(1).max(2),
    labelColumn: column,
    splitColumn,
    ...table,
    labels: names.optional(),
    classes,
    ...own,
  }),
} as const;

/** Whether a word names a kind of source. */
export const isSourceName = (word: string): boolean => Object.hasOwn(sourceSchemas, word);

const sourceSchema = z.discriminatedUnion('source', [
  sourceSchemas.emoji,
  sourceSchemas.mnist,
  sourceSchemas['mini-text'],
  sourceSchemas['image-folder'],
  sourceSchemas['captions-csv'],
  sourceSchemas['coco-captions'],
  sourceSchemas['sidecar-captions'],
  sourceSchemas['labelled-table'],
  sourceSchemas.jsonl,
  sourceSchemas.webdataset,
  sourceSchemas['plain-text'],
  sourceSchemas['labelled-tsv'],
]);

const imageSchema = z.strictObject({
  /** Side of all pictures, in pixels. */
  size: z.number().int().min(4).max(1024).default(48),
  /** Whether pictures that are not square are laid on a background or cropped. */
  fit: z.enum(['contain', 'cover']).default('contain'),
  /** Colour beside and under pictures, as CSS writes it: #ffffff, white, rgb(255, 255, 255). */
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
  maxCharacters: count(2 ** 32).default(64_000_000),
  /** A tokenizer.json to use as it is, in place of training one. */
  file: text.optional(),
});

const limitsSchema = z.strictObject({
  /** Share of bad samples beyond which the preparation stops. */
  rate: z.number().min(0).max(1).default(0.1),
  /** Bad samples in a row beyond which the preparation stops. */
  run: count(1e9).default(200),
});

const budget = (name: keyof Budgets) => count(MAX_BYTES).default(defaultBudgets[name]);

/** Bounds in bytes on the memory that one input may take; what exceeds one is left out and names it. */
const budgetsSchema = z.strictObject({
  /** One encoded picture. */
  imageBytes: budget('imageBytes'),
  /** Pixels of all pictures that are decoded at once. */
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
});

export const prepareSchema = z.strictObject({
  /** Folder of the suite below the data folder. */
  name,
  image: imageSchema.prefault({}),
  text: z
    .strictObject({ /** Tokens of a row. */ length: z.number().int().min(8).max(4096).default(64) })
    .prefault({}),
  tokenizer: tokenizerSchema.prefault({}),
  /** Sources by key; the key names the dataset. */
  sources: z.record(name, sourceSchema),
  limits: limitsSchema.prefault({}),
  budgets: budgetsSchema.prefault({}),
  compression: z.enum(['none', 'lz4']).default('lz4'),
  /** Whether scores of simple baselines are computed. */
  baselines: z.boolean().default(true),
});

/** A recipe with everything filled in. */
export type PrepareRecipe = z.output<typeof prepareSchema>;
/** What a recipe file may say. */
export type PrepareRecipeInput = z.input<typeof prepareSchema>;
/** One source of a recipe. */
export type SourceRecipe = PrepareRecipe['sources'][string];

/** @throws ConfigError where a source would put everything aside */
const requireTraining = (key: string, source: SourceRecipe): void => {
  if (!('testPercent' in source)) return;
  const { validationPercent, testPercent } = source;
  // Where all rows are of one split nothing is drawn.
  if (('split' in source && source.split !== undefined) || validationPercent + testPercent < 100) return;
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
  const recipe = checkSettings(prepareSchema, input, 'prepare recipe');
  for (const [key, source] of Object.entries(recipe.sources)) requireTraining(key, source);
  const sources = Object.entries(recipe.sources).map(([key, source]) => [
    key,
    source.source === 'webdataset' ? { ...source, files: source.files.flatMap(expandBraces) } : source,
  ]);
  if (sources.length > 0)
    return { ...recipe, sources: Object.fromEntries(sources) as PrepareRecipe['sources'] };
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
  parsePrepareRecipe(laySettings(prepareSchema, recipe, settings));
