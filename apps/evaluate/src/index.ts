export { evaluate } from './evaluate.ts';
export type { EvaluateContext, EvaluateOptions, EvaluateResult } from './evaluate.ts';
export { formatReport } from './report.ts';
export type { ReportFacts } from './report.ts';
export { drawSheet } from './sheet.ts';
export type { SheetEntry, SheetSection } from './sheet-entries.ts';
