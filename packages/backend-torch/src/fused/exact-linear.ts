/**
 * PgExactLinear and PgRouterLogits, and their gradients: products in float32 whatever the policy, for the gates of
 * routers. The second gives back its input, too, and takes what comes back for it.
 */
import type { TensorInfo } from '@tensorflow/tfjs';
import type { KernelContext } from '../kernel-context.ts';
import { registerTorchKernel } from '../kernel-registration.ts';
import type { Handle } from '../native/binding.ts';
import { exactOf, hasOwnOperators, lastOf, matrixOf, sizeOf, storedMatrixOf } from './operand.ts';

interface ExactLinearInputs {
  readonly x: TensorInfo;
  readonly weight: TensorInfo;
}

interface ExactLinearGradInputs extends ExactLinearInputs {
  readonly dy: TensorInfo;
}

interface RouterLogitsGradInputs extends ExactLinearInputs {
  readonly tokens: TensorInfo;
  readonly logits: TensorInfo;
}

/** [..., I] -> [N, O] */
const forward = (torch: KernelContext, { x, weight }: ExactLinearInputs): TensorInfo => {
  const shape = [sizeOf(x.shape) / Math.max(1, lastOf(x.shape)), weight.shape[0] ?? 0];
  if (hasOwnOperators(torch)) {
    const product = torch.aten('polygate::exact_linear', storedMatrixOf(torch, x), exactOf(torch, weight));
    return torch.output(product, shape);
  }
  const { exact } = torch.precision;
  const y = torch.aten('mm', matrixOf(torch, x, exact), torch.aten('t', matrixOf(torch, weight, exact)));
  return torch.output(y, shape);
};

/** dx = beside + dy W, and dW. */
const backward = (
  torch: KernelContext,
  { dy, x, weight }: ExactLinearGradInputs,
  beside?: TensorInfo,
): TensorInfo[] => {
  const { exact, activation } = torch.precision;
  if (hasOwnOperators(torch)) {
    const [toX, toWeight] = torch.atenAll(
      'polygate::exact_linear_backward',
      exactOf(torch, dy),
      storedMatrixOf(torch, x),
      exactOf(torch, weight),
      activation,
      beside === undefined ? null : storedMatrixOf(torch, beside),
    );
    return [torch.output(toX as Handle, x.shape), torch.output(toWeight as Handle, weight.shape)];
  }
  const g = matrixOf(torch, dy, exact);
  const product = torch.aten('mm', g, matrixOf(torch, weight, exact));
  const dx =
    beside === undefined ? product : torch.aten('add.Tensor', product, matrixOf(torch, beside, exact));
  const dWeight = torch.aten('mm', torch.aten('t', g), matrixOf(torch, x, exact));
  return [torch.output(dx, x.shape), torch.output(dWeight, weight.shape)];
};

export const registerExactLinear = (): void => {
  registerTorchKernel<ExactLinearInputs>('PgExactLinear', ({ inputs, torch }) => forward(torch, inputs));
  registerTorchKernel<ExactLinearGradInputs>('PgExactLinearGrad', ({ inputs, torch }) =>
    backward(torch, inputs),
  );
  registerTorchKernel<ExactLinearInputs>('PgRouterLogits', ({ inputs, torch }) => [
    torch.share(inputs.x, inputs.x.shape),
    forward(torch, inputs),
  ]);
  registerTorchKernel<RouterLogitsGradInputs>('PgRouterLogitsGrad', ({ inputs, torch }) => {
    const { tokens, logits: dy, x, weight } = inputs;
    return backward(torch, { dy, x, weight }, tokens);
  });
};
