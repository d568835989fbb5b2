export { inspectInterference } from './inspect-interference.ts';
export type {
  InspectContext,
  InterferenceStageOptions,
  InterferenceStageResult,
} from './inspect-interference.ts';
export { firstOrderChanges } from './interference/first-order.ts';
export type { FirstOrderOptions } from './interference/first-order.ts';
export { interferenceMatrix } from './interference/interference-matrix.ts';
export type {
  Estimate,
  InterferenceCell,
  InterferenceMatrix,
  InterferenceOptions,
  LossChanges,
} from './interference/interference-matrix.ts';
export { readInterference } from './interference/interference-record.ts';
export type { InterferenceRecord, SiteRecord } from './interference/interference-record.ts';
export { formatInterference } from './interference/interference-table.ts';
export { measureInterference } from './interference/measure-interference.ts';
export type { MeasureOptions, SiteInterference } from './interference/measure-interference.ts';
export { weightSites } from './interference/weight-site.ts';
export type { SiteOptions, WeightSite } from './interference/weight-site.ts';
export { inspectReport } from './inspect-report.ts';
export type { ReportStageOptions, ReportStageResult } from './inspect-report.ts';
