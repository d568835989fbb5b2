/**
 * Weights of products in the policy's type. Under bf16 their copies are remembered with the tensor, and the optimizer
 * asks here which parameters have one, so that it writes both in one pass.
 */
import type { TensorInfo } from '@tensorflow/tfjs';
import type { KernelContext } from '../kernel-context.ts';
import type { Handle } from '../native/binding.ts';
import { hasOwnOperators } from './operand.ts';

/** `weight` in the product type; borrowed. */
export const productWeightOf = (torch: KernelContext, weight: TensorInfo): Handle => {
  const { product, exact } = torch.precision;
  if (product !== exact) torch.productWeights.add(weight.dataId);
  return torch.castOf(weight, product);
};

/** Whether products of the policy's type go in blocks here (native/operators/tiles.h). */
export const usesTiles = (torch: KernelContext): boolean =>
  hasOwnOperators(torch) && torch.dispatcher.value('polygate::has_tiles', torch.precision.product) === 1;

/** What packs weights for a product: of x W^T, and of dz W. */
const packers = { outputs: 'polygate::pack_panels', inputs: 'polygate::pack_gradient_panels' } as const;

/**
 * Weights as products in blocks read them, packed once until somebody writes them: for weights without a gradient.
 * Borrowed; undefined where products don't go in blocks.
 * @param columns of the product: outputs of a forward, inputs of the gradient that passes the weights
 */
export const panelsOf = (
  torch: KernelContext,
  weights: readonly TensorInfo[],
  columns: keyof typeof packers = 'outputs',
): Handle[] | undefined => {
  if (!usesTiles(torch)) return undefined;
  const panels: Handle[] = [];
  for (const weight of weights) {
    const packed = torch.packedOf(weight, columns, () =>
      torch.aten(packers[columns], torch.tensorOf(weight, torch.precision.product)),
    );
    if (packed === undefined) return undefined;
    panels.push(packed);
  }
  return panels;
};

/** The copy that an update of `weight` must write too, or undefined when products do not use it. */
export const productCopyOf = (torch: KernelContext, weight: TensorInfo): Handle | undefined => {
  const { product, exact } = torch.precision;
  return product !== exact && torch.productWeights.has(weight.dataId)
    ? torch.castOf(weight, product)
    : undefined;
};
