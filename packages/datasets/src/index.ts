export { fault } from './samples/sample.ts';
export type { Fault, ImageContent, Reader, ReaderItem, Sample, SampleContent } from './samples/sample.ts';
export * from './readers/image-folder.ts';
export * from './readers/coco-captions.ts';
export * from './readers/captions-csv.ts';
export * from './readers/jsonl-manifest.ts';
export * from './readers/plain-text.ts';
export * from './readers/labelled-tsv.ts';
export * from './readers/webdataset.ts';
export * from './readers/labelled-table.ts';
export { readZip, type ZipEntry } from './arrays/zip.ts';
export { openParquetFile, type ParquetFile } from './parquet/parquet-file.ts';
export { openParquet, type ParquetOptions } from './readers/parquet.ts';
export { openIdx, type IdxOptions } from './readers/idx.ts';
export { type NumpyArraysOptions, openNumpyArrays } from './readers/numpy-arrays.ts';
export { type ImageMetadataOptions, openImageMetadata } from './readers/image-metadata.ts';
export { type CaptionListOptions, openCaptionList } from './readers/caption-list.ts';
export { type GlueOptions, openGlue } from './readers/glue/glue.ts';
export { glueTaskNamed, glueTasks, type GlueTask } from './readers/glue/glue-tasks.ts';
export { type KineticsOptions, openKinetics } from './readers/kinetics.ts';
export { type MsrVttOptions, openMsrVtt } from './readers/msr-vtt.ts';
export { type MsvdOptions, openMsvd } from './readers/msvd.ts';
export { openVideoCaptionsCsv, type VideoCaptionsCsvOptions } from './readers/video-captions-csv.ts';
export { openTextFolder, type TextFolderOptions } from './readers/text-folder.ts';
export { openSavedDataset, type SavedDatasetOptions } from './readers/saved-dataset.ts';
export type { ValueReader, ValueReaderOptions } from './values/value-reader.ts';
export type { ValueColumn, ValueRows, ValueType } from './values/value-type.ts';
export * from './readers/sidecar-captions.ts';
export { defineReader, isDatasetPlan } from './readers/dataset-reader.ts';
export type {
  DatasetReader,
  OpenedReader,
  ReaderContext,
  ReaderFit,
  ReaderSettings,
  SourceInput,
} from './readers/dataset-reader.ts';
export { allReaders, readerNamed, readerNames, registerReader } from './readers/reader-registry.ts';
export type { NamedReaders } from './readers/reader-registry.ts';
export * from './readers/reader-settings.ts';
export { surveyPath } from './survey/survey-path.ts';
export { unreadFile, type UnreadFile } from './survey/unread-file.ts';
export type { PathSurvey, SurveyedFile, SurveyedTable } from './survey/path-survey.ts';
export type { DatasetPlan, PlanPart } from './suite/dataset-plan.ts';
export { areIndices, checkClassNames, namesAlike, sortClasses } from './samples/class-names.ts';
export { contentKey } from './splits/content-key.ts';
export { shownKey, type ShownImages, type ShownKeyOptions } from './splits/shown-key.ts';
export { listFolder, walkFolder } from './files/folder-listing.ts';
export type { FolderEntry, FoundFile, LinkOptions } from './files/folder-listing.ts';
export { isImageName } from './files/paths.ts';
export { canonicalSplit, knownSplit, orderSplits } from './splits/split-names.ts';
export { readTar } from './archives/tar.ts';
export type { TarEntry, TarOptions } from './archives/tar.ts';
export { decodeImage, isColour } from './images/image-decode.ts';
export type { DecodedImage, DecodeOptions } from './images/image-decode.ts';
export { bucketOf, splitByHash } from './splits/split.ts';
export type { SplitPercents } from './splits/split.ts';
export { DATASET_CODE_VERSION, datasetSchema } from './suite/schemas.ts';
export type { DatasetSchemaOptions } from './suite/schemas.ts';
export type {
  BaselineContext,
  ColumnOptions,
  DatasetKind,
  KindRowOptions,
  KindSection,
  KindSettings,
  ShownOptions,
  SyntheticOptions,
} from './kinds/dataset-kind.ts';
export { datasetModalities, kindNamed, kindNames, registerKind } from './kinds/kind-registry.ts';
export { sampleOfFile } from './multimodal/sample-of-file.ts';
export { samplesOfTable } from './multimodal/samples-of-table.ts';
export type { TableSample } from './multimodal/samples-of-table.ts';
export { kindSettings } from './kinds/kind-settings.ts';
export { packLines } from './kinds/packing.ts';
export type { PackedRow } from './kinds/packing.ts';
export { batchRows } from './kinds/row-batches.ts';
export { firstCaption } from './kinds/thumbnails.ts';
export type { Thumbnails } from './kinds/thumbnails.ts';
export type { Row, RowOptions, SampleNote } from './kinds/row-batches.ts';
export { imageBatches } from './kinds/image-rows.ts';
export type { ImageRowOptions } from './kinds/image-rows.ts';
export { labelledTextBatches } from './kinds/labelled-text.ts';
export type { LabelledTextOptions } from './kinds/labelled-text.ts';
export { textBatches } from './kinds/text.ts';
export type { TextOptions } from './kinds/text.ts';
export { clipOfRow, clipSamplingOf, videoSection } from './kinds/clip-rows.ts';
export { clipContent } from './video/clip-content.ts';
export { clipPaths } from './video/clip-paths.ts';
export { decodeClip } from './video/clip-decode.ts';
export type { DecodeClipOptions, DecodedClip } from './video/clip-decode.ts';
export { sampledFrames } from './video/clip-sampling.ts';
export type { ClipSampling } from './video/clip-sampling.ts';
export { videoExtensions } from './video/ffmpeg.ts';
export type { VideoPrograms } from './video/ffmpeg.ts';
export { openVideoFolder } from './readers/video-folder.ts';
export type { VideoFolderOptions } from './readers/video-folder.ts';
export { selectSamples } from './samples/select-samples.ts';
export type { FaultHandler } from './samples/select-samples.ts';
export { readSuite, splitFolder, suiteDataset, SUITE_FILE, SUITE_VERSION } from './suite/suite.ts';
export type {
  BaselineScores,
  LabelConflicts,
  SplitOverlap,
  Suite,
  SuiteDataset,
  SuiteImage,
} from './suite/suite.ts';
export { requireOwnSplit } from './suite/split-files.ts';
export { writeSuite } from './suite/write-suite.ts';
export type { SuiteParts } from './suite/write-suite.ts';
export { conceptOf, emojiCaptions, emojiSplits, loadEmoji } from './mini/emoji.ts';
export { emojiVendors } from './mini/emoji-vendor.ts';
export type { CaptionOptions, EmojiConcept, EmojiOptions, EmojiSet, EmojiSplit } from './mini/emoji.ts';
export { digitNames } from './mini/digits.ts';
export { loadMnist } from './mini/mnist.ts';
export type { MnistOptions, MnistSet } from './mini/mnist.ts';
export { isValidationSynset, loadWordNet } from './mini/wordnet.ts';
export type { WordNetOptions, WordNetSet } from './mini/wordnet.ts';
export { FIRST_VALIDATION_CHAPTER, loadMobyDick } from './mini/moby-dick.ts';
export type { MobyDickOptions, MobyDickSet } from './mini/moby-dick.ts';
export { attributionText } from './mini/attribution.ts';
export type { MiniSet } from './mini/mini-set.ts';
export { checkLeakage } from './mini/rules/check-rules.ts';
export type { RuleResult } from './mini/rules/check-rules.ts';
export { disjointColumn } from './mini/rules/disjoint-column.ts';
export type { DisjointColumnOptions } from './mini/rules/disjoint-column.ts';
export type { LeakageFinding, LeakageRule } from './mini/rules/leakage-rule.ts';
export { leakageRules, registerLeakageRule } from './mini/rules/rule-registry.ts';
export type { SuiteLine, SuiteRows } from './mini/rules/suite-rows.ts';
export { compareDesigned } from './mini/designed-counts.ts';
export type { ComparedNumber } from './mini/designed-counts.ts';
export { registerRunningText, runningTextNamed, runningTextNames } from './mini/texts/text-registry.ts';
export type { LoadTextOptions, RunningText, TextSide } from './mini/texts/running-text.ts';
export {
  registerUnderstandingTask,
  understandingTaskNamed,
  understandingTaskNames,
} from './mini/glue/task-registry.ts';
export type { LoadTaskOptions, TaskSide, UnderstandingTask } from './mini/glue/understanding-task.ts';
export type { PackageFiles, PackageOptions } from './mini/fetch/package-files.ts';
export { isArchive } from './mini/sources/data-source.ts';
export type { Credit, DataSource, PinnedArchive, PinnedPackage } from './mini/sources/data-source.ts';
export { dataSourceNamed, dataSourceNames, registerDataSource } from './mini/sources/source-registry.ts';
export { formatSubsetList, parseSubsetList, rowsOfList } from './subsets/subset-list.ts';
export type { SubsetList } from './subsets/subset-list.ts';
export { chooseSubset } from './subsets/subset-rule.ts';
export type { ChosenRows, SubsetCandidate, SubsetRule, SubsetUnit } from './subsets/subset-rule.ts';
