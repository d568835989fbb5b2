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
import type { Padding, WindowAxis } from './windows.ts';
import { channelsFirst, channelsLast, padExplicitly, planPadding, unpadExplicitly } from './windows.ts';

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

const geometryOf = (
  axes: readonly (WindowAxis & { size: number; dilation: number })[],
  outputShape: readonly number[],
): Geometry => ({
  rank: axes.length + 2,
  size: axes.map(({ size }) => size),
  strides: axes.map(({ stride }) => stride),
  dilations: axes.map(({ dilation }) => dilation),
  padding: planPadding(axes, halfWindow),
  outputShape,
});

type Pad = 'valid' | 'same' | number | tf.backend_util.ExplicitPadding;
type Rounding = 'floor' | 'round' | 'ceil';
interface PoolAttributes {
  readonly filterSize: number | number[];
  readonly strides: number | number[];
  readonly pad: Pad;
  readonly dimRoundingMode?: Rounding;
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
  return geometryOf(
    [
      {
        input: info.inHeight,
        output: info.outHeight,
        extent: info.effectiveFilterHeight,
        stride: info.strideHeight,
        front: info.padInfo.top,
        size: info.filterHeight,
        dilation: info.dilationHeight,
      },
      {
        input: info.inWidth,
        output: info.outWidth,
        extent: info.effectiveFilterWidth,
        stride: info.strideWidth,
        front: info.padInfo.left,
        size: info.filterWidth,
        dilation: info.dilationWidth,
      },
    ],
    info.outShape,
  );
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
  return geometryOf(
    [
      {
        input: info.inDepth,
        output: info.outDepth,
        extent: info.effectiveFilterDepth,
        stride: info.strideDepth,
        front: info.padInfo.front,
        size: info.filterDepth,
        dilation: info.dilationDepth,
      },
      {
        input: info.inHeight,
        output: info.outHeight,
        extent: info.effectiveFilterHeight,
        stride: info.strideHeight,
        front: info.padInfo.top,
        size: info.filterHeight,
        dilation: info.dilationHeight,
      },
      {
        input: info.inWidth,
        output: info.outWidth,
        extent: info.effectiveFilterWidth,
        stride: info.strideWidth,
        front: info.padInfo.left,
        size: info.filterWidth,
        dilation: info.dilationWidth,
      },
    ],
    info.outShape,
  );
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

const registerAverage = (
  names: { forward: string; backward: string },
  operator: string,
  plan: Plan,
): void => {
  registerTorchKernel<{ x: TensorInfo }, PoolAttributes>(names.forward, ({ inputs: { x }, attrs, torch }) => {
    const geometry = plan(x.shape, attrs);
    if (isIdentity(x, geometry)) return torch.share(x, x.shape);
    if (isEmpty(geometry)) return torch.outputFrom(new Float32Array(0), geometry.outputShape, x.dtype);
    const { size, strides, padding } = geometry;
    let average = torch.aten(
      operator,
      prepared(torch, x, geometry, 0),
      size,
      strides,
      padding.symmetric,
      false,
      false,
    );
    if (padding.explicit !== undefined) {
      // The share of each window that lies inside the input: pool a plane of ones padded alike.
      const ones = torch.aten(
        'ones',
        [1, 1, ...x.shape.slice(1, -1)],
        ScalarType.float32,
        undefined,
        torch.device,
      );
      const inside = torch.aten(operator, padExplicitly(torch, ones, padding, 0), size, strides);
      // A window that lies wholly outside averages to 0; the least share above that is 1 / window.
      average = torch.aten('div.Tensor', average, torch.aten('clamp_', inside, Number.EPSILON));
    }
    return torch.output(channelsLast(torch, average, geometry.rank), geometry.outputShape, x.dtype);
  });
  registerTorchKernel<{ dy: TensorInfo; input: TensorInfo }, PoolAttributes>(
    names.backward,
    ({ inputs: { dy, input }, attrs, torch }) => {
      const geometry = plan(input.shape, attrs);
      const { size, strides, padding, rank } = geometry;
      const x = prepared(torch, input, geometry, 0);
      const upstream = channelsFirst(torch, torch.tensorOf(dy, ScalarType.float32), rank);
      const dx = torch.aten(
        `${operator}_backward`,
        upstream,
        x,
        size,
        strides,
        padding.symmetric,
        false,
        true,
        null,
      );
      return torch.output(channelsLast(torch, unpadExplicitly(torch, dx, padding), rank), input.shape);
    },
  );
};

const registerMaximum = (
  names: { forward: string; backward: string },
  operator: string,
  plan: Plan,
): void => {
  registerTorchKernel<{ x: TensorInfo }, PoolAttributes>(names.forward, ({ inputs: { x }, attrs, torch }) => {
    const geometry = plan(x.shape, attrs);
    if (isIdentity(x, geometry)) return torch.share(x, x.shape);
    if (isEmpty(geometry)) return torch.outputFrom(new Float32Array(0), geometry.outputShape, x.dtype);
    const maximum = torch.aten(
      operator,
      comparable(torch, x, geometry),
      geometry.size,
      geometry.strides,
      geometry.padding.symmetric,
      geometry.dilations,
    );
    return torch.output(channelsLast(torch, maximum, geometry.rank), geometry.outputShape, x.dtype);
  });
  registerTorchKernel<{ dy: TensorInfo; input: TensorInfo }, PoolAttributes>(
    names.backward,
    ({ inputs: { dy, input }, attrs, torch }) => {
      const geometry = plan(input.shape, attrs);
      const { size, strides, dilations, padding, rank } = geometry;
      const x = comparable(torch, input, geometry);
      const upstream = channelsFirst(torch, torch.tensorOf(dy, ScalarType.float32), rank);
      const [, positions] = torch.atenAll(
        `${operator}_with_indices`,
        x,
        size,
        strides,
        padding.symmetric,
        dilations,
      );
      const dx = torch.aten(
        `${operator}_with_indices_backward`,
        upstream,
        x,
        size,
        strides,
        padding.symmetric,
        dilations,
        false,
        positions,
      );
      return torch.output(channelsLast(torch, unpadExplicitly(torch, dx, padding), rank), input.shape);
    },
  );
};

export const registerPoolingKernels = (): void => {
  registerAverage({ forward: 'AvgPool', backward: 'AvgPoolGrad' }, 'avg_pool2d', plan2d);
  registerAverage({ forward: 'AvgPool3D', backward: 'AvgPool3DGrad' }, 'avg_pool3d', plan3d);
  registerMaximum({ forward: 'MaxPool', backward: 'MaxPoolGrad' }, 'max_pool2d', plan2d);
  registerMaximum({ forward: 'MaxPool3D', backward: 'MaxPool3DGrad' }, 'max_pool3d', plan3d);
};
