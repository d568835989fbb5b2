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
export { createShared, groupsOf, MOST_BASELINE_ROWS } from './evaluation/context.ts';
export type { DescribedTask, SplitContext, SplitData } from './evaluation/context.ts';
export { scoredTask } from './evaluation/scored-task.ts';
export type { ScoredTask } from './evaluation/scored-task.ts';
export { splitBatches } from './evaluation/split-rows.ts';
export type { SplitOptions } from './evaluation/split-rows.ts';
export { defineTaskFamily } from './families/family.ts';
export type {
  DescribedDataset,
  LabelCounts,
  SampleSize,
  SettingFields,
  SettingsOf,
  SizeInput,
  TaskContext,
  TaskFamily,
  TaskSegment,
} from './families/family.ts';
export {
  familySegments,
  hasTaskFamily,
  registerTaskFamily,
  requireRegisteredParts,
  taskFamilies,
  taskFamilyNamed,
  taskFamilyNames,
  taskPredictors,
  taskRecipeSchema,
  temperatureOf,
} from './families/registry.ts';
export type { NamedPredictor, NamedTaskFamilies, TaskRecipe, TaskRecipeInput } from './families/registry.ts';
export type {
  FamilyPredictor,
  FilePredictor,
  RowAnswers,
  FileReading,
  GalleryItems,
  GalleryPredictor,
  ImagePredictor,
  PredictOption,
  PredictOptions,
  TextPredictor,
} from './families/predictor.ts';
export { augmentation, candidates, commonSettings, generation, maximumTokens } from './families/settings.ts';
export type { CommonSettings, FamilyDefaults } from './families/settings.ts';
export type { FamilySheet, SheetAnswer, SheetContext } from './families/sheet.ts';
export { chooseCaption, rowCaptions } from './families/captions.ts';
export { captionLayout, captionVisibility } from './families/image-captioning/caption-layout.ts';
export type { CaptionLayout, CaptionLayoutOptions } from './families/image-captioning/caption-layout.ts';
export { createImageCaptioning } from './families/image-captioning/collate.ts';
export type { ImageCaptioningOptions } from './families/image-captioning/collate.ts';
export { caption } from './families/image-captioning/predict.ts';
export type { CaptionOptions, CaptionPrediction } from './families/image-captioning/predict.ts';
export { createImageClassification } from './families/image-classification/collate.ts';
export type { ImageClassificationOptions } from './families/image-classification/collate.ts';
export { columnsOf, imageInputOf, imagePatches } from './images.ts';
export { classify } from './families/image-classification/predict.ts';
export {
  chosenLabels,
  formatLabels,
  labelsOption,
  rankedLabels,
  rankedRows,
} from './families/label-answers.ts';
export type { ChosenLabels, LabelChoice, LabelPrediction } from './families/label-answers.ts';
export { createImageTextRetrieval, sameTextMask } from './families/image-text-retrieval/collate.ts';
export type { ImageTextRetrievalOptions } from './families/image-text-retrieval/collate.ts';
export { retrieve, retrieveTexts } from './families/image-text-retrieval/predict.ts';
export type { ImageMatch, TextChoice, TextQuery } from './families/image-text-retrieval/predict.ts';
export { createMaskedLanguageModelling } from './families/masked-language-modelling/collate.ts';
export type { MaskedLanguageOptions } from './families/masked-language-modelling/collate.ts';
export { maskWords, wordSpans } from './families/masked-language-modelling/masking.ts';
export type { MaskedText, MaskingOptions } from './families/masked-language-modelling/masking.ts';
export { fill } from './families/masked-language-modelling/predict.ts';
export type { FillOptions, WordPrediction } from './families/masked-language-modelling/predict.ts';
export {
  clozeFormOf,
  clozePresetNamed,
  clozePresetNames,
  registerClozePreset,
} from './families/text-classification/cloze-presets.ts';
export type {
  ClozeChoice,
  ClozeForm,
  ClozePreset,
  TextScore,
} from './families/text-classification/cloze-presets.ts';
export { createTextClassification } from './families/text-classification/collate.ts';
export type { TextClassificationOptions } from './families/text-classification/collate.ts';
export { classifyTexts } from './families/text-classification/predict.ts';
export type { TextLabelOptions } from './families/text-classification/predict.ts';
export { joinPatches, patchesOf } from './image-patches.ts';
export { beamSearch } from './generation/beam-search.ts';
export type { NextTokens, SearchOptions, WrittenText } from './generation/beam-search.ts';
export { generate } from './generation/generate.ts';
export type { GenerateOptions } from './generation/generate.ts';
export { generationFlags } from './generation/generation-flags.ts';
export { generationSettings, resolveGeneration } from './generation/generation-options.ts';
export type { GenerationOptions, ResolvedGeneration } from './generation/generation-options.ts';
export type { DecoderOptions, TextDecoder, TextStart } from './generation/text-decoder.ts';
export type { TextRow, TokenRoles } from './generation/token-rules.ts';
export { textStep, wholeDecoder } from './generation/whole-decoder.ts';
export type { TextStep, TextStepOptions } from './generation/whole-decoder.ts';
export type { ScoredBatch, ScoreOptions, TaskModel, TrainedTask } from './model.ts';
export { softmaxRows, topIndices } from './scores.ts';
export { imageAndTextToText, imageToText, segmentRows, textToText } from './signatures.ts';
export { servedTask, servingTask } from './serving.ts';
export type { ServingOptions } from './serving.ts';
export { defineTask } from './task.ts';
export type {
  CollatedRows,
  CollateOptions,
  Task,
  TaskBatch,
  TaskFacts,
  TaskSettings,
  TaskTargets,
} from './task.ts';
export { patchStage, tagStage } from './stages.ts';
export type { ColumnStage, PatchStageOptions, TagStageOptions } from './stages.ts';
export { cutTaskBatch } from './task-parts.ts';
export type { TaskPart } from './task-parts.ts';
