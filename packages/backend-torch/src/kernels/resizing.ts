/**
 * Image resizing. Both axes are interpolated by small matrices, so that every alignment convention of tfjs,
 * and the gradient (the transposed matrices), are the same two products. images [B, H, W, C]
 */
import type { TensorInfo } from '@tensorflow/tfjs';
import type { KernelContext } from '../kernel-context.ts';
import { registerTorchKernel } from '../kernel-registration.ts';
import type { Handle } from '../native/binding.ts';
import { ScalarType } from '../native/scalar-types.ts';

interface Sampling {
  readonly input: number;
  readonly output: number;
  readonly alignCorners: boolean;
  readonly halfPixelCenters: boolean;
}

const scaleOf = ({ input, output, alignCorners }: Sampling): number =>
  alignCorners && output > 1 ? (input - 1) / (output - 1) : input / output;

/** Rows of interpolation weights, [output, input] row-major. */
type Weights = (sampling: Sampling) => Float32Array;

const bilinearWeights: Weights = (sampling) => {
  const { input, output, halfPixelCenters } = sampling;
  const scale = scaleOf(sampling);
  const weights = new Float32Array(output * input);
  for (let o = 0; o < output; o += 1) {
    const source = halfPixelCenters ? scale * (o + 0.5) - 0.5 : scale * o;
    const low = Math.max(0, Math.floor(source));
    const fraction = source - low;
    const high = Math.min(input - 1, Math.ceil(source));
    weights[o * input + low] = (weights[o * input + low] ?? 0) + (1 - fraction);
    weights[o * input + high] = (weights[o * input + high] ?? 0) + fraction;
  }
  return weights;
};

const nearestWeights: Weights = (sampling) => {
  const { input, output, alignCorners, halfPixelCenters } = sampling;
  const scale = scaleOf(sampling);
  const weights = new Float32Array(output * input);
  for (let o = 0; o < output; o += 1) {
    const source = halfPixelCenters ? scale * (o + 0.5) : scale * o;
    const index = Math.min(input - 1, alignCorners ? Math.round(source) : Math.floor(source));
    weights[o * input + (halfPixelCenters ? Math.max(0, index) : index)] = 1;
  }
  return weights;
};

interface ResizeAttributes {
  readonly alignCorners: boolean;
  readonly halfPixelCenters: boolean;
}

/** Applies [P, H] to axis 1 and [Q, W] to axis 2: [B, H, W, C] -> [B, P, Q, C]. */
const applyBoth = (
  torch: KernelContext,
  images: { value: Handle; shape: readonly number[] },
  matrices: { rows: Handle; columns: Handle; height: number; width: number },
): Handle => {
  const [batch = 1, height = 1, width = 1, channels = 1] = images.shape;
  const flat = torch.aten('reshape', images.value, [batch, height, width * channels]);
  const vertical = torch.aten('matmul', matrices.rows, flat);
  const lines = torch.aten('reshape', vertical, [batch * matrices.height, width, channels]);
  return torch.aten('matmul', matrices.columns, lines);
};

const registerResize = (names: { forward: string; backward: string }, weights: Weights): void => {
  const matrix = (torch: KernelContext, sampling: Sampling): Handle =>
    torch.constant(weights(sampling), [sampling.output, sampling.input]);

  registerTorchKernel<{ images: TensorInfo }, ResizeAttributes & { size: [number, number] }>(
    names.forward,
    ({ inputs: { images }, attrs, torch }) => {
      const [batch = 1, height = 1, width = 1, channels = 1] = images.shape;
      const [newHeight, newWidth] = attrs.size;
      const shape = [batch, newHeight, newWidth, channels];
      const value = applyBoth(
        torch,
        { value: torch.tensorOf(images, ScalarType.float32), shape: images.shape },
        {
          rows: matrix(torch, { ...attrs, input: height, output: newHeight }),
          columns: matrix(torch, { ...attrs, input: width, output: newWidth }),
          height: newHeight,
          width: newWidth,
        },
      );
      return torch.output(value, shape);
    },
  );
  registerTorchKernel<{ images: TensorInfo; dy: TensorInfo }, ResizeAttributes>(
    names.backward,
    ({ inputs: { images, dy }, attrs, torch }) => {
      const [, height = 1, width = 1] = images.shape;
      const [, newHeight = 1, newWidth = 1] = dy.shape;
      // The gradient ignores half-pixel centres, as tfjs's reference does.
      const flags = { alignCorners: attrs.alignCorners, halfPixelCenters: false };
      const rows = matrix(torch, { ...flags, input: height, output: newHeight });
      const columns = matrix(torch, { ...flags, input: width, output: newWidth });
      const value = applyBoth(
        torch,
        { value: torch.tensorOf(dy, ScalarType.float32), shape: dy.shape },
        { rows: torch.aten('t', rows), columns: torch.aten('t', columns), height, width },
      );
      return torch.output(value, images.shape);
    },
  );
};

export const registerResizingKernels = (): void => {
  registerResize({ forward: 'ResizeBilinear', backward: 'ResizeBilinearGrad' }, bilinearWeights);
  registerResize({ forward: 'ResizeNearestNeighbor', backward: 'ResizeNearestNeighborGrad' }, nearestWeights);
  registerTorchKernel<{ image: TensorInfo }>('FlipLeftRight', ({ inputs: { image }, torch }) =>
    torch.output(torch.aten('flip', torch.storedTensorOf(image), [2]), image.shape, image.dtype),
  );
};
