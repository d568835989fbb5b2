/** Inputs of fused kernels as matrices, and the choice between our own CPU operators and ATen's. */
import type { TensorInfo } from '@tensorflow/tfjs';
import type { KernelContext } from '../kernel-context.ts';
import type { Handle } from '../native/binding.ts';
import type { ScalarType } from '../native/scalar-types.ts';

/** From now on this engine composes ATen's operators even where it has its own: the twin, for tests. */
export const composeAlways = (torch: KernelContext, on: boolean): void => {
  torch.composesAlways = on;
};

/** Whether the operators of native/operators run here; they are CPU loops, elsewhere ATen's own are composed. */
export const hasOwnOperators = (torch: KernelContext): boolean =>
  torch.device === 'cpu' && !torch.composesAlways;

export const lastOf = (shape: readonly number[]): number => shape[shape.length - 1] ?? 1;

export const sizeOf = (shape: readonly number[]): number =>
  shape.reduce((product, size) => product * size, 1);

const asMatrix = (info: TensorInfo): TensorInfo => {
  const width = lastOf(info.shape);
  return { ...info, shape: [sizeOf(info.shape) / Math.max(1, width), width] };
};

/** `info` [..., D] as [N, D] in the type wanted; borrowed. */
export const matrixOf = (torch: KernelContext, info: TensorInfo, type: ScalarType): Handle =>
  torch.tensorOf(asMatrix(info), type);

/** `info` [..., D] as [N, D] in the type it is stored in; borrowed. */
export const storedMatrixOf = (torch: KernelContext, info: TensorInfo): Handle =>
  torch.storedTensorOf(asMatrix(info));

/** A float32 tensor that lies in memory in order, as the operators of native/operators read it; borrowed. */
export const exactOf = (torch: KernelContext, info: TensorInfo): Handle => {
  const tensor = torch.tensorOf(info, torch.precision.exact);
  return torch.dispatcher.isContiguous(tensor) ? tensor : torch.aten('contiguous', tensor);
};

/** {@link exactOf} of a tensor that may be absent. */
export const exactOrNone = (torch: KernelContext, info: TensorInfo | undefined): Handle | null =>
  info === undefined ? null : exactOf(torch, info);
