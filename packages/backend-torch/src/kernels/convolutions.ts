/**
 * Convolutions in one, two and three dimensions, depthwise ones, and their gradients.
 *
 * tfjs: x [B, ..., C], filter [..., C, O] (depthwise [H, W, C, M]). ATen: x [B, C, ...], filter [O, C, ...];
 * the permuted views are ATen's channels-last format, so no data moves. Under the bf16 policy the factors
 * are rounded to bf16 and results are stored in it.
 */
import type { TensorInfo } from '@tensorflow/tfjs';
import type { KernelContext } from '../kernel-context.ts';
import { registerTorchKernel } from '../kernel-registration.ts';
import type { Handle } from '../native/binding.ts';
import type { Dispatcher } from '../native/dispatcher.ts';
import type { Activation } from './activations.ts';
import { applyActivation } from './activations.ts';
import {
  planConvolution2d,
  planConvolution3d,
  type Attributes2d,
  type Attributes3d,
  type Geometry,
} from './convolution-geometry.ts';
import { channelsFirst, channelsLast, padExplicitly, unpadExplicitly } from './windows.ts';

/** ATen's number of the channels-last memory formats, by number of spatial axes. */
const CHANNELS_LAST_FORMAT: Readonly<Record<number, number>> = { 2: 2, 3: 3 };

/** Whether convolutions may go through oneDNN from now on; nothing else is touched. */
export const useOneDnnInConvolutions = (torch: Dispatcher, on: boolean): void => {
  torch.convolutionsPastOneDnn = !on;
};

/** Runs one convolution of ATen, past oneDNN where that was asked for. */
const runConvolution = <T>({ dispatcher }: KernelContext, run: () => T): T => {
  if (!dispatcher.convolutionsPastOneDnn) return run();
  const before = dispatcher.native.oneDnn();
  dispatcher.native.oneDnn(false);
  try {
    return run();
  } finally {
    dispatcher.native.oneDnn(before);
  }
};

const toChannelsFirst = (torch: KernelContext, x: Handle, geometry: Geometry): Handle =>
  geometry.last ? channelsFirst(torch, x, geometry.axes + 2) : x;

const fromChannelsFirst = (torch: KernelContext, x: Handle, geometry: Geometry): Handle =>
  geometry.last ? channelsLast(torch, x, geometry.axes + 2) : x;

/** tfjs filter -> ATen's [O, C / groups, ...]. */
const toAtenFilter = (torch: KernelContext, filter: Handle, geometry: Geometry): Handle => {
  if (geometry.depthwise) {
    // [H, W, C, M] -> [C, M, H, W] -> [C * M, 1, H, W]
    const [height = 1, width = 1, channels = 1, multiplier = 1] = geometry.filterShape;
    const moved = torch.aten('permute', filter, [2, 3, 0, 1]);
    return torch.aten('reshape', moved, [channels * multiplier, 1, height, width]);
  }
  const spatial = Array.from({ length: geometry.axes }, (_, i) => i);
  return torch.aten('permute', filter, [geometry.axes + 1, geometry.axes, ...spatial]);
};

const fromAtenFilter = (torch: KernelContext, filter: Handle, geometry: Geometry): Handle => {
  if (geometry.depthwise) {
    const [height = 1, width = 1, channels = 1, multiplier = 1] = geometry.filterShape;
    const split = torch.aten('reshape', filter, [channels, multiplier, height, width]);
    return torch.aten('permute', split, [2, 3, 0, 1]);
  }
  const spatial = Array.from({ length: geometry.axes }, (_, i) => i + 2);
  return torch.aten('permute', filter, [...spatial, 1, 0]);
};

interface ConvolutionInputs {
  readonly x: TensorInfo;
  readonly filter: TensorInfo;
  readonly bias?: TensorInfo;
  readonly preluActivationWeights?: TensorInfo;
}

/** The convolution, still channels first. */
const convolve = (torch: KernelContext, inputs: ConvolutionInputs, geometry: Geometry): Handle => {
  const type = torch.precision.product;
  const x = padExplicitly(
    torch,
    toChannelsFirst(torch, torch.tensorOf(inputs.x, type), geometry),
    geometry.padding,
    0,
  );
  const filter = toAtenFilter(torch, torch.tensorOf(inputs.filter, type), geometry);
  // tfjs lets any broadcastable bias through; ATen takes one value per output channel.
  const perChannel = inputs.bias?.shape.length === 1;
  const bias = inputs.bias !== undefined && perChannel ? torch.tensorOf(inputs.bias, type) : null;
  return runConvolution(torch, () =>
    torch.aten(
      'convolution',
      x,
      filter,
      bias,
      geometry.strides,
      geometry.padding.symmetric,
      geometry.dilations,
      false,
      geometry.axes === 3 ? [0, 0, 0] : [0, 0],
      geometry.groups,
    ),
  );
};

const forward = (torch: KernelContext, inputs: ConvolutionInputs, geometry: Geometry): TensorInfo => {
  const y = fromChannelsFirst(torch, convolve(torch, inputs, geometry), geometry);
  return torch.output(y, geometry.outputShape);
};

const forwardFused = (
  torch: KernelContext,
  inputs: ConvolutionInputs,
  options: { geometry: Geometry; activation: Activation; leakyreluAlpha: number | undefined },
): TensorInfo => {
  const { geometry } = options;
  let y = fromChannelsFirst(torch, convolve(torch, inputs, geometry), geometry);
  if (inputs.bias !== undefined && inputs.bias !== null && inputs.bias.shape.length !== 1) {
    y = torch.aten('add.Tensor', y, torch.tensorOf(inputs.bias, torch.precision.product));
  }
  let slope = inputs.preluActivationWeights;
  if (slope !== undefined && !geometry.last && slope.shape.length === 1) {
    // One slope per channel of a channels-first tensor: [C] -> [C, 1, 1].
    slope = { ...slope, shape: [slope.shape[0] ?? 1, 1, 1] };
  }
  const activated = applyActivation(torch, y, {
    activation: options.activation,
    prelu: slope,
    leakyreluAlpha: options.leakyreluAlpha,
  });
  return torch.output(activated, geometry.outputShape);
};

/**
 * What a filter's gradient reads of x, and by which strides. A pointwise filter meets every stride-th position alone, so
 * these are taken beforehand: oneDNN (2.6 to 3.12, with AVX2 and AVX-512) gathers them into a buffer that it books for the
 * channels there are and addresses by blocks of 8 or 16, and so writes past its end where there are fewer.
 */
const filterGradientInput = (
  torch: KernelContext,
  x: Handle,
  geometry: Geometry,
): { readonly x: Handle; readonly strides: readonly number[] } => {
  const { axes, strides, padding, filterShape, last, outputShape } = geometry;
  const isGathered =
    filterShape.slice(0, axes).every((extent) => extent === 1) &&
    strides.some((stride) => stride > 1) &&
    // With padding of its own the operator sees other positions than x has, and oneDNN takes another way.
    padding.symmetric.every((extent) => extent === 0);
  if (!isGathered) return { x, strides };
  const met = strides.reduce((rest, stride, i) => {
    const windows = outputShape[i + (last ? 1 : 2)] ?? 1;
    return torch.aten('slice.Tensor', rest, i + 2, 0, (windows - 1) * stride + 1, stride);
  }, x);
  return { x: torch.aten('contiguous', met, CHANNELS_LAST_FORMAT[axes]), strides: strides.map(() => 1) };
};

/**
 * The gradient to the input when x is left out, to the filter when the filter is; ATen looks at the operand
 * left out for its shape alone.
 */
const backward = (
  torch: KernelContext,
  operands: { dy: TensorInfo; x?: TensorInfo; filter?: TensorInfo },
  geometry: Geometry,
): Handle => {
  const type = torch.precision.product;
  const { axes, padding } = geometry;
  let upstream = torch.tensorOf(operands.dy, type);
  // tfjs's transposed convolution looks only at the part of dy that the forward direction would make.
  geometry.outputShape.forEach((extent, axis) => {
    if ((operands.dy.shape[axis] ?? extent) > extent) {
      upstream = torch.aten('narrow', upstream, axis, 0, extent);
    }
  });
  const dy = toChannelsFirst(torch, upstream, geometry);
  const inputExtents = geometry.last ? geometry.inputShape.slice(1, -1) : geometry.inputShape.slice(2);
  const channels = (geometry.last ? geometry.inputShape.at(-1) : geometry.inputShape[1]) ?? 1;
  const padded = inputExtents.map((extent, i) => {
    const [before, after] = padding.explicit?.[i] ?? [0, 0];
    return extent + before + after;
  });
  const x =
    operands.x === undefined
      ? torch.aten(
          'empty.memory_format',
          [geometry.inputShape[0] ?? 1, channels, ...padded],
          type,
          undefined,
          torch.device,
          undefined,
          CHANNELS_LAST_FORMAT[axes],
        )
      : padExplicitly(torch, toChannelsFirst(torch, torch.tensorOf(operands.x, type), geometry), padding, 0);
  const filter = torch.aten(
    'contiguous',
    toAtenFilter(
      torch,
      operands.filter === undefined
        ? torch.aten('empty.memory_format', geometry.filterShape, type, undefined, torch.device)
        : torch.tensorOf(operands.filter, type),
      geometry,
    ),
  );
  const wantsInput = operands.x === undefined;
  const read = wantsInput ? { x, strides: geometry.strides } : filterGradientInput(torch, x, geometry);
  const [dx, dw] = runConvolution(torch, () =>
    torch.atenAll(
      'convolution_backward',
      dy,
      read.x,
      filter,
      null,
      read.strides,
      padding.symmetric,
      geometry.dilations,
      false,
      axes === 3 ? [0, 0, 0] : [0, 0],
      geometry.groups,
      [wantsInput, !wantsInput, false],
    ),
  );
  return wantsInput
    ? fromChannelsFirst(torch, unpadExplicitly(torch, dx as Handle, padding), geometry)
    : fromAtenFilter(torch, dw as Handle, geometry);
};

interface FusedAttributes2d extends Attributes2d {
  readonly activation: Activation;
  readonly leakyreluAlpha?: number;
}

interface Gradient {
  readonly dy: TensorInfo;
}
const registerConv2d = (
  names: { forward: string; fused: string; filter: string; input: string },
  depthwise: boolean,
): void => {
  registerTorchKernel<ConvolutionInputs, Attributes2d>(names.forward, ({ inputs, attrs, torch }) => {
    const shapes = { input: inputs.x.shape, filter: inputs.filter.shape };
    return forward(torch, inputs, planConvolution2d(attrs, shapes, depthwise));
  });
  registerTorchKernel<ConvolutionInputs, FusedAttributes2d>(names.fused, ({ inputs, attrs, torch }) => {
    const shapes = { input: inputs.x.shape, filter: inputs.filter.shape };
    return forwardFused(torch, inputs, {
      geometry: planConvolution2d(attrs, shapes, depthwise),
      activation: attrs.activation,
      leakyreluAlpha: attrs.leakyreluAlpha,
    });
  });
  registerTorchKernel<Gradient & { x: TensorInfo }, Attributes2d & { filterShape: number[] }>(
    names.filter,
    ({ inputs: { x, dy }, attrs, torch }) => {
      const geometry = planConvolution2d(attrs, { input: x.shape, filter: attrs.filterShape }, depthwise);
      return torch.output(backward(torch, { dy, x }, geometry), attrs.filterShape);
    },
  );
  registerTorchKernel<Gradient & { filter: TensorInfo }, Attributes2d & { inputShape: number[] }>(
    names.input,
    ({ inputs: { dy, filter }, attrs, torch }) => {
      const geometry = planConvolution2d(attrs, { input: attrs.inputShape, filter: filter.shape }, depthwise);
      return torch.output(backward(torch, { dy, filter }, geometry), geometry.inputShape);
    },
  );
};

export const registerConvolutionKernels = (): void => {
  registerConv2d(
    {
      forward: 'Conv2D',
      fused: 'FusedConv2D',
      filter: 'Conv2DBackpropFilter',
      input: 'Conv2DBackpropInput',
    },
    false,
  );
  registerConv2d(
    {
      forward: 'DepthwiseConv2dNative',
      fused: 'FusedDepthwiseConv2D',
      filter: 'DepthwiseConv2dNativeBackpropFilter',
      input: 'DepthwiseConv2dNativeBackpropInput',
    },
    true,
  );
  registerTorchKernel<ConvolutionInputs, Attributes3d>('Conv3D', ({ inputs, attrs, torch }) =>
    forward(torch, inputs, planConvolution3d(attrs, { input: inputs.x.shape, filter: inputs.filter.shape })),
  );
  registerTorchKernel<Gradient & { x: TensorInfo }, Attributes3d & { filterShape: number[] }>(
    'Conv3DBackpropFilterV2',
    ({ inputs: { x, dy }, attrs, torch }) => {
      const geometry = planConvolution3d(attrs, { input: x.shape, filter: attrs.filterShape });
      return torch.output(backward(torch, { dy, x }, geometry), attrs.filterShape);
    },
  );
  registerTorchKernel<Gradient & { filter: TensorInfo }, Attributes3d & { inputShape: number[] }>(
    'Conv3DBackpropInputV2',
    ({ inputs: { dy, filter }, attrs, torch }) => {
      const geometry = planConvolution3d(attrs, { input: attrs.inputShape, filter: filter.shape });
      return torch.output(backward(torch, { dy, filter }, geometry), attrs.inputShape);
    },
  );
};
