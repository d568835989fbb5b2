export type { RecordBatch, Schema, Vector } from 'apache-arrow';
export { batchBytes } from './arrow-data.ts';
export { createBatchSource } from './batch-source.ts';
export type { BatchRange, BatchSource, BatchSourceOptions, RowReader } from './batch-source.ts';
export { buildBatch } from './build.ts';
export type { ColumnInput, ListInput } from './build.ts';
export * from './columns.ts';
export { takeRows } from './gather.ts';
export { describeKind } from './kinds.ts';
export type { FieldKind, NumericArray, PrimitiveKind } from './kinds.ts';
export { registerLz4Codec } from './lz4.ts';
export type { Compression } from './lz4.ts';
export type { Manifest } from './manifest.ts';
export { datasetMetadata, readDatasetMetadata, requireTokenizer } from './metadata.ts';
export type { DatasetMetadata } from './metadata.ts';
export { mixBatches } from './mixed-batches.ts';
export type { MixedBatch, MixedOptions, NumberedBatches } from './mixed-batches.ts';
export { createMixture } from './mixture.ts';
export type { Draw, Mixture, MixtureOptions, MixtureSource, MixtureState } from './mixture.ts';
export { batchCount, createPermutation, globalBatch, permute, rankSlice } from './order.ts';
export type { BatchOrder, OrderKey } from './order.ts';
export { mapOrdered } from './ordered.ts';
export type { OrderedOptions, SizedOptions } from './ordered.ts';
export { pipe } from './pipe.ts';
export type { Pipe, Sink, StreamSource } from './pipe.ts';
export { createQuarantine } from './quarantine.ts';
export type { Quarantine, QuarantineOptions, QuarantineReport } from './quarantine.ts';
export { loadOrReplace, replacementIndex } from './replacement.ts';
export type { ReplacementOptions } from './replacement.ts';
export { defineSchema, schemaDifference, schemaFields, schemaMetadata, SCHEMA_VERSION } from './schema.ts';
export type { Fields } from './schema.ts';
export { openShards } from './shard-set.ts';
export type { OpenOptions, ShardSet } from './shard-set.ts';
export { writeShards } from './shard-writer.ts';
export type { WriteOptions } from './shard-writer.ts';
export { collectSink, forEachSink, shardSink } from './sinks.ts';
export { filterStage, mapStage, rebatchStage, stageSchema, withColumns } from './stage.ts';
export type {
  BatchStage,
  ColumnMap,
  FilterOptions,
  SequenceStage,
  Stage,
  StageColumns,
  StageContext,
} from './stage.ts';
