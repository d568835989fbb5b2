/** GELU and what surrounds a product: the kernels PgGelu and PgGeluGrad, and the pieces that linear layers compose. */
import type { TensorInfo } from '@tensorflow/tfjs';
import type { KernelContext } from '../kernel-context.ts';
import { registerTorchKernel } from '../kernel-registration.ts';
import type { Handle } from '../native/binding.ts';
import { hasOwnOperators, storedMatrixOf } from './operand.ts';

/**
 * Adds the bias to a product and applies the activation.
 * @returns y, and what the gradient of the activation needs: the product with its bias
 */
export const activate = (
  torch: KernelContext,
  product: Handle,
  bias: Handle | null,
  activation: 'none' | 'gelu',
): { readonly y: Handle; readonly kept: Handle } => {
  const type = torch.dispatcher.dtypeOf(product);
  const z = bias === null ? product : torch.aten('to.dtype', torch.aten('add.Tensor', product, bias), type);
  return { y: activation === 'gelu' ? torch.aten('gelu', z) : z, kept: z };
};

/** Sums of the columns of x [N, O], float32 [O]. */
export const columnSums = (torch: KernelContext, x: Handle): Handle =>
  torch.aten('sum.dim_IntList', x, [0], false, torch.precision.exact);

/** dy * gelu'(z) in the type of z. */
export const activationGradient = (torch: KernelContext, dy: Handle, z: Handle): Handle =>
  torch.aten('gelu_backward', torch.aten('to.dtype', dy, torch.dispatcher.dtypeOf(z)), z);

export const registerGelu = (): void => {
  registerTorchKernel<{ x: TensorInfo }>('PgGelu', ({ inputs: { x }, torch }) => {
    const input = storedMatrixOf(torch, x);
    return torch.output(torch.aten(hasOwnOperators(torch) ? 'polygate::gelu' : 'gelu', input), x.shape);
  });
  registerTorchKernel<{ dy: TensorInfo; x: TensorInfo }>('PgGeluGrad', ({ inputs: { dy, x }, torch }) => {
    const [g, z] = [storedMatrixOf(torch, dy), storedMatrixOf(torch, x)];
    const dx = hasOwnOperators(torch)
      ? torch.aten('polygate::gelu_backward', g, z)
      : activationGradient(torch, g, z);
    return torch.output(dx, x.shape);
  });
};
