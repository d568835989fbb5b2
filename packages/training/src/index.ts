export { train } from './train.ts';
export { resumeModes } from './run-options.ts';
export type {
  BatchContext,
  BatchMeasure,
  BatchPart,
  ExtraState,
  LossContext,
  LossResult,
  LossWeights,
  RankOptions,
  ReplayOptions,
  ResumeMode,
  StepContext,
  StepReport,
  TrainCallback,
  TrainOptions,
  TrainResult,
  TrainSource,
} from './run-options.ts';
export type { BestOptions, BestState } from './best-score.ts';
export { lockRun } from './run-lock.ts';
export {
  bestCheckpoint,
  checkpointFolder,
  checkpointState,
  clearLeftovers,
  latestCheckpoint,
  listCheckpoints,
  readCheckpoint,
  writeCheckpoint,
} from './checkpoint.ts';
export type { Checkpointed, WriteCheckpointOptions } from './checkpoint.ts';
export {
  damagedCheckpoint,
  readState,
  requireRun,
  STATE_FILE,
  STATE_VERSION,
  verifyFiles,
} from './checkpoint-state.ts';
export type { CheckpointBase, CheckpointPlace, RunState } from './checkpoint-state.ts';
export { baseOf, requireBase } from './checkpoint-base.ts';
export { METRICS_FILE, readMetricRecords, truncateMetrics } from './metrics-file.ts';
export { sourceRandom, type SourceDraw } from './source-random.ts';
export { streamSource } from './stream-source.ts';
export type { Collate, StreamSourceOptions } from './stream-source.ts';
