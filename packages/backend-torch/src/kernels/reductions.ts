/** Reductions along axes, positions of extremes, running sums and products. */
import * as tf from '@tensorflow/tfjs';
import type { DataType, TensorInfo } from '@tensorflow/tfjs';
import type { KernelContext } from '../kernel-context.ts';
import { registerTorchKernel } from '../kernel-registration.ts';
import type { Handle } from '../native/binding.ts';
import { ScalarType, storageTypeOf } from '../native/scalar-types.ts';

interface ReduceAttributes {
  readonly axis?: number | number[];
  /** Max calls it so. */
  readonly reductionIndices?: number | number[];
  readonly keepDims: boolean;
}
interface OneInput {
  readonly x: TensorInfo;
}

/** No axis at all means every axis. */
const axesOf = (attrs: ReduceAttributes, x: TensorInfo): number[] => {
  const given = attrs.axis ?? attrs.reductionIndices;
  return given === undefined || given === null
    ? x.shape.map((_, i) => i)
    : tf.util.parseAxisParam(given, x.shape);
};

type Reduce = (torch: KernelContext, x: Handle, axes: readonly number[]) => Handle;

const resultShape = (x: TensorInfo, axes: readonly number[], keepDims: boolean): number[] =>
  keepDims
    ? x.shape.map((extent, i) => (axes.includes(i) ? 1 : extent))
    : x.shape.filter((_, i) => !axes.includes(i));

/** Elements that a reduction over `axes` takes together. */
const reducedSize = (x: TensorInfo, axes: readonly number[]): number =>
  axes.reduce((product, axis) => product * (x.shape[axis] ?? 1), 1);

const registerReduction = (
  kernel: string,
  reduce: Reduce,
  options: { dtype: (x: DataType) => DataType; type: (x: DataType) => ScalarType; empty?: number },
): void => {
  registerTorchKernel<OneInput, ReduceAttributes>(kernel, ({ inputs: { x }, attrs, torch }) => {
    const axes = axesOf(attrs, x);
    const dtype = options.dtype(x.dtype);
    const shape = resultShape(x, axes, attrs.keepDims);
    if (options.empty !== undefined && reducedSize(x, axes) === 0) {
      const fill = torch.aten('full', shape, options.empty, storageTypeOf(dtype), undefined, torch.device);
      return torch.output(fill, shape, dtype);
    }
    const value = torch.tensorOf(x, options.type(x.dtype));
    // ATen takes an empty list of axes for all of them.
    return torch.output(axes.length === 0 ? value : reduce(torch, value, axes), shape, dtype);
  });
};

const keep = (dtype: DataType): DataType => dtype;
const atLeastInt = (dtype: DataType): DataType => (dtype === 'bool' ? 'int32' : dtype);
/** Sums of int32 wrap as int32 does; ATen would widen them. */
const summable = (dtype: DataType): ScalarType => storageTypeOf(atLeastInt(dtype));

const registerArgument = (kernel: string, operator: string, worst: number): void => {
  registerTorchKernel<OneInput, { axis: number | number[] }>(kernel, ({ inputs: { x }, attrs, torch }) => {
    const [axis = 0] = tf.util.parseAxisParam(attrs.axis, x.shape);
    let value = torch.tensorOf(x, x.dtype === 'bool' ? ScalarType.int32 : storageTypeOf(x.dtype));
    // NaN loses against every number, as in tfjs's reference.
    if (x.dtype === 'float32') value = torch.aten('nan_to_num', value, worst, Infinity, -Infinity);
    const index = x.shape.length === 0 ? torch.aten(operator, value) : torch.aten(operator, value, axis);
    return torch.output(index, resultShape(x, [axis], false), 'int32');
  });
};

interface ScanAttributes {
  readonly axis: number;
  readonly exclusive: boolean;
  readonly reverse: boolean;
}

/** Running sum or product; exclusive shifts by one so that the first is the neutral element. */
const registerScan = (kernel: string, operator: string, neutral: number): void => {
  registerTorchKernel<OneInput, ScanAttributes>(kernel, ({ inputs: { x }, attrs, torch }) => {
    const [axis = 0] = tf.util.parseAxisParam(attrs.axis, x.shape);
    const dtype = atLeastInt(x.dtype);
    const type = storageTypeOf(dtype);
    let value = torch.tensorOf(x, type);
    const extent = x.shape[axis] ?? 1;
    if (x.shape.length === 0) {
      return torch.output(attrs.exclusive ? torch.aten('full_like', value, neutral) : value, x.shape, dtype);
    }
    if (attrs.reverse) value = torch.aten('flip', value, [axis]);
    if (attrs.exclusive && extent > 0) {
      const first = torch.aten('full_like', torch.aten('narrow', value, axis, 0, 1), neutral);
      value = torch.aten('cat', [first, torch.aten('narrow', value, axis, 0, extent - 1)], axis);
    }
    value = torch.aten(operator, value, axis, type);
    if (attrs.reverse) value = torch.aten('flip', value, [axis]);
    return torch.output(value, x.shape, dtype);
  });
};

export const registerReductionKernels = (): void => {
  registerReduction(
    'Sum',
    (torch, x, axes) => torch.aten('sum.dim_IntList', x, axes, false, torch.dispatcher.dtypeOf(x)),
    { dtype: atLeastInt, type: summable },
  );
  registerReduction('Mean', (torch, x, axes) => torch.aten('mean.dim', x, axes), {
    dtype: () => 'float32',
    type: () => ScalarType.float32,
  });
  registerReduction('Max', (torch, x, axes) => torch.aten('amax', x, axes), {
    dtype: keep,
    type: storageTypeOf,
    empty: -Infinity,
  });
  registerReduction('Min', (torch, x, axes) => torch.aten('amin', x, axes), {
    dtype: keep,
    type: storageTypeOf,
    empty: Infinity,
  });
  registerReduction(
    'Prod',
    (torch, x, axes) =>
      [...axes]
        .sort((a, b) => b - a)
        .reduce<Handle>(
          (value, axis) => torch.aten('prod.dim_int', value, axis, false, torch.dispatcher.dtypeOf(x)),
          x,
        ),
    { dtype: atLeastInt, type: summable },
  );
  const truth = { dtype: (): DataType => 'bool', type: () => ScalarType.bool };
  registerReduction('All', (torch, x, axes) => torch.aten('amin', x, axes), { ...truth, empty: 1 });
  registerReduction('Any', (torch, x, axes) => torch.aten('amax', x, axes), { ...truth, empty: 0 });
  registerArgument('ArgMax', 'argmax', -Infinity);
  registerArgument('ArgMin', 'argmin', Infinity);
  registerScan('Cumsum', 'cumsum', 0);
  registerScan('Cumprod', 'cumprod', 1);
};
