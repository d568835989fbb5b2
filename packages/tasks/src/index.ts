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
export { captionLayout, captionStep, captionVisibility } from './caption-layout.ts';
export type { CaptionLayout, CaptionLayoutOptions, CaptionStepOptions } from './caption-layout.ts';
export { chooseCaption, rowCaptions } from './captions.ts';
export { createImageCaptioning } from './captioning.ts';
export type { ImageCaptioningOptions } from './captioning.ts';
export { createImageClassification } from './classification.ts';
export type { ImageClassificationOptions } from './classification.ts';
export { imageInputOf, imageNetMean, imageNetStd, imagePatches, resolveImageInput } from './image-input.ts';
export type { ImageInput, ImagePatchOptions, ResolvedImageInput } from './image-input.ts';
export { createMaskedLanguageModelling } from './masked-language.ts';
export type { MaskedLanguageOptions } from './masked-language.ts';
export { maskWords, wordSpans } from './masking.ts';
export type { MaskedText, MaskingOptions } from './masking.ts';
export { createImageTextRetrieval, sameMeaning } from './retrieval.ts';
export type { ImageTextRetrievalOptions } from './retrieval.ts';
export { endedTokens, imageSequences, takeSequences, textSequences, visualPart } from './sequence.ts';
export type {
  ImagePatches,
  PatchGrid,
  SequenceBatch,
  TextPart,
  TextSequenceOptions,
  VisualPart,
} from './sequence.ts';
export { imageAndTextToText, imageToText, segmentRows, textToText } from './signatures.ts';
export { taskFamilies } from './task.ts';
export type { CollateOptions, Task, TaskBatch, TaskFamily, TaskSettings, TaskTargets } from './task.ts';
export { patchStage, tagStage } from './stages.ts';
export type { ColumnStage, PatchStageOptions, TagStageOptions } from './stages.ts';
