/**
 * Average and maximum pooling in two and three dimensions, with gradients. x [B, ..., C].
 *
 * An average is over the elements of the window that lie inside the input. Its gradient follows tfjs's
 * reference, which divides by the whole window also at the border.
 */
import * as tf from '@tensorflow/tfjs';
import type { TensorInfo } from '@tensorflow/tfjs';
import type { KernelContext } from '../kernel-context.ts';
import { registerTorchKernel } from '../kernel-registration.ts';
import type { Handle } from '../native/binding.ts';
import { ScalarType } from '../native/scalar-types.ts';
import type { Padding, WindowAxis, WindowPadding, WindowRounding } from './windows.ts';
import {
  channelsFirst,
  channelsLast,
  padExplicitly,
  planPadding,
  unpadExplicitly,
  windowAxes2d,
  windowAxes3d,
} from './windows.ts';

interface Geometry {
  readonly rank: number;
  readonly size: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly padding: Padding;
  readonly outputShape: readonly number[];
}

/** ATen pads a pool by half a window at most. */
const halfWindow = (axis: WindowAxis): number => Math.floor(axis.extent / 2);

const geometryOf = (axes: readonly WindowAxis[], outputShape: readonly number[]): Geometry => ({
  rank: axes.length + 2,
  size: axes.map(({ size }) => size),
  strides: axes.map(({ stride }) => stride),
  dilations: axes.map(({ dilation }) => dilation),
  padding: planPadding(axes, halfWindow),
  outputShape,
});

interface PoolAttributes {
  readonly filterSize: number | number[];
  readonly strides: number | number[];
  readonly pad: WindowPadding;
  readonly dimRoundingMode?: WindowRounding;
}

type Plan = (shape: readonly number[], attrs: PoolAttributes) => Geometry;

const plan2d: Plan = (shape, attrs) => {
  const info = tf.backend_util.computePool2DInfo(
    shape as [number, number, number, number],
    attrs.filterSize as [number, number],
    attrs.strides as [number, number],
    1,
    attrs.pad,
    attrs.dimRoundingMode,
  );
  return geometryOf(windowAxes2d(info), info.outShape);
};

const plan3d: Plan = (shape, attrs) => {
  const info = tf.backend_util.computePool3DInfo(
    shape as [number, number, number, number, number],
    attrs.filterSize as [number, number, number],
    attrs.strides as [number, number, number],
    1,
    attrs.pad as 'valid' | 'same',
    attrs.dimRoundingMode,
  );
  return geometryOf(windowAxes3d(info), info.outShape);
};

/** The input channels first and padded, in float32. */
const prepared = (torch: KernelContext, x: TensorInfo, geometry: Geometry, border: number): Handle =>
  padExplicitly(
    torch,
    channelsFirst(torch, torch.tensorOf(x, ScalarType.float32), geometry.rank),
    geometry.padding,
    border,
  );

/** tfjs's reference takes a window of one element for no pooling, however it is padded. */
const isIdentity = (x: TensorInfo, geometry: Geometry): boolean =>
  geometry.size.every((extent) => extent === 1) && tf.util.arraysEqual(x.shape, [...geometry.outputShape]);

const isEmpty = (geometry: Geometry): boolean => tf.util.sizeFromShape([...geometry.outputShape]) === 0;

/** The input of a maximum: NaN loses against every number, as in tfjs's reference. */
const comparable = (torch: KernelContext, x: TensorInfo, geometry: Geometry): Handle =>
  torch.aten('nan_to_num', prepared(torch, x, geometry, -Infinity), -Infinity, Infinity, -Infinity);

/** One way to pool: what is made of windows, and of the gradient to them; both channels first. */
interface Pool {
  forward(torch: KernelContext, x: TensorInfo, geometry: Geometry): Handle;
  /** The gradient to the padded input. */
  backward(
    torch: KernelContext,
    operands: { readonly upstream: Handle; readonly input: TensorInfo },
    geometry: Geometry,
  ): Handle;
}

const averagePool = (operator: string): Pool => ({
  forward(torch, x, geometry) {
    const { size, strides, padding } = geometry;
    const input = prepared(torch, x, geometry, 0);
    const average = torch.aten(operator, input, size, strides, padding.symmetric, false, false);
    if (padding.explicit === undefined) return average;
    // The share of each window that lies inside the input: pool a plane of ones padded alike.
    const plane = [1, 1, ...x.shape.slice(1, -1)];
    const ones = torch.aten('ones', plane, ScalarType.float32, undefined, torch.device);
    const inside = torch.aten(operator, padExplicitly(torch, ones, padding, 0), size, strides);
    // A window that lies wholly outside averages to 0; the least share above that is 1 / window.
    return torch.aten('div.Tensor', average, torch.aten('clamp_', inside, Number.EPSILON));
  },
  backward(torch, { upstream, input }, geometry) {
    const { size, strides, padding } = geometry;
    const x = prepared(torch, input, geometry, 0);
    const { symmetric } = padding;
    return torch.aten(`${operator}_backward`, upstream, x, size, strides, symmetric, false, true, null);
  },
});

const maximumPool = (operator: string): Pool => ({
  forward(torch, x, geometry) {
    const { size, strides, padding, dilations } = geometry;
    const input = comparable(torch, x, geometry);
    return torch.aten(operator, input, size, strides, padding.symmetric, dilations);
  },
  backward(torch, { upstream, input }, geometry) {
    const { size, strides, dilations, padding } = geometry;
    const x = comparable(torch, input, geometry);
    const shared = [x, size, strides, padding.symmetric, dilations] as const;
    const [, positions] = torch.atenAll(`${operator}_with_indices`, ...shared);
    return torch.aten(`${operator}_with_indices_backward`, upstream, ...shared, false, positions);
  },
});

const registerPool = (
  names: { readonly forward: string; readonly backward: string },
  plan: Plan,
  pool: Pool,
): void => {
  registerTorchKernel<{ x: TensorInfo }, PoolAttributes>(names.forward, ({ inputs: { x }, attrs, torch }) => {
    const geometry = plan(x.shape, attrs);
    const { rank, outputShape } = geometry;
    if (isIdentity(x, geometry)) return torch.share(x, x.shape);
    if (isEmpty(geometry)) return torch.outputFrom(new Float32Array(0), outputShape, x.dtype);
    return torch.output(channelsLast(torch, pool.forward(torch, x, geometry), rank), outputShape, x.dtype);
  });
  registerTorchKernel<{ dy: TensorInfo; input: TensorInfo }, PoolAttributes>(
    names.backward,
    ({ inputs: { dy, input }, attrs, torch }) => {
      const geometry = plan(input.shape, attrs);
      const { padding, rank } = geometry;
      const upstream = channelsFirst(torch, torch.tensorOf(dy, ScalarType.float32), rank);
      const dx = pool.backward(torch, { upstream, input }, geometry);
      return torch.output(channelsLast(torch, unpadExplicitly(torch, dx, padding), rank), input.shape);
    },
  );
};

export const registerPoolingKernels = (): void => {
  registerPool({ forward: 'AvgPool', backward: 'AvgPoolGrad' }, plan2d, averagePool('avg_pool2d'));
  registerPool({ forward: 'AvgPool3D', backward: 'AvgPool3DGrad' }, plan3d, averagePool('avg_pool3d'));
  registerPool({ forward: 'MaxPool', backward: 'MaxPoolGrad' }, plan2d, maximumPool('max_pool2d'));
  registerPool({ forward: 'MaxPool3D', backward: 'MaxPool3DGrad' }, plan3d, maximumPool('max_pool3d'));
};
