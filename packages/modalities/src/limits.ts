/** Largest settings of the modalities of this package: well above the largest that anybody trained. */
export const MODALITY_LIMITS = Object.freeze({
  vocabularySize: 2 ** 24,
  maxPositions: 2 ** 20,
  patchSize: 1024,
  channels: 1024,
  maxFrames: 2 ** 16,
  tokenValues: 2 ** 20,
});
