/** Encoders with merged experts, without the code that trains and merges them: `@polygate/encoder/merged`. */
export type { Encoder, EncodeOptions } from './models/encoder.ts';
export { describeMergedEncoder, isMergedConfig } from './merged/merged-config.ts';
export type { MergedEncoderConfig, MergedRow, MergedSets, RowField } from './merged/merged-config.ts';
export { MergedEncoder } from './merged/merged-encoder.ts';
export { createMergedEncoder, loadMergedEncoder, type MergedModelFiles } from './merged/merged-files.ts';
export { modalitySettings } from './config/shape-config.ts';
export type { EncoderShape } from './config/shape-config.ts';
