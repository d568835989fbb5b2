/** Tensors out of nothing but attributes. */
import * as tf from '@tensorflow/tfjs';
import type { DataType, TensorInfo } from '@tensorflow/tfjs';
import { runOnHost } from '../host-kernels.ts';
import type { KernelContext } from '../kernel-context.ts';
import { registerTorchKernel } from '../kernel-registration.ts';
import { ScalarType, storageTypeOf } from '../native/scalar-types.ts';

const filled = (
  torch: KernelContext,
  value: number,
  options: { shape: readonly number[]; dtype: DataType },
): TensorInfo => {
  const { shape, dtype } = options;
  const type = storageTypeOf(dtype);
  if (value === 0)
    return torch.output(torch.aten('zeros', shape, type, undefined, torch.device), shape, dtype);
  return torch.output(torch.aten('full', shape, value, type, undefined, torch.device), shape, dtype);
};

export const registerCreationKernels = (): void => {
  registerTorchKernel<object, { shape: number[]; value: number | string; dtype?: DataType }>(
    'Fill',
    ({ attrs: { shape, value, dtype }, torch }) => {
      if (typeof value === 'string') {
        const bytes = tf.util.encodeString(value);
        return torch.outputFrom(
          Array.from({ length: tf.util.sizeFromShape(shape) }, () => bytes),
          shape,
          'string',
        );
      }
      return filled(torch, value, { shape, dtype: dtype ?? tf.util.inferDtype(value) });
    },
  );
  for (const [kernel, value] of [
    ['ZerosLike', 0],
    ['OnesLike', 1],
  ] as const) {
    registerTorchKernel<{ x: TensorInfo }>(kernel, ({ inputs, attrs, torch }) => {
      const { x } = inputs;
      if (x.dtype === 'string') {
        if (value === 1) throw new Error('onesLike is not supported for string tensors');
        return runOnHost(kernel, { inputs, attrs, torch });
      }
      return filled(torch, value, x);
    });
  }
  registerTorchKernel<object, { start: number; stop: number; step: number; dtype: 'float32' | 'int32' }>(
    'Range',
    ({ attrs: { start, stop, step, dtype }, torch }) => {
      const empty = start === stop || (start < stop && step < 0) || (stop < start && step > 1);
      // A positive step of 1 is the default, which counts down when stop lies below start.
      const signed = stop < start && step === 1 ? -1 : step;
      const length = empty ? 0 : Math.abs(Math.ceil((stop - start) / signed));
      const array = dtype === 'int32' ? new Int32Array(length) : new Float32Array(length);
      // Summed up step by step, so that fractional steps round as in tfjs's reference.
      for (let i = 0; i < length; i += 1) array[i] = i === 0 ? start : (array[i - 1] ?? 0) + signed;
      return torch.outputFrom(array, [length], dtype);
    },
  );
  registerTorchKernel<object, { start: number; stop: number; num: number }>(
    'LinSpace',
    ({ attrs: { start, stop, num }, torch }) => {
      const step = num > 1 ? (stop - start) / (num - 1) : 0;
      return torch.outputFrom(
        Float32Array.from({ length: num }, (_, i) => start + i * step),
        [num],
        'float32',
      );
    },
  );
  registerTorchKernel<{ x: TensorInfo }>('Diag', ({ inputs: { x }, torch }) => {
    const size = tf.util.sizeFromShape(x.shape);
    const matrix = torch.aten('diag', torch.aten('reshape', torch.storedTensorOf(x), [size]));
    return torch.output(matrix, [...x.shape, ...x.shape], x.dtype);
  });
};

/** Kept here because they only make sense for complex tensors. */
export const registerComplexKernels = (): void => {
  registerTorchKernel<{ real: TensorInfo; imag: TensorInfo }>(
    'Complex',
    ({ inputs: { real, imag }, torch }) => {
      const value = torch.aten('complex', torch.tensorOf(real), torch.tensorOf(imag));
      return torch.output(value, real.shape, 'complex64');
    },
  );
  for (const [kernel, operator] of [
    ['Real', 'real'],
    ['Imag', 'imag'],
  ] as const) {
    registerTorchKernel<{ input: TensorInfo }>(kernel, ({ inputs: { input }, torch }) => {
      if (input.dtype !== 'complex64') {
        return kernel === 'Real' ? torch.share(input, input.shape) : filled(torch, 0, input);
      }
      const part = torch.aten(operator, torch.tensorOf(input));
      return torch.output(torch.aten('clone', part, 0), input.shape);
    });
  }
  registerTorchKernel<{ x: TensorInfo }>('ComplexAbs', ({ inputs: { x }, torch }) =>
    torch.output(torch.aten('abs', torch.tensorOf(x)), x.shape),
  );
  // Normalisation modes of ATen: 0 none, 2 divides by the length.
  for (const [kernel, normalization, isForward] of [
    ['FFT', 0, true],
    ['IFFT', 2, false],
  ] as const) {
    registerTorchKernel<{ input: TensorInfo }>(kernel, ({ inputs: { input }, torch }) => {
      const complex = torch.tensorOf(input, ScalarType.complex64);
      const value = torch.aten('_fft_c2c', complex, [input.shape.length - 1], normalization, isForward);
      return torch.output(value, input.shape, 'complex64');
    });
  }
};
