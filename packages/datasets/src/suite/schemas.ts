/** Schemas of the prepared datasets, by kind. Token columns hold ids of the tokenizer that the metadata names. */
import { datasetMetadata, defineSchema, type Schema } from '@polygate/stream';
import { kindSettings } from '../kinds/kind-settings.ts';
import type { KindSettings } from '../kinds/dataset-kind.ts';
import { kindNamed } from '../kinds/kind-registry.ts';

/** Version of the code that gives rows their content; raised whenever the same input would give other rows. */
export const DATASET_CODE_VERSION = '6';

export interface DatasetSchemaOptions {
  /** Name of the kind. */
  readonly kind: string;
  /** Side of the square images in pixels, for kinds that hold some. */
  readonly imageSize?: number;
  readonly classes?: readonly string[];
  /** Hash of the tokenizer, for the kinds with tokens. */
  readonly tokenizer?: string;
  /** Further utf8 columns. */
  readonly extra?: readonly string[];
  /** Settings of the kind, such as `{ pairs: true }` for pairs of labelled sentences. */
  readonly settings?: KindSettings;
}

/** The schema of a prepared dataset: the columns of its kind and further texts. @throws ConfigError for an unknown kind */
export const datasetSchema = (options: DatasetSchemaOptions): Schema => {
  const { imageSize = 0 } = options;
  const kind = kindNamed(options.kind);
  const settings = kindSettings(kind, options.settings);
  const extra = Object.fromEntries((options.extra ?? []).map((name) => [name, 'utf8' as const]));
  return defineSchema(
    { ...kind.columns({ imageSize, settings }), ...extra },
    datasetMetadata({
      kind: kind.name,
      ...kind.metadata?.({ imageSize, settings }),
      ...(options.classes ? { classes: options.classes } : {}),
      ...(options.tokenizer === undefined ? {} : { tokenizer: options.tokenizer }),
      code: DATASET_CODE_VERSION,
    }),
  );
};
