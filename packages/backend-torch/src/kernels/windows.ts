/**
 * Sliding windows: how tfjs's padding becomes ATen's.
 *
 * tfjs pads each side on its own (SAME pads more at the end) and may round the number of windows up; ATen
 * pads both sides alike and rounds down. Where one symmetric padding gives the same windows it is used,
 * otherwise the input is padded (or cropped) beforehand to exactly what the windows cover.
 */
import type * as tf from '@tensorflow/tfjs';
import type { KernelContext } from '../kernel-context.ts';
import type { Handle } from '../native/binding.ts';

/** One spatial axis. */
export interface WindowAxis {
  readonly input: number;
  readonly output: number;
  /** Extent of the window, dilation included. */
  readonly extent: number;
  readonly stride: number;
  /** Elements added in front. */
  readonly front: number;
  /** Elements of the window. */
  readonly size: number;
  /** From one element of the window to the next. */
  readonly dilation: number;
}

type Conv2D = tf.backend_util.Conv2DInfo;
type Conv3D = tf.backend_util.Conv3DInfo;

/** What tfjs plans for a side, under the names that it has for it. */
const axisOf = <Side extends 'Depth' | 'Height' | 'Width'>(
  info: Readonly<
    Record<`${'in' | 'out' | 'effectiveFilter' | 'stride' | 'filter' | 'dilation'}${Side}`, number>
  >,
  side: Side,
  front: number,
): WindowAxis => ({
  input: info[`in${side}`],
  output: info[`out${side}`],
  extent: info[`effectiveFilter${side}`],
  stride: info[`stride${side}`],
  front,
  size: info[`filter${side}`],
  dilation: info[`dilation${side}`],
});

/** Height and width of what tfjs plans for images. */
export const windowAxes2d = (info: Conv2D): readonly WindowAxis[] => [
  axisOf(info, 'Height', info.padInfo.top),
  axisOf(info, 'Width', info.padInfo.left),
];

/** Depth, height and width of what tfjs plans for volumes. */
export const windowAxes3d = (info: Conv3D): readonly WindowAxis[] => [
  axisOf(info, 'Depth', info.padInfo.front),
  axisOf(info, 'Height', info.padInfo.top),
  axisOf(info, 'Width', info.padInfo.left),
];

/** As tfjs's attributes have it. */
export type WindowPadding = 'valid' | 'same' | number | tf.backend_util.ExplicitPadding;
export type WindowRounding = 'floor' | 'round' | 'ceil';

export interface Padding {
  /** For the operator itself. */
  readonly symmetric: readonly number[];
  /** Before and after each axis, to be added first; undefined when the operator's padding is enough. */
  readonly explicit: readonly (readonly [number, number])[] | undefined;
}

const windows = (axis: WindowAxis, padding: number): number =>
  Math.floor((axis.input + 2 * padding - axis.extent) / axis.stride) + 1;

/** @param limit symmetric padding that the operator allows on an axis */
export const planPadding = (
  axes: readonly WindowAxis[],
  limit: (axis: WindowAxis) => number = () => Infinity,
): Padding => {
  const simple = axes.every(
    (axis) => axis.front >= 0 && axis.front <= limit(axis) && windows(axis, axis.front) === axis.output,
  );
  if (simple) return { symmetric: axes.map(({ front }) => front), explicit: undefined };
  return {
    symmetric: axes.map(() => 0),
    explicit: axes.map(({ input, output, extent, stride, front }) => {
      const covered = (output - 1) * stride + extent;
      return [front, covered - input - front] as const;
    }),
  };
};

/** Pads the trailing axes of a channels-first tensor; negative amounts crop. */
export const padExplicitly = (torch: KernelContext, x: Handle, padding: Padding, value: number): Handle => {
  if (padding.explicit === undefined) return x;
  // ATen lists the last axis first.
  const flat = [...padding.explicit].reverse().flat();
  return torch.aten('constant_pad_nd', x, flat, value);
};

/** Undoes padExplicitly on a gradient: crops what was added, and adds zeros where it cropped. */
export const unpadExplicitly = (torch: KernelContext, x: Handle, padding: Padding): Handle => {
  if (padding.explicit === undefined) return x;
  const flat = [...padding.explicit].reverse().flatMap(([before, after]) => [-before, -after]);
  return torch.aten('constant_pad_nd', x, flat, 0);
};

/** [B, ..., C] -> [B, C, ...] as a view: what ATen calls the channels-last memory format. */
export const channelsFirst = (torch: KernelContext, x: Handle, rank: number): Handle => {
  const spatial = Array.from({ length: rank - 2 }, (_, i) => i + 1);
  return torch.aten('permute', x, [0, rank - 1, ...spatial]);
};

/** [B, C, ...] -> [B, ..., C] as a view. */
export const channelsLast = (torch: KernelContext, x: Handle, rank: number): Handle => {
  const spatial = Array.from({ length: rank - 2 }, (_, i) => i + 2);
  return torch.aten('permute', x, [0, ...spatial, 1]);
};
