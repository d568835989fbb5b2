export { applyOverrides } from './recipe-overrides.ts';
export { defineRecipe, parseRecipe, parseStoredRecipe, recipeSchema } from './recipe.ts';
export type { Recipe, RecipeInput } from './recipe.ts';
export { parseConfig, serializeConfig } from './models/config-file.ts';
export type { ModelConfig, ModelImage } from './models/model-config.ts';
export { modelNamed, modelNames, registerModel } from './models/registry.ts';
export type { ModelArchitecture, ModelData, ModelParts, ModelSize } from './models/architecture.ts';
export type {
  EpochEnd,
  ExportChoice,
  ExportedModel,
  Generalist,
  LowRankExport,
  ModelEmbedding,
  ModelExports,
  ModelLoss,
  ModelLossOptions,
  ModelRouting,
  StartOptions,
  StartReport,
  TuningChoice,
} from './models/model.ts';
export { architectureOf, configureModel, standInData } from './models/model-settings.ts';
export type { ModelSettings } from './models/model-settings.ts';
export { requireLoss } from './models/known-losses.ts';
export { encoderOf } from './models/uni-perceiver/encoder-of.ts';
export type { UniPerceiverConfig } from './models/uni-perceiver/uni-perceiver-config.ts';
export { exportMerged } from './models/uni-perceiver/export-merged.ts';
export { initialize, settingsOfStart } from './models/initialize.ts';
export type { InitializeOptions, StartChoice } from './models/initialize.ts';
export { describeInitialization } from './models/initialization.ts';
export type { Initialization, TransferGroup } from './models/initialization.ts';
export { taskSegments } from './task-segments.ts';
export { servesFamily, warnUntrained } from './serving.ts';
export { createUniPerceiverModel, UniPerceiverModel } from './models/uni-perceiver/uni-perceiver-model.ts';
export {
  createModel,
  loadModel,
  modelSize,
  modelFiles,
  modelFolderOf,
  readModelConfig,
  saveModel,
  tuneModel,
} from './models/model-folder.ts';
export { packagedModel } from './models/model-package.ts';
export type { SaveModelOptions } from './models/model-folder.ts';
export { openAdapter, saveAdapter, weightsHashes } from './models/adapter-folder.ts';
export type { AdapterBase } from './models/adapter-folder.ts';
export { savePeftAdapter } from './models/peft-folder.ts';
export { encodeCandidates, encodeFeatures } from './models/uni-perceiver/features.ts';
export type { FeatureOptions } from './models/uni-perceiver/features.ts';
export { measureTaskBatch } from './models/uni-perceiver/loss.ts';
export { createTelemetrySchedule } from './models/telemetry-schedule.ts';
export type { TelemetryScheduleOptions } from './models/telemetry-schedule.ts';
export { registerTuningMethod, tuningMethodNamed, tuningMethodNames } from './tuning/registry.ts';
export type { TuneInput, TuneSettings } from './tuning/registry.ts';
export type {
  AdapterFold,
  AdapterForm,
  AdapterParts,
  LinearPlace,
  LiveAdapter,
  LowRankFactors,
  LowRankForm,
  LowRankRule,
  TuningContext,
  TuningMethod,
} from './tuning/tuning-method.ts';
export { describeAdapter } from './tuning/adapter.ts';
export type { Adapter, AdapterDescription } from './tuning/adapter.ts';
export { describeOverfitting, overfittingOf, readOverfitting } from './overfitting.ts';
export type { Overfitting } from './overfitting.ts';
export { openSuite } from './suite-data.ts';
export { resizedSuite } from './resized-suite.ts';
export { requireSuiteOf } from './suite-fit.ts';
export type { OpenSuite } from './suite-data.ts';
export { areFewImages, smallImages } from './small-images.ts';
export type { FittedRecipe, ImageCounts, SmallImagesOptions, TunedBy } from './small-images.ts';
export { defaultTasks, familyKinds, fitTasks, makeTask, trainedTasks } from './task-recipes.ts';
export type { TaskContext } from './task-recipes.ts';
export { buildTaskSources, labelFrequencies, tasksOf } from './task-sources.ts';
export type { TaskSourceOptions } from './task-sources.ts';
export { subsetsOf } from './task-subsets.ts';
export type { TaskSubset } from './task-subsets.ts';
export { readImage } from './images.ts';
export { predictorOf } from './predictor.ts';
export type { ImageSources, Predictor, PredictorOptions, PredictorVerbs } from './predictor.ts';
export type { ImageSource, ReadImageOptions } from './images.ts';
export { parseTasks } from './described-tasks.ts';
export { evaluateSuite, scoringFamilies } from './evaluate-suite.ts';
export type { EvaluateOptions } from './evaluate-suite.ts';
export { probeSuite } from './probe-suite.ts';
export type { ProbeOptions } from './probe-suite.ts';
export { encodeStage, scoreStage } from './stages.ts';
export type { EncodeStageOptions, ModelStage, ScoreStageOptions } from './stages.ts';
