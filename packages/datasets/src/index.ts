export { fault } from './sample.ts';
export type { Fault, ImageContent, Reader, ReaderItem, Sample } from './sample.ts';
export * from './readers/image-folder.ts';
export * from './readers/coco-captions.ts';
export * from './readers/captions-csv.ts';
export * from './readers/jsonl-manifest.ts';
export * from './readers/plain-text.ts';
export * from './readers/labelled-tsv.ts';
export * from './readers/webdataset.ts';
export * from './readers/labelled-table.ts';
export * from './readers/sidecar-captions.ts';
export { areIndices, checkClassNames, namesAlike, sortClasses } from './class-names.ts';
export { contentKey } from './content-key.ts';
export { shownKey, type ShownKeyOptions } from './shown-key.ts';
export { listFolder, walkFolder } from './folder-listing.ts';
export type { FolderEntry, FoundFile, LinkOptions } from './folder-listing.ts';
export { isImageName } from './paths.ts';
export { canonicalSplit, knownSplit, orderSplits } from './split-names.ts';
export { readTar } from './tar.ts';
export type { TarEntry, TarOptions } from './tar.ts';
export { decodeImage, isColour } from './image-decode.ts';
export type { DecodedImage, DecodeOptions } from './image-decode.ts';
export { bucketOf, splitByHash } from './split.ts';
export type { SplitPercents } from './split.ts';
export { DATASET_CODE_VERSION, datasetSchema } from './schemas.ts';
export type { DatasetKind, DatasetSchemaOptions } from './schemas.ts';
export { packLines } from './packing.ts';
export type { PackedRow } from './packing.ts';
export { labelledTextBatches, pictureBatches, selectSamples, textBatches } from './rows.ts';
export type {
  FaultHandler,
  LabelledTextOptions,
  PictureOptions,
  RowOptions,
  SampleNote,
  TextOptions,
} from './rows.ts';
export { readSuite, splitFolder, suiteDataset, SUITE_FILE, SUITE_VERSION } from './suite.ts';
export type {
  BaselineScores,
  LabelConflicts,
  SplitOverlap,
  Suite,
  SuiteDataset,
  SuiteImage,
} from './suite.ts';
export { requireOwnSplit } from './own-split.ts';
export { writeSuite } from './write-suite.ts';
export type { SuiteParts } from './write-suite.ts';
export { conceptOf, emojiCaptions, emojiSplits, emojiVendors, loadEmoji } from './mini/emoji.ts';
export type { CaptionOptions, EmojiConcept, EmojiOptions, EmojiSet, EmojiSplit } from './mini/emoji.ts';
export { digitNames, loadMnist } from './mini/mnist.ts';
export type { MnistOptions, MnistSet } from './mini/mnist.ts';
export { isValidationSynset, loadWordNet } from './mini/wordnet.ts';
export type { WordNetOptions, WordNetSet } from './mini/wordnet.ts';
export { FIRST_VALIDATION_CHAPTER, loadMobyDick } from './mini/moby-dick.ts';
export type { MobyDickOptions, MobyDickSet } from './mini/moby-dick.ts';
export { attributionText } from './mini/attribution.ts';
export type { PackageKey } from './mini/attribution.ts';
export type { PackageOptions } from './mini/packages.ts';
export { pins } from './mini/pins.ts';
