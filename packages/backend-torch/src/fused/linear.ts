/**
 * PgLinear and PgLinearGrad: y = act(x W^T + b). Products in the policy's type; bias, GELU and the bias gradient in
 * float32 arithmetic, one pass over the product each.
 */
import type { TensorInfo } from '@tensorflow/tfjs';
import type { KernelContext } from '../kernel-context.ts';
import { registerTorchKernel } from '../kernel-registration.ts';
import type { Handle } from '../native/binding.ts';
import { activate, activationGradient, columnSums } from './activation.ts';
import { exactOrNone, lastOf, matrixOf, storedMatrixOf } from './operand.ts';
import { productWeightOf } from './product-weights.ts';

interface LinearInputs {
  readonly x: TensorInfo;
  readonly weight: TensorInfo;
  readonly bias?: TensorInfo;
}

interface LinearGradInputs {
  readonly dy: TensorInfo;
  readonly x: TensorInfo;
  readonly weight: TensorInfo;
  /** Before the activation; only with one. */
  readonly z?: TensorInfo;
}

/** x [N, I] W^T -> [N, O], in the policy's type. */
export const transposedProduct = (torch: KernelContext, x: Handle, weight: Handle): Handle =>
  torch.aten('mm', x, torch.aten('t', weight));

/** dW = dz^T x in float32. */
export const weightGradient = (torch: KernelContext, dz: Handle, x: Handle): Handle =>
  torch.aten('to.dtype', torch.aten('mm', torch.aten('t', dz), x), torch.precision.exact);

export const registerLinear = (): void => {
  registerTorchKernel<LinearInputs, { activation: 'none' | 'gelu' }>(
    'PgLinear',
    ({ inputs, attrs, torch }) => {
      const { x, weight, bias } = inputs;
      const { product } = torch.precision;
      const z = transposedProduct(torch, matrixOf(torch, x, product), productWeightOf(torch, weight));
      const shape = [...x.shape.slice(0, -1), weight.shape[0] ?? 0];
      const { y, kept } = activate(torch, z, {
        bias: exactOrNone(torch, bias),
        activation: attrs.activation,
      });
      const outputs = [torch.output(y, shape)];
      if (attrs.activation === 'gelu') outputs.push(torch.output(kept, shape));
      return outputs;
    },
  );

  registerTorchKernel<LinearGradInputs, { activation: string; wantsWeight: boolean; wantsBias: boolean }>(
    'PgLinearGrad',
    ({ inputs, attrs, torch }) => {
      const { dy, x, weight, z } = inputs;
      const { product } = torch.precision;
      let dz = matrixOf(torch, dy, product);
      let sums: Handle | undefined;
      if (z) [dz, sums] = activationGradient(torch, storedMatrixOf(torch, dy), storedMatrixOf(torch, z));
      const dx = torch.aten('mm', dz, productWeightOf(torch, weight));
      const outputs = [torch.output(dx, x.shape)];
      if (attrs.wantsWeight) {
        outputs.push(torch.output(weightGradient(torch, dz, matrixOf(torch, x, product)), weight.shape));
      }
      if (attrs.wantsBias) outputs.push(torch.output(sums ?? columnSums(torch, dz), [lastOf(dy.shape)]));
      return outputs;
    },
  );
};
