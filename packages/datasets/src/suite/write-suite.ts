/** Suites from streams of rows that somebody makes: a prepared folder without the prepare stage. */
import { createHash } from 'node:crypto';
import { stat, writeFile } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { ConfigError, excerpt, isPlainName, sealJson } from '@polygate/core';
import { type FileDigest, sha256File, writeDirectoryAtomic } from '@polygate/core/node';
import {
  contentHash,
  manifestPath,
  readDatasetMetadata,
  requireTokenizer,
  type Schema,
  type StreamSource,
  type WriteOptions,
  writeShards,
} from '@polygate/stream';
import { saveTokenizer, type Tokenizer } from '@polygate/tokens';
import { kindNames } from '../kinds/kind-registry.ts';
import { type Suite, SUITE_FILE, SUITE_VERSION, type SuiteDataset, type SuiteImage } from './suite.ts';

/** A suite before it is written. */
export interface SuiteParts {
  /** Stands in reports. */
  readonly name: string;
  /** What made the token columns; saved with the suite. */
  readonly tokenizer: Tokenizer;
  /** Tokens of a row of packed text. @default 64 */
  readonly textLength?: number;
  /** Splits by name, such as `train`, of each dataset by name. Schemas are those of `datasetSchema`. */
  readonly datasets: Readonly<Record<string, Readonly<Record<string, StreamSource>>>>;
}

/** @throws ConfigError for a kind that is not registered */
const kindOf = (name: string, schema: Schema): string => {
  const { kind } = readDatasetMetadata(schema);
  if (kindNames().includes(kind)) return kind;
  throw new ConfigError(
    `suite: expected dataset "${name}" to be of kind ${kindNames().join(', ')}, got ${excerpt(kind)}; make its schema by datasetSchema`,
    { code: 'dataset-kind', fields: { dataset: name, kind } },
  );
};

const requirePlain = (what: string, name: string): void => {
  if (isPlainName(name)) return;
  throw new ConfigError(
    `suite: expected a name of a ${what} that is the name of a folder, got ${excerpt(name)}`,
  );
};

/** Size of the images of all datasets together; suites without images say 1 x 1. */
const imageOf = (schemas: ReadonlyMap<string, Schema>): SuiteImage => {
  let first: { readonly name: string; readonly height: number; readonly width: number } | undefined;
  for (const [name, schema] of schemas) {
    const { image } = readDatasetMetadata(schema);
    if (!image) continue;
    if (first && (first.height !== image.height || first.width !== image.width)) {
      throw new ConfigError(
        `suite: expected images of one size, got ${first.height} x ${first.width} in "${first.name}" and ${image.height} x ${image.width} in "${name}"; resize them alike`,
      );
    }
    first ??= { name, height: image.height, width: image.width };
  }
  return { height: first?.height ?? 1, width: first?.width ?? 1 };
};

/**
 * Writes a suite that `pretrain` and `evaluate` take: shards of every split, `tokenizer.json` and `suite.json`. The folder
 * appears when it is complete, in place of one that was there. Splits without rows are left out.
 * @throws ConfigError for names that are no names of folders, kinds that no task reads, images of several sizes, rows of
 * another tokenizer, or a dataset without a row; what the sources throw
 */
export const writeSuite = async (
  directory: string,
  { name, tokenizer, textLength = 64, datasets }: SuiteParts,
  options: WriteOptions = {},
): Promise<Suite> => {
  const schemas = new Map<string, Schema>();
  for (const [dataset, splits] of Object.entries(datasets)) {
    requirePlain('dataset', dataset);
    for (const [split, { schema }] of Object.entries(splits)) {
      requirePlain('split', split);
      if (readDatasetMetadata(schema).tokenizer !== undefined) requireTokenizer(schema, tokenizer.hash);
      kindOf(dataset, schema);
      schemas.set(dataset, schema);
    }
  }
  const image = imageOf(schemas);
  let suite: Suite | undefined;
  await writeDirectoryAtomic(directory, async (folder) => {
    const written: SuiteDataset[] = [];
    const files: Record<string, FileDigest> = {};
    const list = async (path: string): Promise<void> => {
      files[relative(folder, path).split(sep).join('/')] = {
        bytes: (await stat(path)).size,
        sha256: await sha256File(path),
      };
    };
    const hash = createHash('sha256').update(tokenizer.hash);
    for (const [dataset, sources] of Object.entries(datasets)) {
      const splits: [string, { rows: number }][] = [];
      for (const [split, source] of Object.entries(sources)) {
        const manifest = await writeShards(
          join(folder, dataset, split),
          source.schema,
          source.batches(options.signal ? { signal: options.signal } : {}),
          options,
        );
        hash.update(`\n${dataset}/${split} ${contentHash(manifest)}`);
        if (manifest.rows === 0) continue;
        splits.push([split, { rows: manifest.rows }]);
        await list(await manifestPath(join(folder, dataset, split)));
      }
      const schema = schemas.get(dataset);
      if (!schema || splits.length === 0) {
        throw new ConfigError(
          `suite: expected rows in dataset "${dataset}", got none; leave it out, or mend its source`,
        );
      }
      const { classes } = readDatasetMetadata(schema);
      written.push({
        name: dataset,
        kind: kindOf(dataset, schema),
        splits: Object.fromEntries(splits),
        ...(classes ? { classes } : {}),
      });
    }
    await saveTokenizer(tokenizer, join(folder, 'tokenizer.json'));
    await list(join(folder, 'tokenizer.json'));
    suite = {
      name,
      version: SUITE_VERSION,
      image,
      textLength,
      tokenizerHash: tokenizer.hash,
      datasets: written,
      quarantine: {},
      recipeHash: hash.digest('hex'),
      files,
    };
    await writeFile(join(folder, SUITE_FILE), sealJson(suite));
  });
  return suite as unknown as Suite;
};
