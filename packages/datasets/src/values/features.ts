/**
 * Features of Hugging Face's `datasets`: what columns mean beside their types. They stand in the schema metadata of Parquet
 * and Arrow files (`huggingface`) and in dataset_info.json.
 */
import { FormatError, parseJson } from '@polygate/core';
import { isJsonFields } from '../samples/json-captions.ts';

/** What a feature says of a column. */
export interface Feature {
  /** `Image`, `ClassLabel`, `Value` ..., as the library writes it; `List` for all lists. */
  readonly type: string;
  /** Names of a `ClassLabel`, in label order. */
  readonly classes?: readonly string[];
  /** What the items of a list are. */
  readonly items?: Feature;
}

/** Lists inside lists deeper than this are not followed. */
const MAX_DEPTH = 8;
/** Classes without names are numbered, up to this many. */
const MAX_UNNAMED_CLASSES = 10_000;

const featureOf = (value: unknown, depth = 0): Feature | undefined => {
  if (depth > MAX_DEPTH) return undefined;
  if (Array.isArray(value)) {
    const items = featureOf(value[0], depth + 1);
    return { type: 'List', ...(items ? { items } : {}) };
  }
  if (!isJsonFields(value)) return undefined;
  const type = value['_type'];
  if (type === 'Sequence' || type === 'List' || type === 'LargeList') {
    const items = featureOf(value['feature'], depth + 1);
    return { type: 'List', ...(items ? { items } : {}) };
  }
  if (typeof type !== 'string') return { type: 'Struct' };
  if (type !== 'ClassLabel') return { type };
  const { names, num_classes: count } = value as { readonly names?: unknown; readonly num_classes?: unknown };
  if (Array.isArray(names) && names.every((name) => typeof name === 'string'))
    return { type, classes: names };
  const unnamed =
    typeof count === 'number' && Number.isInteger(count) && count > 0 && count <= MAX_UNNAMED_CLASSES;
  return unnamed ? { type, classes: Array.from({ length: count }, (_, index) => String(index)) } : { type };
};

/** Features by column, of a record such as that of dataset_info.json; those that can't be made out are left out. */
export const featuresOf = (record: unknown): ReadonlyMap<string, Feature> => {
  const features = new Map<string, Feature>();
  if (!isJsonFields(record)) return features;
  for (const [name, value] of Object.entries(record)) {
    const feature = featureOf(value);
    if (feature) features.set(name, feature);
  }
  return features;
};

/** Features by column, of the schema metadata of a file; none where it has none that can be read. */
export const featuresOfMetadata = (metadata: ReadonlyMap<string, string>): ReadonlyMap<string, Feature> => {
  const text = metadata.get('huggingface');
  if (text === undefined) return new Map();
  try {
    const document = parseJson(text, 'the metadata "huggingface"');
    const info = isJsonFields(document) ? document['info'] : undefined;
    return featuresOf(isJsonFields(info) ? info['features'] : undefined);
  } catch (error) {
    if (error instanceof FormatError) return new Map();
    throw error;
  }
};
