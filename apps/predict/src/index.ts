export {
  predictCaption,
  predictCaptions,
  predictClass,
  predictClasses,
  predictFill,
  predictRetrieval,
} from './predict.ts';
export type {
  CaptionImageOptions,
  CaptionManyOptions,
  CaptionSearch,
  ClassifyManyOptions,
  ClassifyOptions,
  FillOptions,
  PicturesOptions,
  RetrievedPicture,
  Retrieval,
  RetrieveOptions,
} from './predict.ts';
export type { PicturePrediction, PicturePredictions, SkippedPicture } from './predict-each.ts';
export { exportRun } from './export-run.ts';
export type { ExportOptions, ExportResult } from './export-run.ts';
export {
  formatCaption,
  formatClass,
  formatExport,
  formatFill,
  formatPictures,
  formatRetrieval,
} from './format.ts';
export type { PredictContext, PredictOptions } from './session.ts';
