export {
  predictFiles,
  predictGallery,
  predictImage,
  predictImages,
  predictTable,
  predictTexts,
} from './predict.ts';
export type {
  FilesOptions,
  GalleryOptions,
  ImageOptions,
  ImagesOptions,
  RetrievedImage,
  Retrieval,
  TableOptions,
  TextsOptions,
  VerbOptions,
} from './predict.ts';
export type { ImagePrediction, ImagePredictions, SkippedImage } from './predict-each.ts';
export { exportForms, exportRun } from './export-run.ts';
export type { ExportForm, ExportOptions, ExportResult } from './export-run.ts';
export { formatExport, formatImages, formatRetrieval } from './format.ts';
export type { PredictContext, PredictOptions } from './session.ts';
