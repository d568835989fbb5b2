/**
 * Tokens before a model embeds them, for models that do it their own way: values on the host, with the coordinates of each
 * token on its axes, of which position codes are made. Which tokens are padding is said beside the segment.
 *
 * B sequences · L tokens · W values of a token · A axes
 */

/** What tokens of an input look like, before there are any. */
export interface RawShape {
  /** W */
  readonly width: number;
  /** A: 1 for texts, series, tables and sets; 2 for images, spectrograms and depth; 3 for clips. */
  readonly axes: number;
  /** Values are whole numbers below this one, which a model looks up; else they are numbers. */
  readonly vocabulary?: number;
}

/** The tokens of a segment. */
export interface RawTokens {
  /** [B * L * W], borrowed from the segment. */
  readonly values: Float32Array | Int32Array;
  /** W */
  readonly width: number;
  /** A */
  readonly axes: number;
  /** [L * A], the same for all sequences: whole numbers from 0. */
  readonly coordinates: Float32Array;
}

/** Coordinates of the cells of a grid, the last axis fastest. [product of sides * A] */
export const gridCoordinates = (sides: readonly number[]): Float32Array => {
  const count = sides.reduce((product, side) => product * side, 1);
  const out = new Float32Array(count * sides.length);
  for (let cell = 0; cell < count; cell += 1) {
    let rest = cell;
    for (let axis = sides.length - 1; axis >= 0; axis -= 1) {
      const side = sides[axis] ?? 1;
      out[cell * sides.length + axis] = rest % side;
      rest = Math.floor(rest / side);
    }
  }
  return out;
};
