export { fault } from './sample.ts';
export type { Fault, ImageContent, Reader, ReaderItem, Sample } from './sample.ts';
export { openImageFolder } from './readers/image-folder.ts';
export type { ImageFolderOptions } from './readers/image-folder.ts';
export { openCocoCaptions } from './readers/coco-captions.ts';
export type { CocoCaptionsOptions } from './readers/coco-captions.ts';
export { openCaptionsCsv } from './readers/captions-csv.ts';
export type { CaptionsCsvOptions } from './readers/captions-csv.ts';
export { openJsonlManifest } from './readers/jsonl-manifest.ts';
export type { JsonlManifestOptions } from './readers/jsonl-manifest.ts';
export { openPlainText } from './readers/plain-text.ts';
export type { PlainTextOptions } from './readers/plain-text.ts';
export { openLabelledTsv } from './readers/labelled-tsv.ts';
export type { LabelledTsvOptions } from './readers/labelled-tsv.ts';
export { openWebDataset } from './readers/webdataset.ts';
export type { WebDatasetOptions } from './readers/webdataset.ts';
export { readTar } from './tar.ts';
export type { TarEntry, TarOptions } from './tar.ts';
export { decodeImage } from './image-decode.ts';
export type { DecodedImage, DecodeOptions } from './image-decode.ts';
export { bucketOf, splitByHash } from './split.ts';
export type { SplitPercents } from './split.ts';
export { DATASET_CODE_VERSION, datasetSchema } from './schemas.ts';
export type { DatasetKind, DatasetSchemaOptions } from './schemas.ts';
export { packLines } from './packing.ts';
export type { PackedRow } from './packing.ts';
export { labelledTextBatches, pictureBatches, selectSamples, textBatches } from './rows.ts';
export type { FaultHandler, LabelledTextOptions, PictureOptions, RowOptions, TextOptions } from './rows.ts';
export {
  majorityAccuracy,
  mostFrequentText,
  pixelNearestNeighbourAccuracy,
  shrinkPicture,
} from './baselines.ts';
export type { LabelledPictures } from './baselines.ts';
export { readSuite, splitFolder, suiteDataset, SUITE_FILE, SUITE_VERSION } from './suite.ts';
export type { BaselineScores, Suite, SuiteDataset } from './suite.ts';
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
