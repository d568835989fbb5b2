export { DEFAULT_STD, initialValues } from './initializers.ts';
export type { Initializer } from './initializers.ts';
export { allocateParameters, copyParameters, ParameterSet, sizeOf } from './parameters.ts';
export type { ParameterRole, ParameterSpec } from './parameter-spec.ts';
export type { ParameterEntry, ParameterSetOptions } from './parameters.ts';
export type { ForeignOptions, ForeignVariable } from './parameters.ts';
export { parameterGradients, type LossGradients } from './parameter-gradients.ts';
export { selectSpecs } from './parameter-rules.ts';
export type { ParameterRule, ParameterSelection } from './parameter-rules.ts';
export { layerDecayGroups } from './parameter-groups.ts';
export type { LayerDecayOptions, ParameterGroup } from './parameter-groups.ts';
export type { Optimizer, OptimizerOptions, ParameterState, StepOptions, StepReport } from './optimizer.ts';
export { SlotOptimizer, type SlotItem, type UpdateRule } from './slot-optimizer.ts';
export {
  createOptimizer,
  optimizerNamed,
  optimizerNames,
  optimizerSchema,
  optimizerSlots,
  registerOptimizer,
} from './optimizer-registry.ts';
export type { OptimizerInput, OptimizerRecord, OptimizerSettings } from './optimizer-registry.ts';
export { layerParameters } from './layer-parameters.ts';
export { AdamW, type AdamWOptions } from './adamw.ts';
export { Sgd, type SgdOptions } from './sgd.ts';
export { MovingAverage } from './moving-average.ts';
export type { MovingAverageOptions } from './moving-average.ts';
export { constant, warmupCosine } from './schedules.ts';
export type { ConstantOptions, Schedule, WarmupCosineOptions } from './schedules.ts';
export { openSafetensors, readSafetensors, writeSafetensors } from './safetensors.ts';
export type { SafetensorsData, SafetensorsFile, SafetensorsTensor, WritableTensor } from './safetensors.ts';
export type { OpenSafetensorsOptions } from './safetensors.ts';
export type { SafetensorsDtype, SafetensorsEntry } from './safetensors-header.ts';
export { loadParameters, saveParameters } from './parameter-files.ts';
export type { LoadOptions, LoadReport, SaveOptions } from './parameter-files.ts';
