/**
 * A suite whose images are resized as they are read, so that a run can look at another size than the one that was prepared:
 * the second part of a schedule of two resolutions. Bicubic, as augmentation resizes.
 */
import { ConfigError } from '@polygate/core';
import { datasetModalities, kindNamed, suiteDataset } from '@polygate/datasets';
import {
  datasetMetadata,
  defineSchema,
  fixedListValues,
  listRow,
  readDatasetMetadata,
  schemaFields,
  schemaMetadata,
  withColumns,
  type FieldKind,
  type RecordBatch,
  type Schema,
  type ShardSet,
} from '@polygate/stream';
import { resizedCrop } from '@polygate/tokens';
import type { OpenSuite } from './suite-data.ts';

const CHANNELS = 3;

interface Sides {
  readonly from: number;
  readonly to: number;
}

/** Squares one after another, each resized. */
const resizedSquares = (pixels: Uint8Array, { from, to }: Sides): Uint8Array => {
  const area = from * from * CHANNELS;
  const toArea = to * to * CHANNELS;
  const out = new Uint8Array((pixels.length / area) * toArea);
  const shape = { height: from, width: from, channels: CHANNELS };
  const box = { top: 0, left: 0, height: from, width: from };
  for (let i = 0; i * area < pixels.length; i += 1) {
    const square = pixels.subarray(i * area, (i + 1) * area);
    out.set(resizedCrop(square, shape, { box, to: { height: to, width: to } }), i * toArea);
  }
  return out;
};

const resizedKind = (kind: FieldKind | undefined, { to }: Sides): FieldKind =>
  typeof kind === 'object' && 'fixedList' in kind
    ? { ...kind, size: to * to * CHANNELS }
    : (kind ?? { list: 'uint8' });

const resizedSchema = (schema: Schema, columns: readonly string[], sides: Sides): Schema => {
  const fields = schemaFields(schema);
  const image = { height: sides.to, width: sides.to, channels: CHANNELS };
  return defineSchema(
    { ...fields, ...Object.fromEntries(columns.map((name) => [name, resizedKind(fields[name], sides)])) },
    { ...schemaMetadata(schema), ...datasetMetadata({ ...readDatasetMetadata(schema), image }) },
  );
};

/** Bytes of a column, of all rows or of each. */
const resizedColumn = (batch: RecordBatch, name: string, sides: Sides): Uint8Array | Uint8Array[] => {
  const kind = schemaFields(batch.schema)[name];
  const isFixed = typeof kind === 'object' && 'fixedList' in kind;
  return isFixed
    ? resizedSquares(fixedListValues(batch, name) as Uint8Array, sides)
    : Array.from({ length: batch.numRows }, (_, row) =>
        resizedSquares(listRow(batch, name, row) as Uint8Array, sides),
      );
};

const resizedShards = (shards: ShardSet, columns: readonly string[], sides: Sides): ShardSet => {
  const schema = resizedSchema(shards.schema, columns, sides);
  const resize = (batch: RecordBatch): RecordBatch =>
    withColumns(
      batch,
      schema,
      Object.fromEntries(columns.map((name) => [name, resizedColumn(batch, name, sides)])),
    );
  return {
    directory: shards.directory,
    schema,
    manifest: shards.manifest,
    rowCount: shards.rowCount,
    read: async (indices) => resize(await shards.read(indices)),
    async *batches(options) {
      for await (const batch of shards.batches(options)) yield resize(batch);
    },
    cache: () => shards.cache(),
    close: () => shards.close(),
    [Symbol.asyncDispose]: () => shards.close(),
  };
};

/**
 * The suite with images of another side; itself where it has that. Shards are opened, kept and closed by the suite.
 * @param side pixels
 * @throws ConfigError, when shards are asked for, of a kind that does not say where its images are
 */
export const resizedSuite = (data: OpenSuite, side: number): OpenSuite => {
  const { image } = data.suite;
  if (image.height === side && image.width === side) return data;
  const sides = { from: image.height, to: side };
  return {
    ...data,
    suite: { ...data.suite, image: { ...image, height: side, width: side } },
    async shards(dataset, split) {
      const shards = await data.shards(dataset, split);
      const described = suiteDataset(data.suite, dataset);
      const { kind } = described;
      const { pixelColumns } = kindNamed(kind);
      if (pixelColumns) return resizedShards(shards, pixelColumns, sides);
      if (!datasetModalities(described).includes('visual')) return shards;
      throw new ConfigError(
        `image.size: expected a dataset whose kind says where its images are (pixelColumns), got "${dataset}" of kind ${kind}; prepare the suite at ${side} pixels`,
        { code: 'not-resizable', fields: { dataset, kind } },
      );
    },
  };
};
