/** Elementwise kernels of two inputs, with NumPy broadcasting, and the sum of several. */
import * as tf from '@tensorflow/tfjs';
import type { DataType, TensorInfo } from '@tensorflow/tfjs';
import type { KernelContext } from '../kernel-context.ts';
import { registerTorchKernel } from '../kernel-registration.ts';
import type { Handle } from '../native/binding.ts';
import { registerDataKernel } from './views.ts';
import { ScalarType } from '../native/scalar-types.ts';

interface TwoInputs {
  readonly a: TensorInfo;
  readonly b: TensorInfo;
}

const broadcastShape = (a: TensorInfo, b: TensorInfo): number[] =>
  tf.backend_util.assertAndGetBroadcastShape(a.shape, b.shape);

/** The inputs as numbers in their stored types; tfjs has already matched their dtypes. */
const numeric = (torch: KernelContext, x: TensorInfo): Handle =>
  x.dtype === 'bool' ? torch.tensorOf(x, ScalarType.int32) : torch.storedTensorOf(x);

type Arithmetic = (torch: KernelContext, a: Handle, b: Handle) => Handle;

const registerBinary = (
  kernel: string,
  compute: Arithmetic,
  options: { result?: DataType; through?: ScalarType } = {},
): void => {
  registerTorchKernel<TwoInputs>(kernel, ({ inputs: { a, b }, torch }) => {
    const shape = broadcastShape(a, b);
    const exact = options.through !== undefined && a.dtype !== 'float32' && a.dtype !== 'complex64';
    const left = exact ? torch.tensorOf(a, options.through) : numeric(torch, a);
    const right = exact ? torch.tensorOf(b, options.through) : numeric(torch, b);
    const dtype = options.result ?? (a.dtype === b.dtype ? a.dtype : tf.upcastType(a.dtype, b.dtype));
    let value = compute(torch, left, right);
    // What JavaScript writes into an Int32Array for a division by zero.
    if (exact && dtype === 'int32') value = torch.aten('nan_to_num', value, 0, 0, 0);
    return torch.output(value, shape, dtype);
  });
};

const COMPARISONS = {
  Equal: 'eq.Tensor',
  NotEqual: 'ne.Tensor',
  Greater: 'gt.Tensor',
  GreaterEqual: 'ge.Tensor',
  Less: 'lt.Tensor',
  LessEqual: 'le.Tensor',
  LogicalAnd: 'logical_and',
  LogicalOr: 'logical_or',
} as const;

/** Adds tensors in the order given. */
const sumOf = (torch: KernelContext, infos: readonly TensorInfo[]): Handle => {
  let [total, ...rest] = infos.map((info) => torch.storedTensorOf(info));
  if (total === undefined) throw new TypeError('AddN: expected at least one tensor, got none');
  const [first] = rest;
  if (first !== undefined) {
    total = torch.aten('add.Tensor', total, first);
    rest = rest.slice(1);
  }
  const mixed = new Set(infos.map((info) => torch.typeOf(info))).size > 1;
  for (const next of rest) total = torch.aten(mixed ? 'add.Tensor' : 'add_.Tensor', total, next);
  return total;
};

export const registerBinaryKernels = (): void => {
  registerBinary('Add', (torch, a, b) => torch.aten('add.Tensor', a, b));
  registerBinary('Sub', (torch, a, b) => torch.aten('sub.Tensor', a, b));
  registerBinary('Multiply', (torch, a, b) => torch.aten('mul.Tensor', a, b));
  registerBinary('Maximum', (torch, a, b) => torch.aten('maximum', a, b));
  registerBinary('Minimum', (torch, a, b) => torch.aten('minimum', a, b));
  const float64 = { through: ScalarType.float64 };
  registerBinary('RealDiv', (torch, a, b) => torch.aten('div.Tensor', a, b), float64);
  registerBinary('Mod', (torch, a, b) => torch.aten('remainder.Tensor', a, b), float64);
  registerBinary('Pow', (torch, a, b) => torch.aten('pow.Tensor_Tensor', a, b), float64);
  registerBinary('Atan2', (torch, a, b) => torch.aten('atan2', a, b), float64);
  registerBinary('FloorDiv', (torch, a, b) => torch.aten('floor', torch.aten('div.Tensor', a, b)), {
    ...float64,
    result: 'int32',
  });
  registerBinary('SquaredDifference', (torch, a, b) => {
    const difference = torch.aten('sub.Tensor', a, b);
    return torch.aten('mul_.Tensor', difference, difference);
  });
  registerBinary('BitwiseAnd', (torch, a, b) => torch.aten('bitwise_and.Tensor', a, b));

  for (const [kernel, operator] of Object.entries(COMPARISONS)) {
    registerDataKernel<TwoInputs, object>(kernel, ({ inputs: { a, b }, torch }) => {
      const value = torch.aten(operator, torch.storedTensorOf(a), torch.storedTensorOf(b));
      return torch.output(value, broadcastShape(a, b), 'bool');
    });
  }

  registerTorchKernel<TensorInfo[]>('AddN', ({ inputs, torch }) => {
    const [first] = inputs;
    const total = sumOf(torch, inputs);
    return torch.output(total, first?.shape ?? [], first?.dtype ?? 'float32');
  });
  registerTorchKernel<{ condition: TensorInfo; t: TensorInfo; e: TensorInfo }>(
    'Select',
    ({ inputs: { condition, t, e }, torch }) => {
      let chosen = torch.tensorOf(condition, ScalarType.bool);
      // A vector chooses whole rows: [n] -> [n, 1, ..., 1].
      const trailing = t.shape.length - condition.shape.length;
      if (condition.shape.length === 1 && trailing > 0) {
        chosen = torch.aten('reshape', chosen, [...condition.shape, ...Array<number>(trailing).fill(1)]);
      }
      const value = torch.aten('where.self', chosen, torch.storedTensorOf(t), torch.storedTensorOf(e));
      return torch.output(value, t.shape, tf.upcastType(t.dtype, e.dtype));
    },
  );
};
