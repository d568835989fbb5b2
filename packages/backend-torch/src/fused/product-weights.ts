/**
 * Weights of products in the policy's type. Under bf16 their copies are remembered with the tensor, and the optimizer
 * asks here which parameters have one, so that it writes both in one pass.
 */
import type { DataId, TensorInfo } from '@tensorflow/tfjs';
import type { KernelContext } from '../kernel-context.ts';
import type { Handle } from '../native/binding.ts';

const marked = new WeakSet<DataId>();

/** `weight` in the product type; borrowed. */
export const productWeightOf = (torch: KernelContext, weight: TensorInfo): Handle => {
  const { product, exact } = torch.precision;
  if (product !== exact) marked.add(weight.dataId);
  return torch.castOf(weight, product);
};

/** The copy that an update of `weight` must write too, or undefined when products do not use it. */
export const productCopyOf = (torch: KernelContext, weight: TensorInfo): Handle | undefined => {
  const { product, exact } = torch.precision;
  return product !== exact && marked.has(weight.dataId) ? torch.castOf(weight, product) : undefined;
};
