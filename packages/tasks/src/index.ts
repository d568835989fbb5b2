export {
  createCandidateChooser,
  createCandidateSet,
  createSampler,
  nameCandidates,
  vocabularyCandidates,
} from './candidates.ts';
export type {
  CandidateChoice,
  CandidateChooser,
  CandidateSet,
  Sampler,
  TaskTokenizer,
} from './candidates.ts';
export { captionLayout, captionStep, captionVisibility } from './families/image-captioning/caption-layout.ts';
export type {
  CaptionLayout,
  CaptionLayoutOptions,
  CaptionStepOptions,
} from './families/image-captioning/caption-layout.ts';
export { chooseCaption, rowCaptions } from './families/captions.ts';
export { createImageCaptioning } from './families/image-captioning/collate.ts';
export type { ImageCaptioningOptions } from './families/image-captioning/collate.ts';
export { createImageClassification } from './families/image-classification/collate.ts';
export type { ImageClassificationOptions } from './families/image-classification/collate.ts';
export { columnsOf, imageInputOf, imagePatches } from './images.ts';
export { createMaskedLanguageModelling } from './families/masked-language-modelling/collate.ts';
export type { MaskedLanguageOptions } from './families/masked-language-modelling/collate.ts';
export { maskWords, wordSpans } from './families/masked-language-modelling/masking.ts';
export type { MaskedText, MaskingOptions } from './families/masked-language-modelling/masking.ts';
export { createImageTextRetrieval, sameMeaning } from './families/image-text-retrieval/collate.ts';
export type { ImageTextRetrievalOptions } from './families/image-text-retrieval/collate.ts';
export { imageAndTextToText, imageToText, segmentRows, textToText } from './signatures.ts';
export { taskFamilies } from './task.ts';
export type { CollateOptions, Task, TaskBatch, TaskFamily, TaskSettings, TaskTargets } from './task.ts';
export type { ScoredBatch, TaskModel, TrainedTask } from './model.ts';
export { patchStage, tagStage } from './stages.ts';
export type { ColumnStage, PatchStageOptions, TagStageOptions } from './stages.ts';
