export { predictCaption, predictClass, predictFill, predictRetrieval } from './predict.ts';
export type {
  CaptionImageOptions,
  ClassifyOptions,
  FillOptions,
  RetrievedPicture,
  Retrieval,
  RetrieveOptions,
} from './predict.ts';
export { exportRun } from './export-run.ts';
export type { ExportOptions, ExportResult } from './export-run.ts';
export { formatCaption, formatClass, formatExport, formatFill, formatRetrieval } from './format.ts';
export type { PredictContext, PredictOptions } from './session.ts';
