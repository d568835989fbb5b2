/** PgLayerNorm and PgLayerNormGrad: float32 statistics; the output is an activation of the policy. */
import type { TensorInfo } from '@tensorflow/tfjs';
import { registerTorchKernel } from '../kernel-registration.ts';
import type { Handle } from '../native/binding.ts';
import { exactOf, hasOwnOperators, lastOf, matrixOf, sizeOf, storedMatrixOf } from './operand.ts';

interface NormInputs {
  readonly x: TensorInfo;
  readonly gamma: TensorInfo;
  readonly beta: TensorInfo;
}

interface NormGradInputs {
  readonly dy: TensorInfo;
  readonly x: TensorInfo;
  readonly gamma: TensorInfo;
  readonly mean: TensorInfo;
  readonly inverse: TensorInfo;
}

export const registerLayerNorm = (): void => {
  registerTorchKernel<NormInputs, { epsilon: number }>('PgLayerNorm', ({ inputs, attrs, torch }) => {
    const { x, gamma, beta } = inputs;
    const { exact, activation } = torch.precision;
    const width = lastOf(x.shape);
    const rows = sizeOf(x.shape) / Math.max(1, width);
    const [y, mean, inverse] = hasOwnOperators(torch)
      ? torch.atenAll(
          'polygate::layer_norm',
          storedMatrixOf(torch, x),
          exactOf(torch, gamma),
          exactOf(torch, beta),
          attrs.epsilon,
          activation,
        )
      : torch.atenAll(
          'native_layer_norm',
          matrixOf(torch, x, exact),
          [width],
          exactOf(torch, gamma),
          exactOf(torch, beta),
          attrs.epsilon,
        );
    return [
      torch.output(torch.aten('to.dtype', y as Handle, activation), x.shape),
      torch.output(mean as Handle, [rows, 1]),
      torch.output(inverse as Handle, [rows, 1]),
    ];
  });

  registerTorchKernel<NormGradInputs>('PgLayerNormGrad', ({ inputs, torch }) => {
    const { dy, x, gamma, mean, inverse } = inputs;
    const { exact } = torch.precision;
    const width = lastOf(x.shape);
    const scale = exactOf(torch, gamma);
    const [dx, dGamma, dBeta] = hasOwnOperators(torch)
      ? torch.atenAll(
          'polygate::layer_norm_backward',
          storedMatrixOf(torch, dy),
          storedMatrixOf(torch, x),
          scale,
          torch.tensorOf(mean),
          torch.tensorOf(inverse),
          exact,
        )
      : torch.atenAll(
          'native_layer_norm_backward',
          matrixOf(torch, dy, exact),
          matrixOf(torch, x, exact),
          [width],
          torch.tensorOf(mean),
          torch.tensorOf(inverse),
          scale,
          scale,
          [true, true, true],
        );
    return [
      torch.output(dx as Handle, x.shape),
      torch.output(dGamma as Handle, [width]),
      torch.output(dBeta as Handle, [width]),
    ];
  });
};
