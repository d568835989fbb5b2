export type {
  AdapterContext,
  AdapterForward,
  AdapterOptions,
  EncoderAdapter,
  ExpertRef,
  SequenceSide,
} from './adapters/adapter.ts';
export { accountParameters } from './accounting/accounting.ts';
export type {
  ParameterAccount,
  ParameterPart,
  ParameterParts,
  PublishedCounts,
} from './accounting/accounting.ts';
export { resolveEncoderConfig } from './config/config.ts';
export type { EncoderConfig, ResolvedEncoderConfig } from './config/config.ts';
export type { SequenceContinuation } from './continuation/continuation.ts';
export { KeyValueCache } from './continuation/key-value-cache.ts';
export type {
  Encoder,
  EncodeOptions,
  ExtendOptions,
  MergedWeights,
  RoutingReport,
} from './models/encoder.ts';
export type { ExpertConfig, ResolvedExperts } from './config/expert-config.ts';
export { conditionOf } from './config/expert-groups.ts';
export type {
  BlockRange,
  CapacityFactors,
  ExpertGroup,
  ExpertGroupConfig,
  GroupSettings,
} from './config/expert-groups.ts';
export { modalitySettings, temperaturesOf } from './config/shape-config.ts';
export type { EncoderShape, ResolvedEncoderShape } from './config/shape-config.ts';
export { describeEncoder } from './models/description.ts';
export { exportMerged, mergedConfigOf } from './merged/export-merged.ts';
export { ENCODER_LIMITS } from './config/limits.ts';
export { formatExperts } from './experts/expert-text.ts';
export { countFlops } from './accounting/flops.ts';
export type { FlopsAccount, FlopsOptions } from './accounting/flops.ts';
export { formatParameterParts, formatParameterTable } from './accounting/parameter-table.ts';
export type { NamedEncoder } from './accounting/parameter-table.ts';
export { gateSites, groupAt } from './experts/sites.ts';
export type { GateSite } from './experts/sites.ts';
export type { TopKRule } from './experts/expert-group.ts';
export type { RowWeightRule } from './blocks/row-weights.ts';
export { INITIAL_TEMPERATURE } from './blocks/body-description.ts';
export { blockLinears } from './blocks/linears.ts';
export type { LinearRef } from './blocks/block-linears.ts';
export type { BlockLinear, LinearSpec } from './blocks/linears.ts';
export { idleSettings } from './config/expert-config.ts';
export { checkSequences } from './sequence/layout.ts';
export { describeExpertBlocks, ExpertBlocks } from './blocks/expert-blocks.ts';
export type { BlocksInput, BlocksOptions, ExpertBlocksConfig } from './blocks/expert-blocks.ts';
export { codeWidth, fourierCodes, gridPositions, positionsOf } from './latent/fourier-codes.ts';
export type { FourierCoding, TokenPositions } from './latent/fourier-codes.ts';
export { resolveLatentConfig, tokenWidth } from './latent/latent-config.ts';
export type { LatentEncoderConfig, LatentInput, ResolvedLatentConfig } from './latent/latent-config.ts';
export { countLatentFlops } from './latent/latent-flops.ts';
export type { CountedModality, LatentFlops } from './latent/latent-flops.ts';
export { describeLatentEncoder, LatentEncoder } from './latent/latent-encoder.ts';
export type { LatentCall, LatentInputs } from './latent/latent-encoder.ts';
export type { ModalityTokens } from './latent/unimodal-encoder.ts';
export { attentionMask } from './sequence/sequence-tensors.ts';
export type { RoutingKey } from '@polygate/routers';
export { presetNamed, presets } from './config/presets.ts';
export type { PresetConfig, PresetName } from './config/presets.ts';
export { planTransfer } from './transfer/transfer-plan.ts';
export type { LeftParameter, TransferPlan } from './transfer/transfer-plan.ts';
export { transferWeights } from './transfer/transfer.ts';
export type { TransferOptions } from './transfer/transfer.ts';
export type { TransferEntry, TransferSource } from './transfer/transfer-source.ts';
export { createUniPerceiver, UniPerceiver } from './models/uni-perceiver.ts';
export { routingFigures } from './routing/figures.ts';
export type { GroupFigures, SiteFigures } from './routing/figures.ts';
export { createRoutingTrace } from './routing/trace.ts';
export type { AuxiliaryLosses, GroupCounts, RoutingTrace, SiteReport } from './routing/trace.ts';
