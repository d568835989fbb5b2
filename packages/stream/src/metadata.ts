/** The metadata that Polygate's own data sets carry in their schema, and the checks that readers make on it. */
import type { Schema } from 'apache-arrow';
import { ConfigError, excerpt, FormatError, parseJson } from '@polygate/core';
import { SCHEMA_VERSION, schemaMetadata, VERSION_KEY } from './schema.ts';

/** What a schema says about its rows. */
export interface DatasetMetadata {
  /** Which columns to expect, e.g. `labelled-image`; open to other teams' kinds. */
  readonly kind: string;
  /** Pixels of the `image` column. */
  readonly image?: { readonly height: number; readonly width: number; readonly channels: number };
  /** Settings of the kind that the rows were made with, as JSON values. */
  readonly settings?: Readonly<Record<string, unknown>>;
  /** Class names; a `label` is an index into them. */
  readonly classes?: readonly string[];
  /** SHA-256 of the tokenizer.json whose ids the columns hold, as hex. */
  readonly tokenizer?: string;
  /** Version of the code that wrote the rows. */
  readonly code?: string;
}

const keys = {
  kind: 'polygate.kind',
  image: 'polygate.image',
  settings: 'polygate.settings',
  classes: 'polygate.classes',
  tokenizer: 'polygate.tokenizer',
  code: 'polygate.code',
} as const;

/** Schema metadata entries of a data set, `polygate.version` among them. */
export const datasetMetadata = (metadata: DatasetMetadata): Record<string, string> => ({
  [VERSION_KEY]: String(SCHEMA_VERSION),
  [keys.kind]: metadata.kind,
  ...(metadata.image === undefined ? {} : { [keys.image]: JSON.stringify(metadata.image) }),
  ...(metadata.settings === undefined ? {} : { [keys.settings]: JSON.stringify(metadata.settings) }),
  ...(metadata.classes === undefined ? {} : { [keys.classes]: JSON.stringify(metadata.classes) }),
  ...(metadata.tokenizer === undefined ? {} : { [keys.tokenizer]: metadata.tokenizer }),
  ...(metadata.code === undefined ? {} : { [keys.code]: metadata.code }),
});

/** Metadata that say what the rows are, without the version of the code that wrote them. */
export const rowMetadata = (metadata: Readonly<Record<string, string>>): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(metadata).filter(([key]) => key !== keys.code));

/** Refuses rows of a newer convention than this code knows. @throws FormatError */
export const checkVersion = (metadata: Readonly<Record<string, string>>, source: string): void => {
  const text = metadata[VERSION_KEY];
  if (text === undefined) return;
  const version = Number(text);
  if (Number.isSafeInteger(version) && version >= 1 && version <= SCHEMA_VERSION) return;
  throw new FormatError(
    `${source}: expected ${VERSION_KEY} of 1 to ${SCHEMA_VERSION}, got "${text}"; ` +
      'update Polygate or prepare the data again with this version',
    { code: 'version', fields: { place: source, got: text } },
  );
};

const parseEntry = (text: string, key: string): unknown =>
  parseJson(text, `schema metadata ${key}`, { remedy: 'prepare the data again' });

const positive = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) > 0;

/** Reads the data-set metadata of a schema. @throws FormatError where an entry is missing or malformed */
export const readDatasetMetadata = (schema: Schema): DatasetMetadata => {
  const metadata = schemaMetadata(schema);
  checkVersion(metadata, 'schema metadata');
  const kind = metadata[keys.kind];
  if (kind === undefined) {
    throw new FormatError(
      `schema metadata: expected ${keys.kind}, got only ${excerpt(Object.keys(metadata))}; ` +
        'write the rows with datasetMetadata() in their schema',
    );
  }
  const result: { -readonly [K in keyof DatasetMetadata]: DatasetMetadata[K] } = { kind };
  const imageText = metadata[keys.image];
  if (imageText !== undefined) {
    const image = parseEntry(imageText, keys.image) as Partial<Record<string, unknown>> | null;
    const { height, width, channels } = image ?? {};
    if (!positive(height) || !positive(width) || !positive(channels)) {
      throw new FormatError(
        `schema metadata ${keys.image}: expected positive height, width and channels, got ${excerpt(image)}; prepare the data again`,
      );
    }
    result.image = { height, width, channels };
  }
  const settingsText = metadata[keys.settings];
  if (settingsText !== undefined) {
    const settings = parseEntry(settingsText, keys.settings);
    if (typeof settings !== 'object' || settings === null || Array.isArray(settings)) {
      throw new FormatError(
        `schema metadata ${keys.settings}: expected settings by name, got ${excerpt(settings)}; prepare the data again`,
      );
    }
    result.settings = settings as Readonly<Record<string, unknown>>;
  }
  const classText = metadata[keys.classes];
  if (classText !== undefined) {
    const classes = parseEntry(classText, keys.classes);
    if (!Array.isArray(classes) || !classes.every((name) => typeof name === 'string')) {
      throw new FormatError(
        `schema metadata ${keys.classes}: expected a list of names, got ${excerpt(classes)}; prepare the data again`,
      );
    }
    result.classes = classes;
  }
  const tokenizer = metadata[keys.tokenizer];
  if (tokenizer !== undefined) result.tokenizer = tokenizer;
  const code = metadata[keys.code];
  if (code !== undefined) result.code = code;
  return Object.freeze(result);
};

/** Makes sure that rows were tokenized by the tokenizer in hand. @throws ConfigError with both hashes */
export const requireTokenizer = (schema: Schema, hash: string): void => {
  const got = schema.metadata.get(keys.tokenizer);
  if (got === hash) return;
  throw new ConfigError(
    `tokenizer: expected rows tokenized by ${hash}, got ${got === undefined ? 'rows that name no tokenizer' : `rows tokenized by ${got}`}; ` +
      'use the tokenizer.json that lies beside the data, or prepare the data again with this one',
    { code: 'tokenizer-mismatch', fields: { expected: hash, got } },
  );
};
