/** Bias, GELU and column sums around a product, and the kernels PgGelu and PgGeluGrad. */
import type { TensorInfo } from '@tensorflow/tfjs';
import type { KernelContext } from '../kernel-context.ts';
import { registerTorchKernel } from '../kernel-registration.ts';
import type { Handle } from '../native/binding.ts';
import { hasOwnOperators, storedMatrixOf } from './operand.ts';

/**
 * Adds the bias to a product that the caller made, and applies the activation.
 * @returns y, and what the gradient of the activation needs: the product with its bias
 */
export const activate = (
  torch: KernelContext,
  product: Handle,
  { bias, activation }: { readonly bias: Handle | null; readonly activation: 'none' | 'gelu' },
): { readonly y: Handle; readonly kept: Handle } => {
  if (hasOwnOperators(torch)) {
    if (activation === 'gelu') return { y: torch.aten('polygate::bias_gelu_', product, bias), kept: product };
    if (bias !== null) torch.aten('polygate::add_bias_', product, bias);
    return { y: product, kept: product };
  }
  const type = torch.dispatcher.dtypeOf(product);
  const z = bias === null ? product : torch.aten('to.dtype', torch.aten('add.Tensor', product, bias), type);
  return { y: activation === 'gelu' ? torch.aten('gelu', z) : z, kept: z };
};

/** Sums of the columns of x [N, O], float32 [O]. */
export const columnSums = (torch: KernelContext, x: Handle): Handle =>
  hasOwnOperators(torch)
    ? torch.aten('polygate::column_sums', x)
    : torch.aten('sum.dim_IntList', x, [0], false, torch.precision.exact);

/** dy * gelu'(z) in the type of z, and its column sums. */
export const activationGradient = (torch: KernelContext, dy: Handle, z: Handle): [Handle, Handle] => {
  if (hasOwnOperators(torch)) {
    const [dz, sums] = torch.atenAll('polygate::gelu_backward', dy, z);
    return [dz as Handle, sums as Handle];
  }
  const dz = torch.aten('gelu_backward', torch.aten('to.dtype', dy, torch.dispatcher.dtypeOf(z)), z);
  return [dz, columnSums(torch, dz)];
};

export const registerGelu = (): void => {
  registerTorchKernel<{ x: TensorInfo }>('PgGelu', ({ inputs: { x }, torch }) => {
    const input = storedMatrixOf(torch, x);
    return torch.output(activate(torch, input, { bias: null, activation: 'gelu' }).y, x.shape);
  });
  registerTorchKernel<{ dy: TensorInfo; x: TensorInfo }>('PgGeluGrad', ({ inputs: { dy, x }, torch }) => {
    const [dx] = activationGradient(torch, storedMatrixOf(torch, dy), storedMatrixOf(torch, x));
    return torch.output(dx, x.shape);
  });
};
