/**
 * The operations of RandAugment whose strength grows with the magnitude, as timm's `rand-...-inc1` defines them: 15 of them.
 * Magnitudes are 0 to 10.
 */
import type { PixelShape } from './pixel-image.ts';
import {
  autoContrast,
  equalize,
  invert,
  posterize,
  solarize,
  solarizeAdd,
  withBrightness,
  withContrast,
  withSaturation,
  withSharpness,
} from './tones.ts';
import { rotation, warp, type AffineMatrix } from './warp.ts';

/** Largest magnitude. */
export const TOP = 10;

/** How one operation is done. */
export interface OperationContext {
  readonly shape: PixelShape;
  /** 0 to 10. */
  readonly magnitude: number;
  /** 1 or -1: which way, where there are two. */
  readonly sign: number;
  /** Colour where nothing comes from. */
  readonly fill: readonly number[];
}

/** An operation; the result is a copy. */
export type Operation = (pixels: Uint8Array, context: OperationContext) => Uint8Array;

/** Factor of an enhancement: the further from 1 the larger the magnitude, either way, at least 0.1. */
const factorOf = ({ magnitude, sign }: OperationContext): number =>
  Math.max(0.1, 1 + sign * (magnitude / TOP) * 0.9);

/** Largest shear, and largest shift as a share of the side. */
const MOST_SHEAR = 0.3;
const MOST_SHIFT = 0.45;
const MOST_DEGREES = 30;

const signed = ({ magnitude, sign }: OperationContext, most: number): number =>
  sign * (magnitude / TOP) * most;

const warped =
  (matrixOf: (context: OperationContext) => AffineMatrix): Operation =>
  (pixels, context) =>
    warp(pixels, context.shape, { matrix: matrixOf(context), fill: context.fill });

export const operations: Readonly<Record<string, Operation>> = Object.freeze({
  'auto-contrast': (pixels, { shape }) => autoContrast(pixels, shape),
  equalize: (pixels, { shape }) => equalize(pixels, shape),
  invert,
  rotate: warped((context) => rotation(signed(context, MOST_DEGREES), context.shape)),
  posterize: (pixels, { magnitude }) => posterize(pixels, 4 - Math.trunc((magnitude / TOP) * 4)),
  solarize: (pixels, { magnitude }) =>
    solarize(pixels, 256 - Math.min(256, Math.trunc((magnitude / TOP) * 256))),
  'solarize-add': (pixels, { magnitude }) =>
    solarizeAdd(pixels, Math.min(128, Math.trunc((magnitude / TOP) * 110))),
  colour: (pixels, context) => withSaturation(pixels, factorOf(context)),
  contrast: (pixels, context) => withContrast(pixels, factorOf(context)),
  brightness: (pixels, context) => withBrightness(pixels, factorOf(context)),
  sharpness: (pixels, context) => withSharpness(pixels, context.shape, factorOf(context)),
  'shear-x': warped((context) => [1, signed(context, MOST_SHEAR), 0, 0, 1, 0]),
  'shear-y': warped((context) => [1, 0, 0, signed(context, MOST_SHEAR), 1, 0]),
  'translate-x': warped((context) => [1, 0, signed(context, MOST_SHIFT) * context.shape.width, 0, 1, 0]),
  'translate-y': warped((context) => [1, 0, 0, 0, 1, signed(context, MOST_SHIFT) * context.shape.height]),
});
