/**
 * Convolutions of images and their two gradients: channels last and channels first, strided as patches are, of one
 * channel (whose layouts cannot be told apart), transposed, depthwise.
 * Axes: B batch · H height · W width · C channels · O channels of the result · M results of each channel.
 */
import * as tf from '@tensorflow/tfjs';
import { bilinear, knownTensor, sizeOf, tensorOf, type Terms } from './known.ts';
import { withGradients, type Question } from './question.ts';

interface Plan {
  readonly batch: number;
  readonly input: number;
  readonly channels: number;
  readonly outputs: number;
  readonly filter: number;
  readonly stride: number;
  readonly pad: 'same' | 'valid';
  readonly layout?: 'NHWC' | 'NCHW';
}

interface Extents {
  readonly output: number;
  /** Rows and columns of zeros before the image. */
  readonly front: number;
}

const extentsOf = ({ input, filter, stride, pad }: Plan): Extents => {
  if (pad === 'valid') return { output: Math.floor((input - filter) / stride) + 1, front: 0 };
  const output = Math.ceil(input / stride);
  return { output, front: Math.floor(Math.max(0, (output - 1) * stride + filter - input) / 2) };
};

const imageShape = (plan: Plan, side: number, channels: number): number[] =>
  plan.layout === 'NCHW' ? [plan.batch, channels, side, side] : [plan.batch, side, side, channels];

/** Where an element of an image lies. */
const indexOf =
  (plan: Plan, side: number, channels: number) => (n: number, y: number, x: number, c: number) =>
    plan.layout === 'NCHW'
      ? ((n * channels + c) * side + y) * side + x
      : ((n * side + y) * side + x) * channels + c;

/** Calls `visit` for each position of the filter that lies inside an image. */
const overWindows = (
  plan: Plan,
  visit: (n: number, at: readonly [oy: number, ox: number, iy: number, ix: number], tap: number) => void,
): void => {
  const { output, front } = extentsOf(plan);
  const { batch, input, filter, stride } = plan;
  for (let n = 0; n < batch; n += 1)
    for (let oy = 0; oy < output; oy += 1)
      for (let ox = 0; ox < output; ox += 1)
        for (let fy = 0; fy < filter; fy += 1)
          for (let fx = 0; fx < filter; fx += 1) {
            const iy = oy * stride + fy - front;
            const ix = ox * stride + fx - front;
            if (iy < 0 || ix < 0 || iy >= input || ix >= input) continue;
            visit(n, [oy, ox, iy, ix], fy * filter + fx);
          }
};

/** Terms of image times filter [h, w, C, O]. */
const convolutionTerms =
  (plan: Plan): Terms =>
  (add) => {
    const { input, channels, outputs } = plan;
    const { output } = extentsOf(plan);
    const from = indexOf(plan, input, channels);
    const to = indexOf(plan, output, outputs);
    overWindows(plan, (n, [oy, ox, iy, ix], tap) => {
      for (let c = 0; c < channels; c += 1)
        for (let o = 0; o < outputs; o += 1)
          add(from(n, iy, ix, c), (tap * channels + c) * outputs + o, to(n, oy, ox, o));
    });
  };

/** Terms of image times depthwise filter [h, w, C, M]: channel c gives M results. */
const depthwiseTerms =
  (plan: Plan): Terms =>
  (add) => {
    const { input, channels, outputs } = plan;
    const { output } = extentsOf(plan);
    const from = indexOf(plan, input, channels);
    const to = indexOf(plan, output, channels * outputs);
    overWindows(plan, (n, [oy, ox, iy, ix], tap) => {
      for (let c = 0; c < channels; c += 1)
        for (let m = 0; m < outputs; m += 1)
          add(from(n, iy, ix, c), (tap * channels + c) * outputs + m, to(n, oy, ox, c * outputs + m));
    });
  };

const filterShape = ({ filter, channels, outputs }: Plan): [number, number, number, number] => [
  filter,
  filter,
  channels,
  outputs,
];

const forward: Readonly<Record<'plain' | 'depthwise', readonly string[]>> = {
  plain: ['Conv2D', 'Conv2DBackpropInput', 'Conv2DBackpropFilter'],
  depthwise: [
    'DepthwiseConv2dNative',
    'DepthwiseConv2dNativeBackpropInput',
    'DepthwiseConv2dNativeBackpropFilter',
  ],
};

const convolution = (name: string, plan: Plan, kind: 'plain' | 'depthwise' = 'plain'): Question => ({
  name,
  family: 'convolution',
  kernels: forward[kind],
  layout: plan.layout ?? 'NHWC',
  // Libraries without a fast path for it sum its gradients in the type of the image.
  slack: kind === 'depthwise' ? 2 : 1,
  ask: () => {
    const { input, channels, outputs, stride, pad, layout = 'NHWC' } = plan;
    const results = kind === 'plain' ? outputs : channels * outputs;
    const x = knownTensor(imageShape(plan, input, channels), 21);
    const filter = knownTensor(filterShape(plan), 22);
    const dy = knownTensor(imageShape(plan, extentsOf(plan).output, results), 23);
    const terms = kind === 'plain' ? convolutionTerms(plan) : depthwiseTerms(plan);
    const { y, da, db } = bilinear(terms, x.values, filter.values, dy.values);
    return withGradients(
      (image, kernel) =>
        kind === 'plain'
          ? tf.conv2d(image as tf.Tensor4D, kernel as tf.Tensor4D, stride, pad, layout)
          : tf.depthwiseConv2d(image as tf.Tensor4D, kernel as tf.Tensor4D, stride, pad, layout),
      { 'the image': tensorOf(x), 'the filter': tensorOf(filter) },
      { dy: tensorOf(dy), right: { result: y, 'the image': da, 'the filter': db } },
    );
  },
});

/** The transposed convolution is the gradient to the image: small times filter gives the image. */
const transposed = (name: string, plan: Plan): Question => ({
  name,
  family: 'convolution',
  kernels: forward.plain,
  ask: () => {
    const { batch, input, channels, outputs, stride, pad } = plan;
    const { output } = extentsOf(plan);
    const small = knownTensor([batch, output, output, outputs], 24);
    const filter = knownTensor(filterShape(plan), 25);
    const dy = knownTensor([batch, input, input, channels], 26);
    const terms: Terms = (add) => convolutionTerms(plan)((big, tap, little) => add(little, tap, big));
    const { y, da, db } = bilinear(terms, small.values, filter.values, dy.values);
    return withGradients(
      (image, kernel) =>
        tf.conv2dTranspose(
          image as tf.Tensor4D,
          kernel as tf.Tensor4D,
          [batch, input, input, channels],
          stride,
          pad,
        ),
      { 'the image': tensorOf(small), 'the filter': tensorOf(filter) },
      { dy: tensorOf(dy), right: { result: y, 'the image': da, 'the filter': db } },
    );
  },
});

/** Convolution of volumes, one question for the kernels of three axes. */
const volume: Question = {
  name: 'convolution of volumes',
  family: 'volume',
  kernels: ['Conv3D', 'Conv3DBackpropInputV2', 'Conv3DBackpropFilterV2'],
  ask: () => {
    const [depth, side, channels, outputs, taps] = [3, 5, 4, 8, 2];
    const sizes = [depth - 1, side - 1, side - 1] as const;
    const x = knownTensor([1, depth, side, side, channels], 27);
    const filter = knownTensor([taps, taps, taps, channels, outputs], 28);
    const dy = knownTensor([1, ...sizes, outputs], 29);
    const terms: Terms = (add) => {
      for (let at = 0; at < sizeOf(sizes); at += 1) {
        const [oz, oy, ox] = [
          Math.floor(at / (sizes[1] * sizes[2])),
          Math.floor(at / sizes[2]) % sizes[1],
          at % sizes[2],
        ];
        for (let tap = 0; tap < taps ** 3; tap += 1) {
          const from = ((oz + (tap >> 2)) * side + oy + ((tap >> 1) & 1)) * side + ox + (tap & 1);
          for (let c = 0; c < channels; c += 1)
            for (let o = 0; o < outputs; o += 1)
              add(from * channels + c, (tap * channels + c) * outputs + o, at * outputs + o);
        }
      }
    };
    const { y, da, db } = bilinear(terms, x.values, filter.values, dy.values);
    return withGradients(
      (image, kernel) => tf.conv3d(image as tf.Tensor5D, kernel as tf.Tensor5D, 1, 'valid'),
      { 'the volume': tensorOf(x), 'the filter': tensorOf(filter) },
      { dy: tensorOf(dy), right: { result: y, 'the volume': da, 'the filter': db } },
    );
  },
};

const small = { batch: 1, input: 9, channels: 8, outputs: 16, filter: 3, stride: 1, pad: 'same' } as const;
const patches = {
  batch: 2,
  input: 12,
  channels: 3,
  outputs: 16,
  filter: 4,
  stride: 4,
  pad: 'valid',
} as const;

export const convolutionQuestions: readonly Question[] = [
  convolution('convolution 3x3', small),
  convolution('convolution 3x3 of channels-first images', { ...small, layout: 'NCHW' }),
  convolution('convolution 3x3 of one channel', { ...small, channels: 1 }),
  convolution('convolution 1x1 with stride 2', { ...small, filter: 1, stride: 2 }),
  convolution('convolution of patches', patches),
  convolution('convolution of channels-first patches', { ...patches, layout: 'NCHW' }),
  transposed('transposed convolution', { ...small, stride: 2 }),
  transposed('transposed convolution of one channel', { ...small, stride: 2, channels: 1 }),
  convolution('depthwise convolution', { ...small, batch: 2, outputs: 1, channels: 16 }, 'depthwise'),
  volume,
];
