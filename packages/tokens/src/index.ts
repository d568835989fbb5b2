export { createTokenizer, endoftextToken, speToken } from './tokenizer.ts';
export type { TokenizerModel } from './tokenizer-model.ts';
export type { SpecialIds, Tokenizer } from './tokenizer.ts';
export type { AddedTokenJson, TokenizerJson } from './tokenizer-json.ts';
export { loadTokenizer, requireTokenizerHash, saveTokenizer } from './tokenizer-file.ts';
export type { LoadTokenizerOptions } from './tokenizer-file.ts';
export { tokenizerConfig } from './tokenizer-config.ts';
export type { TokenizerConfigJson } from './tokenizer-config.ts';
export { trainTokenizer } from './tokenizer-trainer.ts';
export type { TrainTokenizerOptions } from './tokenizer-trainer.ts';
export { tokenizerFromMergeList } from './merge-list.ts';
export type { MergeListOptions } from './merge-list.ts';
export type { VocabularyOptions } from './vocabulary.ts';
export { splitWords } from './pre-tokenisation.ts';
export {
  patchify,
  patchifyBatch,
  patchifyVideo,
  toBytes,
  unpatchify,
  unpatchifyBatch,
  unpatchifyVideo,
} from './patches.ts';
export type { PatchBatchLayout, PatchLayout } from './patches.ts';
export { augmentBatch, mixesRows } from './augmentation/augment.ts';
export type { AugmentedBatch, AugmentOptions, PixelBatch } from './augmentation/augment.ts';
export type {
  AugmentationRecord,
  AugmentationStep,
  BatchAugmentation,
  BatchDraw,
  DrawnMixing,
  ImageAugmentation,
  ImageDraw,
  Mixing,
  PixelChange,
} from './augmentation/augmentation.ts';
export { augmentPixels } from './augmentation/affine.ts';
export type { AffineSettings } from './augmentation/affine.ts';
export type { PixelShape } from './augmentation/pixel-image.ts';
export { registerAugmentation } from './augmentation/registry.ts';
export { resizedCrop } from './augmentation/resize.ts';
export type { CropBox } from './augmentation/resize.ts';
export { augmentationSchema } from './augmentation/steps.ts';
export type { Augmentation } from './augmentation/steps.ts';
