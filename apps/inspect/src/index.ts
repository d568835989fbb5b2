export { formatDiagnostics, inspectDiagnostics } from './inspect-diagnostics.ts';
export type { DiagnosticsStageOptions, DiagnosticsStageResult } from './inspect-diagnostics.ts';
export { inspectInterference } from './inspect-interference.ts';
export type {
  InspectContext,
  InterferenceStageOptions,
  InterferenceStageResult,
} from './inspect-interference.ts';
export { formatInterference } from './interference-table.ts';
export { inspectReport } from './inspect-report.ts';
export type { ReportStageOptions, ReportStageResult } from './inspect-report.ts';
