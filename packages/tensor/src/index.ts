export { examineEngine, probeEngines, selectEngine } from './engine.ts';
export type { EngineChoice, EngineOptions, EngineReport, ExamineOptions, PassedOver } from './engine.ts';
export type { EngineExamination, EngineSpeeds } from './engine-start.ts';
export { describeWrong, type WrongAnswer } from './trust/ask.ts';
export type { EngineAnswers } from './trust/examine.ts';
export type { EngineName, Precision } from './engine-names.ts';
export { registerGradients } from './register-gradients.ts';
export { linear, type LinearOptions } from './linear.ts';
export { layerNorm, type LayerNormOptions } from './layer-norm.ts';
export { gelu } from './gelu.ts';
export { attention, type AttentionOptions } from './attention.ts';
export { crossAttention, toHeads, type KeysAndValues } from './cross-attention.ts';
export { conditionalLinear, type ConditionalLinearOptions } from './conditional-linear.ts';
export { dispatchedLinear, type DispatchedLinearOptions } from './dispatched-linear.ts';
export type { DispatchPlan } from './dispatch-plan.ts';
export {
  bringsTokenChoice,
  decidedGates,
  engineTokenChoice,
  type EngineTokenChoice,
  type ExpertSum,
  type TokenChoiceRule,
} from './token-choice.ts';
export { exactLinear } from './exact-linear.ts';
export { routerLogits, type RouterLogits } from './router-logits.ts';
export { poolingAttention, type PoolingAttentionOptions } from './pooling-attention.ts';
export { attentionPool, type AttentionPoolOptions, type AttentionPoolWeights } from './attention-pool.ts';
export { mergeExperts, type ExpertMixture, type LinearExpert } from './merge-experts.ts';
export { segmentLinear } from './segment-linear.ts';
export type { SegmentSpan } from './segments.ts';
export { softmaxCrossEntropy, type CrossEntropyOptions, type Labels } from './cross-entropy.ts';
export { embedding } from './embedding.ts';
export { l2Normalize, type L2NormalizeOptions } from './l2-normalize.ts';
export { residual, type ResidualOptions } from './residual.ts';
export {
  canRecord,
  FunctionRecording,
  hostTensor,
  recordFunction,
  type HostValues,
  type RecordedCall,
} from './recording.ts';
export { adamWStep, type AdamWItem, type AdamWStepOptions } from './adamw-step.ts';
export { globalNorm } from './global-norm.ts';
export { collectLeafGradients, type CollectedGradients } from './leaf-gradients.ts';
