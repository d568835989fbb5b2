/** What a convolution is, from the attributes of tfjs's kernels and the shapes of input and filter: windows, groups, shapes. */
import * as tf from '@tensorflow/tfjs';
import { planPadding, windowAxes2d, windowAxes3d } from './windows.ts';
import type { Padding, WindowAxis, WindowPadding, WindowRounding } from './windows.ts';

/** Everything about one convolution that both directions need. */
export interface Geometry {
  /** Spatial axes. */
  readonly axes: number;
  readonly padding: Padding;
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly groups: number;
  readonly depthwise: boolean;
  /** x and y have their channels last (NHWC). */
  readonly last: boolean;
  readonly inputShape: readonly number[];
  readonly outputShape: readonly number[];
  readonly filterShape: readonly number[];
}

export interface Attributes2d {
  readonly strides: [number, number] | number;
  readonly pad: WindowPadding;
  readonly dataFormat?: 'NHWC' | 'NCHW';
  readonly dilations?: [number, number] | number | null;
  readonly dimRoundingMode?: WindowRounding;
}

export interface Attributes3d {
  readonly strides: [number, number, number] | number;
  readonly pad: 'valid' | 'same';
  readonly dilations?: [number, number, number] | number;
}

interface Shapes {
  readonly input: readonly number[];
  readonly filter: readonly number[];
}

const windowsOf = (
  axes: readonly WindowAxis[],
): Pick<Geometry, 'axes' | 'padding' | 'strides' | 'dilations'> => ({
  axes: axes.length,
  padding: planPadding(axes),
  strides: axes.map(({ stride }) => stride),
  dilations: axes.map(({ dilation }) => dilation),
});

const shapesOf = (
  info: tf.backend_util.Conv2DInfo | tf.backend_util.Conv3DInfo,
): Pick<Geometry, 'inputShape' | 'outputShape' | 'filterShape'> => ({
  inputShape: info.inShape,
  outputShape: info.outShape,
  filterShape: info.filterShape,
});

export const planConvolution2d = (
  { strides, dilations, pad, dimRoundingMode, dataFormat = 'NHWC' }: Attributes2d,
  { input, filter }: Shapes,
  depthwise: boolean,
): Geometry => {
  const info = tf.backend_util.computeConv2DInfo(
    input as [number, number, number, number],
    filter as [number, number, number, number],
    strides,
    dilations ?? 1,
    pad,
    dimRoundingMode,
    depthwise,
    tf.backend_util.convertConv2DDataFormat(dataFormat),
  );
  return {
    ...windowsOf(windowAxes2d(info)),
    ...shapesOf(info),
    groups: depthwise ? info.inChannels : 1,
    depthwise,
    last: info.dataFormat === 'channelsLast',
  };
};

export const planConvolution3d = (
  { strides, dilations, pad }: Attributes3d,
  { input, filter }: Shapes,
): Geometry => {
  const info = tf.backend_util.computeConv3DInfo(
    input as [number, number, number, number, number],
    filter as [number, number, number, number, number],
    strides,
    dilations ?? 1,
    pad,
  );
  return {
    ...windowsOf(windowAxes3d(info)),
    ...shapesOf(info),
    groups: 1,
    depthwise: false,
    last: true,
  };
};
