/** The recipe of a prepared suite: which sources, at which picture size, with which tokenizer. */
import { ConfigError, unknownName } from '@polygate/core';
import { z } from 'zod';

const count = z.number().int().min(1);
const percent = z.number().min(0).max(90);
/** Settings from the command line may read as numbers; a path is text all the same. */
const text = z.coerce.string().min(1);
const name = z.string().regex(/^[a-z0-9][a-z0-9-]*$/u, 'expected lower-case letters, digits and "-"');

/** What all sources of the user's own data share. */
const own = {
  /** Dataset that the rows belong to, where several sources make one. @default the source's key */
  dataset: name.optional(),
  /** Split of all rows. @default a split by the hash of the sample id */
  split: name.optional(),
  /** Share of samples put aside for use during training, in percent. */
  validationPercent: percent.default(5),
  /** Share of samples put aside for evaluation, in percent. */
  testPercent: percent.default(10),
};

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
    perDigit: count.optional(),
  }),
  'mini-text': z.strictObject({
    source: z.literal('mini-text'),
    /** Every n-th synset and chapter is used. */
    every: count.default(1),
  }),
  'image-folder': z.strictObject({
    source: z.literal('image-folder'),
    path: text,
    classNames: z.record(z.string(), z.string()).optional(),
    ...own,
  }),
  'captions-csv': z.strictObject({
    source: z.literal('captions-csv'),
    file: text,
    images: text,
    imageColumn: text.optional(),
    captionColumn: text.optional(),
    delimiter: z.string().length(1).optional(),
    ...own,
  }),
  'coco-captions': z.strictObject({
    source: z.literal('coco-captions'),
    annotations: text,
    images: text,
    ...own,
  }),
  jsonl: z.strictObject({
    source: z.literal('jsonl'),
    file: text,
    root: text.optional(),
    classes: z.array(z.string()).optional(),
    kind: z.enum(['captioned-image', 'labelled-image', 'text']).default('captioned-image'),
    ...own,
  }),
  webdataset: z.strictObject({
    source: z.literal('webdataset'),
    files: z.array(text).min(1),
    classes: z.array(z.string()).optional(),
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
    textColumns: z
      .array(z.union([z.string(), z.number().int().min(0)]))
      .min(1)
      .max(2),
    labelColumn: z.union([z.string(), z.number().int().min(0)]),
    labels: z.array(z.string()).optional(),
    classes: z.array(z.string()).optional(),
    header: z.boolean().default(true),
    ...own,
  }),
} as const;

const sourceSchema = z.discriminatedUnion('source', [
  sourceSchemas.emoji,
  sourceSchemas.mnist,
  sourceSchemas['mini-text'],
  sourceSchemas['image-folder'],
  sourceSchemas['captions-csv'],
  sourceSchemas['coco-captions'],
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
  background: z.string().default('#ffffff'),
});

const tokenizerSchema = z.strictObject({
  /** Ids in all; fewer result from little text. */
  vocabularySize: z.number().int().min(258).max(65_536).default(4096),
  lowercase: z.boolean().default(true),
  /** Characters of training text that merges are learned from. */
  maxCharacters: count.default(64_000_000),
  /** A tokenizer.json to use as it is, in place of training one. */
  file: text.optional(),
});

const limitsSchema = z.strictObject({
  /** Share of bad samples beyond which the preparation stops. */
  rate: z.number().min(0).max(1).default(0.1),
  /** Bad samples in a row beyond which the preparation stops. */
  run: count.default(200),
});

const recipeSchema = z.strictObject({
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
  compression: z.enum(['none', 'lz4']).default('lz4'),
  /** Whether scores of simple baselines are computed. */
  baselines: z.boolean().default(true),
});

/** A recipe with everything filled in. */
export type PrepareRecipe = z.output<typeof recipeSchema>;
/** What a recipe file may say. */
export type PrepareRecipeInput = z.input<typeof recipeSchema>;
/** One source of a recipe. */
export type SourceRecipe = PrepareRecipe['sources'][string];

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Keys that a recipe may have at a path. */
const knownKeys = (input: unknown, path: readonly PropertyKey[]): readonly string[] => {
  const [first, second] = path.map(String);
  if (first === undefined) return Object.keys(recipeSchema.shape);
  if (first === 'sources' && second !== undefined) {
    const sources = isRecord(input) && isRecord(input['sources']) ? input['sources'] : {};
    const entry = sources[second];
    const kind = isRecord(entry) ? String(entry['source']) : '';
    const schema = Object.entries(sourceSchemas).find(([key]) => key === kind)?.[1];
    return schema ? Object.keys(schema.shape) : ['source'];
  }
  const sections: Readonly<Record<string, z.ZodObject>> = {
    image: imageSchema,
    tokenizer: tokenizerSchema,
    limits: limitsSchema,
    text: z.strictObject({ length: z.number() }),
  };
  return Object.keys(sections[first]?.shape ?? {});
};

/**
 * Checks a recipe and fills in its defaults.
 * @throws ConfigError naming the setting and what is allowed there; an unknown key or source lists the known ones
 */
export const parsePrepareRecipe = (input: unknown): PrepareRecipe => {
  const result = recipeSchema.safeParse(input);
  if (result.success) {
    if (Object.keys(result.data.sources).length > 0) return result.data;
    throw new ConfigError(
      'prepare recipe: sources: expected at least one source, got none; add one under sources.NAME',
    );
  }
  const issue = result.error.issues[0];
  const path = issue?.path ?? [];
  const place = path.map(String).join('.');
  if (issue?.code === 'unrecognized_keys') {
    const prefix = place === '' ? '' : `${place}.`;
    throw unknownName(
      'prepare recipe key',
      `${prefix}${issue.keys[0] ?? ''}`,
      knownKeys(input, path).map((key) => `${prefix}${key}`),
    );
  }
  const at = (keys: readonly PropertyKey[]): unknown =>
    keys.reduce<unknown>((value, key) => (isRecord(value) ? value[String(key)] : undefined), input);
  if (issue?.code === 'invalid_union' && path.at(-1) === 'source') {
    throw unknownName('source', String(at(path)), Object.keys(sourceSchemas));
  }
  const got = JSON.stringify(at(path)) ?? 'nothing';
  throw new ConfigError(
    `prepare recipe: ${place}: ${issue?.message ?? 'not a recipe'}, got ${got}; set it with --set ${place}=VALUE`,
    { code: 'recipe', fields: { path: place } },
  );
};

/** Text of a setting as a value: JSON where it is JSON, else the text itself. */
const valueOf = (source: string): unknown => {
  try {
    return JSON.parse(source) as unknown;
  } catch {
    return source;
  }
};

const withValue = (node: unknown, path: readonly string[], value: unknown): unknown => {
  const [key, ...rest] = path;
  if (key === undefined) return value;
  const base = isRecord(node) ? node : {};
  return { ...base, [key]: withValue(base[key], rest, value) };
};

/**
 * Lays settings such as `image.size=32` or `sources.photos.file=captions.csv` over a recipe.
 * @throws ConfigError for text that is not `path=value` and for whatever the recipe does not allow
 */
export const applyPrepareSettings = (recipe: unknown, settings: readonly string[]): PrepareRecipe => {
  let changed = recipe;
  for (const setting of settings) {
    const cut = setting.indexOf('=');
    const path = setting.slice(0, Math.max(0, cut)).trim().split('.');
    if (cut < 1 || path.some((key) => key === '' || key === '__proto__')) {
      throw new ConfigError(`--set: expected path=value such as image.size=32, got "${setting}"`);
    }
    changed = withValue(changed, path, valueOf(setting.slice(cut + 1).trim()));
  }
  return parsePrepareRecipe(changed);
};
