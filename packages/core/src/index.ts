export {
  ConfigError,
  EngineError,
  errorAt,
  FormatError,
  nearestName,
  PolygateError,
  ShapeError,
  StateError,
  unknownName,
} from './errors.ts';
export type { ErrorFields, ErrorOptions } from './errors.ts';
export { createRandom, hash32, hashText, restoreRandom } from './random.ts';
export type { Random, RandomState } from './random.ts';
export { createBatchRandom, drawn, partRandom, rowRandom, rowRandoms, sharedRandom } from './batch-random.ts';
export { followRandom, type FollowedRandom } from './followed-random.ts';
export type { BatchRandom, BatchRandomOptions } from './batch-random.ts';
export { formatDuration, parseDuration, toSteps } from './duration.ts';
export { textTable } from './text-table.ts';
export type { Duration, DurationContext } from './duration.ts';
export { consoleLogger } from './console-logger.ts';
export { createLogger, silentLogger } from './logger.ts';
export type { Logger, LogLevel } from './logger.ts';
export { memoryMetricSink } from './metrics.ts';
export type { MetricRecord, MetricSink } from './metrics.ts';
export { silentProgress } from './progress.ts';
export type { Progress, ProgressReport } from './progress.ts';
export { sealJson, sealOf } from './sealed-json.ts';
export { crc32, sha256 } from '#hashes';
export { excerpt, MAX_JSON_DEPTH, parseJson } from './json.ts';
export type { ParseJsonOptions } from './json.ts';
export { ownValue } from './own-value.ts';
export { checkSettings, laySettings } from './settings.ts';
export type { SettingsSchema } from './settings.ts';
export { repeatedKey } from './json-keys.ts';
export { defaultBudgets, overBudget, resolveBudgets } from './budgets.ts';
export type { Budgets } from './budgets.ts';
export { ByteGate } from './byte-gate.ts';
export { isPlainName } from './plain-name.ts';
export { createRegistry, madeOfRecords } from './registry.ts';
export { noteOrigin, originOf, pendingAnswers } from './record-guard.ts';
export type { PendingAnswer, RecordOrigin } from './record-guard.ts';
export {
  call,
  callNow,
  callWith,
  listOf,
  oneOf,
  optional,
  recordOf,
  requireFit,
  ruleOf,
  rules,
  settingShape,
  shaped,
  streamOf,
} from './record-shape.ts';
export type { Misfit, RecordShape, Rule, RuleFields } from './record-shape.ts';
export type { NamedRecord, Registry } from './registry.ts';
export { requireNumber, requireWhole } from './bounds.ts';
export type { NumberBounds } from './bounds.ts';
export { formatBytes, requireMemory } from './memory-need.ts';
export type { MemoryNeed } from './memory-need.ts';
export { findDisagreement, gatherJson } from './ranks/agreement.ts';
export type { Disagreement } from './ranks/agreement.ts';
export { aloneCommunicator, createCommunicator, rankFailed } from './ranks/communicator.ts';
export type {
  CollectiveArray,
  Communicator,
  CommunicatorOptions,
  RankTransport,
  Reduction,
} from './ranks/communicator.ts';
export { informedPart, rehearsePart } from './ranks/part-exchange.ts';
export type { GatheredRows, PartExchange, PartTold } from './ranks/part-exchange.ts';
export { inProcessCommunicators } from './ranks/in-process.ts';
