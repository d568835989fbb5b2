export { predictCaption, predictClass, predictFill, predictRetrieval } from './predict.ts';
export type {
  CaptionImageOptions,
  ClassifyOptions,
  FillOptions,
  RetrievedPicture,
  Retrieval,
  RetrieveOptions,
} from './predict.ts';
export { formatCaption, formatClass, formatFill, formatRetrieval } from './format.ts';
export type { PredictContext, PredictOptions } from './session.ts';
