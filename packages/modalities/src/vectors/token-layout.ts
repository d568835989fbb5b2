/** How the numbers of one sample become tokens: which of them each token has, and on which axes tokens lie. */
import type { NumberStatistics } from '@polygate/stream';

/** The layout of an input's tokens. */
export interface TokenLayout {
  /** W, values of a token. */
  readonly width: number;
  /** Tokens of one step of the first of two axes; 0 where there is one axis. */
  readonly columns: number;
  /**
   * Tokens of a sample of so many numbers; 0 of an empty one.
   * @returns undefined for a count that no sample has
   */
  count(numbers: number): number | undefined;
  /**
   * Writes a token of a sample.
   * @returns whether anything of it was observed; others are padding
   */
  write(numbers: ArrayLike<number>, token: number, out: Float32Array): boolean;
}

/** Brings numbers to mean 0 and deviation 1; a constant number becomes 0. */
export interface Scale {
  readonly shift: number;
  readonly factor: number;
}

/** Deviations below this share of the mean are those of rounding: the number is constant. */
const CONSTANT = 1e-6;

const scaleOf = ({ mean, deviation }: NumberStatistics): Scale => ({
  shift: mean,
  factor: deviation > CONSTANT * Math.abs(mean) && deviation > 0 ? 1 / deviation : 0,
});

/** Nothing is changed. */
const PLAIN: Scale = { shift: 0, factor: 1 };

/** Scales by index of the last axis; one for all where there is one. */
export const scalesOf = (statistics: readonly NumberStatistics[] | undefined): readonly Scale[] =>
  statistics && statistics.length > 0 ? statistics.map(scaleOf) : [PLAIN];

/** A number scaled, or undefined for a gap. */
export const scaled = (value: number | undefined, { shift, factor }: Scale): number | undefined =>
  value === undefined || Number.isNaN(value) ? undefined : (value - shift) * factor;
