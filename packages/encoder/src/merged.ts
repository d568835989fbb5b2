/** Encoders with merged experts, without the code that trains and merges them: `@polygate/encoder/merged`. */
export type { Encoder, EncodeOptions } from './encoder.ts';
export { describeMergedEncoder, isMergedConfig } from './merged-config.ts';
export type { MergedEncoderConfig, MergedRow, MergedSets, RowField } from './merged-config.ts';
export { MergedEncoder } from './merged-encoder.ts';
export { createMergedEncoder, loadMergedEncoder, type MergedModelFiles } from './merged-files.ts';
export type { PatchGrid } from './positions.ts';
export type { SequenceInput, TextSegment, VisualSegment } from './sequence.ts';
export type { EncoderShape } from './shape-config.ts';
