export { runInterference } from './run-interference.ts';
export type { RunInterferenceOptions } from './run-interference.ts';
export { firstOrderChanges } from './first-order.ts';
export type { FirstOrderOptions } from './first-order.ts';
export { interferenceMatrix } from './interference-matrix.ts';
export type {
  Estimate,
  InterferenceCell,
  InterferenceMatrix,
  InterferenceOptions,
  LossChanges,
} from './interference-matrix.ts';
export {
  INTERFERENCE_FILE,
  plainMatrix,
  readInterference,
  writeInterference,
} from './interference-record.ts';
export type { InterferenceRecord, SiteRecord } from './interference-record.ts';
export { measureInterference } from './measure-interference.ts';
export type { MeasureOptions, SiteInterference } from './measure-interference.ts';
export { weightSites } from './weight-site.ts';
export type { SiteOptions, WeightSite } from './weight-site.ts';
export {
  generalisationGap,
  gradientBlend,
  gradientCosine,
  purityHistogram,
  signPurity,
  taskAffinity,
} from './gradient-agreement.ts';
export type { FittedLosses } from './gradient-agreement.ts';
export { measureDiagnostics } from './measure-diagnostics.ts';
export type {
  AgreementRecord,
  DiagnosedTask,
  Diagnostics,
  DiagnosticsOptions,
  FitRecord,
  ModalityRecord,
  TaskDiagnostics,
} from './measure-diagnostics.ts';
export { DIAGNOSTICS_FILE, readDiagnostics, writeDiagnostics } from './diagnostics-record.ts';
export type { DiagnosticsRecord } from './diagnostics-record.ts';
export { runDiagnostics } from './run-diagnostics.ts';
export type { RunDiagnosticsOptions } from './run-diagnostics.ts';
