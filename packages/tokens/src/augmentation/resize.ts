/**
 * A part of an image resized by Pillow's antialiased bicubic filter (a = -0.5, widened by the factor of shrinking): columns
 * first, rows after, rounded between, as `Image.crop(box).resize(size, BICUBIC)` computes.
 *
 * H rows · W columns · C channels
 */
import { toByte, type PixelShape } from './pixel-image.ts';

/** A part of an image, in whole pixels. */
export interface CropBox {
  readonly top: number;
  readonly left: number;
  readonly height: number;
  readonly width: number;
}

/** For each output position: first input position, and weights of the run from there. */
interface Taps {
  readonly starts: Int32Array;
  readonly weights: readonly Float64Array[];
}

const A = -0.5;
/** Pixels on each side that the filter sees at scale 1. */
const SUPPORT = 2;

const cubic = (distance: number): number => {
  const x = Math.abs(distance);
  if (x < 1) return ((A + 2) * x - (A + 3)) * x * x + 1;
  return x < SUPPORT ? (((x - 5) * x + 8) * x - 4) * A : 0;
};

const tapsOf = (from: number, to: number): Taps => {
  const scale = from / to;
  const stretch = Math.max(1, scale);
  const starts = new Int32Array(to);
  const weights: Float64Array[] = [];
  for (let i = 0; i < to; i += 1) {
    const centre = (i + 0.5) * scale;
    const start = Math.max(0, Math.trunc(centre - SUPPORT * stretch + 0.5));
    const end = Math.min(from, Math.trunc(centre + SUPPORT * stretch + 0.5));
    const run = Float64Array.from({ length: end - start }, (_, k) =>
      cubic((start + k - centre + 0.5) / stretch),
    );
    const sum = run.reduce((total, value) => total + value, 0);
    starts[i] = start;
    weights.push(run.map((value) => value / sum));
  }
  return { starts, weights };
};

/** Filters one axis. @param at first value and distance of the values of a line; lines follow each other by `next` */
const filterAxis = (
  pixels: Uint8Array,
  out: Uint8Array,
  axis: {
    readonly taps: Taps;
    readonly lines: readonly number[];
    readonly outLines: readonly number[];
    readonly step: number;
    readonly outStep: number;
  },
): void => {
  const { taps, lines, outLines, step, outStep } = axis;
  lines.forEach((first, line) => {
    const outFirst = outLines[line] as number;
    for (let i = 0; i < taps.starts.length; i += 1) {
      let from = first + (taps.starts[i] as number) * step;
      let sum = 0;
      for (const weight of taps.weights[i] as Float64Array) {
        sum += weight * (pixels[from] as number);
        from += step;
      }
      out[outFirst + i * outStep] = toByte(sum);
    }
  });
};

/** Start of each line of values along an axis: one for each row or column of the other, and each channel. */
const linesOf = (count: number, stride: number, channels: number): number[] =>
  Array.from({ length: count * channels }, (_, i) => Math.floor(i / channels) * stride + (i % channels));

/**
 * The box, resized to `to`.
 * @param pixels [H, W, C], borrowed; the box lies inside
 * @returns [to.height, to.width, C]
 */
export const resizedCrop = (
  pixels: Uint8Array,
  shape: PixelShape,
  { box, to }: { readonly box: CropBox; readonly to: Pick<PixelShape, 'height' | 'width'> },
): Uint8Array => {
  const { width, channels } = shape;
  const stride = width * channels;
  const wideStride = to.width * channels;
  const cropped = new Uint8Array(box.height * box.width * channels);
  const cropStride = box.width * channels;
  for (let y = 0; y < box.height; y += 1) {
    const from = (box.top + y) * stride + box.left * channels;
    cropped.set(pixels.subarray(from, from + cropStride), y * cropStride);
  }
  const wide = box.width === to.width ? cropped : new Uint8Array(box.height * wideStride);
  if (box.width !== to.width) {
    filterAxis(cropped, wide, {
      taps: tapsOf(box.width, to.width),
      lines: linesOf(box.height, cropStride, channels),
      outLines: linesOf(box.height, wideStride, channels),
      step: channels,
      outStep: channels,
    });
  }
  if (box.height === to.height) return wide;
  const out = new Uint8Array(to.height * wideStride);
  const columns = linesOf(to.width, channels, channels);
  filterAxis(wide, out, {
    taps: tapsOf(box.height, to.height),
    lines: columns,
    outLines: columns,
    step: wideStride,
    outStep: wideStride,
  });
  return out;
};
