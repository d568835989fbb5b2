/** Softmax, batch normalisation and local response normalisation, always in float32. */
import type { TensorInfo } from '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs';
import type { KernelContext } from '../kernel-context.ts';
import { registerTorchKernel } from '../kernel-registration.ts';
import type { Handle } from '../native/binding.ts';
import { ScalarType } from '../native/scalar-types.ts';

const exact = (torch: KernelContext, x: TensorInfo): Handle => torch.tensorOf(x, ScalarType.float32);

interface BatchNormInputs {
  readonly x: TensorInfo;
  readonly mean: TensorInfo;
  readonly variance: TensorInfo;
  readonly offset?: TensorInfo;
  readonly scale?: TensorInfo;
}

const registerBatchNorm = (): void => {
  registerTorchKernel<BatchNormInputs, { varianceEpsilon?: number }>(
    'FusedBatchNorm',
    ({ inputs: { x, mean, variance, offset, scale }, attrs, torch }) => {
      const sameRank = (other: TensorInfo | undefined | null, name: string): void => {
        tf.util.assert(
          other === undefined || other === null || other.shape.length === mean.shape.length,
          () => `Batch normalization gradient requires mean and ${name} to have equal ranks.`,
        );
      };
      sameRank(variance, 'variance');
      sameRank(offset, 'offset');
      sameRank(scale, 'scale');
      // y = x * factor + shift, with factor and shift as small as the statistics.
      let factor = torch.aten(
        'rsqrt',
        torch.aten('add.Scalar', exact(torch, variance), attrs.varianceEpsilon ?? 0.001),
      );
      if (scale) factor = torch.aten('mul.Tensor', factor, exact(torch, scale));
      let shift = torch.aten('neg', torch.aten('mul.Tensor', exact(torch, mean), factor));
      if (offset) shift = torch.aten('add.Tensor', shift, exact(torch, offset));
      return torch.output(torch.aten('addcmul', shift, exact(torch, x), factor), x.shape);
    },
  );
};

interface LrnAttributes {
  readonly depthRadius: number;
  readonly bias: number;
  readonly alpha: number;
  readonly beta: number;
}

/** Sum over the channels within `radius`. x [B, H, W, C] */
const channelWindow = (torch: KernelContext, x: Handle, radius: number): Handle => {
  const padded = torch.aten('constant_pad_nd', x, [radius, radius], 0);
  return torch.aten('sum.dim_IntList', torch.aten('unfold', padded, -1, 2 * radius + 1, 1), [-1]);
};

/** n = bias + alpha * (sum of the squares within the radius) */
const lrnBase = (torch: KernelContext, x: Handle, attrs: LrnAttributes): Handle => {
  const sums = channelWindow(torch, torch.aten('square', x), attrs.depthRadius);
  return torch.aten('add_.Scalar', torch.aten('mul_.Scalar', sums, attrs.alpha), attrs.bias);
};

const registerLrn = (): void => {
  registerTorchKernel<{ x: TensorInfo }, LrnAttributes>('LRN', ({ inputs: { x }, attrs, torch }) => {
    const value = exact(torch, x);
    const factor = torch.aten('pow.Tensor_Scalar', lrnBase(torch, value, attrs), -attrs.beta);
    return torch.output(torch.aten('mul.Tensor', value, factor), x.shape);
  });
  // dx = dy n^-beta - 2 alpha beta x window(dy y / n)
  registerTorchKernel<{ x: TensorInfo; y: TensorInfo; dy: TensorInfo }, LrnAttributes>(
    'LRNGrad',
    ({ inputs: { x, y, dy }, attrs, torch }) => {
      const value = exact(torch, x);
      const upstream = exact(torch, dy);
      const base = lrnBase(torch, value, attrs);
      const direct = torch.aten('mul.Tensor', upstream, torch.aten('pow.Tensor_Scalar', base, -attrs.beta));
      const shared = torch.aten('div.Tensor', torch.aten('mul.Tensor', upstream, exact(torch, y)), base);
      const spread = torch.aten('mul.Tensor', value, channelWindow(torch, shared, attrs.depthRadius));
      return torch.output(torch.aten('sub.Tensor', direct, spread, 2 * attrs.alpha * attrs.beta), x.shape);
    },
  );
};

export const registerNormalizationKernels = (): void => {
  registerTorchKernel<{ logits: TensorInfo }, { dim: number }>(
    'Softmax',
    ({ inputs: { logits }, attrs: { dim }, torch }) =>
      torch.output(torch.aten('_softmax', exact(torch, logits), dim, false), logits.shape),
  );
  registerTorchKernel<{ logits: TensorInfo }, { axis: number }>(
    'LogSoftmax',
    ({ inputs: { logits }, attrs: { axis }, torch }) =>
      torch.output(torch.aten('_log_softmax', exact(torch, logits), axis, false), logits.shape),
  );
  registerBatchNorm();
  registerLrn();
};
