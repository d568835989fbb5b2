/** PgExactLinear and PgExactLinearGrad: products in float32 whatever the policy, for the gates of routers. */
import type { TensorInfo } from '@tensorflow/tfjs';
import { registerTorchKernel } from '../kernel-registration.ts';
import type { Handle } from '../native/binding.ts';
import { exactOf, hasOwnOperators, matrixOf, storedMatrixOf } from './operand.ts';

interface ExactLinearInputs {
  readonly x: TensorInfo;
  readonly weight: TensorInfo;
}

interface ExactLinearGradInputs extends ExactLinearInputs {
  readonly dy: TensorInfo;
}

export const registerExactLinear = (): void => {
  registerTorchKernel<ExactLinearInputs>('PgExactLinear', ({ inputs, torch }) => {
    const { x, weight } = inputs;
    const shape = [x.shape[0] ?? 0, weight.shape[0] ?? 0];
    if (hasOwnOperators(torch)) {
      const own = torch.aten('polygate::exact_linear', storedMatrixOf(torch, x), exactOf(torch, weight));
      return torch.output(own, shape);
    }
    const { exact } = torch.precision;
    const y = torch.aten('mm', matrixOf(torch, x, exact), torch.aten('t', matrixOf(torch, weight, exact)));
    return torch.output(y, shape);
  });

  registerTorchKernel<ExactLinearGradInputs>('PgExactLinearGrad', ({ inputs, torch }) => {
    const { dy, x, weight } = inputs;
    const { exact, activation } = torch.precision;
    if (hasOwnOperators(torch)) {
      const [toX, toWeight] = torch.atenAll(
        'polygate::exact_linear_backward',
        exactOf(torch, dy),
        storedMatrixOf(torch, x),
        exactOf(torch, weight),
        activation,
      );
      return [torch.output(toX as Handle, x.shape), torch.output(toWeight as Handle, weight.shape)];
    }
    const g = matrixOf(torch, dy, exact);
    const dx = torch.aten('mm', g, matrixOf(torch, weight, exact));
    const dWeight = torch.aten('mm', torch.aten('t', g), matrixOf(torch, x, exact));
    return [torch.output(dx, x.shape), torch.output(dWeight, weight.shape)];
  });
};
