/** Columns of the prepared datasets, by kind. Token columns hold ids of the tokenizer that the metadata names. */
import { datasetMetadata, defineSchema, type FieldKind, type Schema } from '@polygate/stream';

/** What the rows of a prepared dataset can be. */
export const datasetKinds = Object.freeze([
  'labelled-image',
  'captioned-image',
  'text',
  'labelled-text',
] as const);

/** What the rows of a prepared dataset are. */
export type DatasetKind = (typeof datasetKinds)[number];

/** Version of the code that decides what rows hold; raised whenever the same input would give other rows. */
export const DATASET_CODE_VERSION = '5';

export interface DatasetSchemaOptions {
  readonly kind: DatasetKind;
  /** Side of the square pictures in pixels, for the image kinds. */
  readonly imageSize?: number;
  readonly classes?: readonly string[];
  /** Hash of the tokenizer, for the kinds with tokens. */
  readonly tokenizer?: string;
  /** Further utf8 columns. */
  readonly extra?: readonly string[];
  /** Whether a labelled text is a pair of sentences. @default false */
  readonly pairs?: boolean;
}

const intList: FieldKind = { list: 'int32' };

const columnsOf = (options: DatasetSchemaOptions): Record<string, FieldKind> => {
  const side = options.imageSize ?? 0;
  const image: FieldKind = { fixedList: 'uint8', size: Math.max(1, side * side * 3) };
  switch (options.kind) {
    case 'labelled-image':
      return { id: 'utf8', image, label: 'int32' };
    case 'captioned-image':
      return { id: 'utf8', image, captions: { list: intList } };
    case 'text':
      return { id: 'utf8', tokens: intList, words: intList };
    case 'labelled-text':
      return {
        id: 'utf8',
        tokens: intList,
        words: intList,
        ...(options.pairs ? { tokens_b: intList, words_b: intList } : {}),
        label: 'int32',
      };
    default:
      return options.kind satisfies never;
  }
};

/**
 * The schema of a prepared dataset. `image` is [size·size·3] uint8 RGB, row-major; `captions` are token ids without
 * end token; `tokens` of a text hold whole lines, each ended by the end token; `words` is the word of each token,
 * counted from 0 in each row.
 */
export const datasetSchema = (options: DatasetSchemaOptions): Schema => {
  const pictures = options.kind === 'labelled-image' || options.kind === 'captioned-image';
  const side = options.imageSize ?? 0;
  const extra = Object.fromEntries((options.extra ?? []).map((name) => [name, 'utf8' as const]));
  return defineSchema(
    { ...columnsOf(options), ...extra },
    datasetMetadata({
      kind: options.kind,
      ...(pictures ? { image: { height: side, width: side, channels: 3 } } : {}),
      ...(options.classes ? { classes: options.classes } : {}),
      ...(options.tokenizer === undefined ? {} : { tokenizer: options.tokenizer }),
      code: DATASET_CODE_VERSION,
    }),
  );
};
