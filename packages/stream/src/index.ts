export type { RecordBatch, Schema, Vector } from 'apache-arrow';
export { batchBytes } from './arrow-data.ts';
export * from './batch-source.ts';
export { buildBatch } from './build.ts';
export type { ColumnInput, ListInput } from './row-types.ts';
export { type ChosenRowsOptions, chosenRows } from './chosen-rows.ts';
export * from './columns.ts';
export { takeRows } from './gather.ts';
export { describeKind, type FieldKind, type NumericArray, type PrimitiveKind } from './kinds.ts';
export { type Compression, registerLz4Codec } from './lz4.ts';
export { contentHash, manifestPath } from './manifest.ts';
export type { BatchExtent, Extent, Manifest, ShardEntry } from './manifest.ts';
export { fromRows, type Rows, type RowSource, type RowSourceOptions } from './row-source.ts';
export type { ColumnOf, ColumnsOf, Row, RowOf, ValueOf } from './row-types.ts';
export { type ArrowRows, type ArrowTable, openArrowTable } from './foreign/arrow-table.ts';
export type { ValueType } from './foreign/arrow-types.ts';
export { type ArrowFile, type ArrowFileOptions, arrowFileSink } from './arrow-file.ts';
export { type DatasetMetadata, datasetMetadata, readDatasetMetadata, requireTokenizer } from './metadata.ts';
export * from './mixed-batches.ts';
export * from './mixture.ts';
export * from './order.ts';
export { mapOrdered, type OrderedOptions, type SizedOptions } from './ordered.ts';
export { type Pipe, pipe, type Sink, type StreamSource } from './pipe.ts';
export * from './quarantine.ts';
export { defineSchema, type Fields, SCHEMA_VERSION, type TypedSchema } from './schema.ts';
export { schemaDifference, schemaFields, schemaMetadata } from './schema.ts';
export { type OpenOptions, openShards, type ShardSet } from './shard-set.ts';
export { type WriteOptions, writeShards } from './shard-writer.ts';
export * from './sinks.ts';
export {
  type BatchStage,
  type SequenceStage,
  type Stage,
  type StageColumns,
  type StageContext,
} from './stage.ts';
export { type ColumnMap, filterStage, type FilterOptions, mapStage, rebatchStage } from './stage.ts';
export { stageSchema, withColumns } from './stage.ts';
export type { NumberStatistics, StoredInput, TableColumn } from './stored-input.ts';
