/**
 * Positions of tokens as Fourier codes (Perceiver, Jaegle et al. 2021, section 3.2; SM^4, appendix A.1): of each axis
 *   sin(pi f_1 x) ... sin(pi f_b x), cos(pi f_1 x) ... cos(pi f_b x), x
 * with x in [-1, 1] and b frequencies spread evenly from 1 to half of the maximal one.
 *
 * L tokens · A axes · b bands
 */

/** How positions are coded. */
export interface FourierCoding {
  /** Frequencies b of an axis. */
  readonly bands: number;
  /** Twice the highest frequency: the Nyquist rate of a grid of so many tokens. */
  readonly maximalFrequency: number;
}

/** Where tokens lie. */
export interface TokenPositions {
  /** A: 1 in a text or a series, 2 in an image, 3 in a clip. */
  readonly axes: number;
  /** [L * A] in [-1, 1], token by token. */
  readonly coordinates: Float32Array;
}

/** Values of the code of one token. */
export const codeWidth = (axes: number, { bands }: Pick<FourierCoding, 'bands'>): number =>
  axes * (2 * bands + 1);

/**
 * The positions of a grid, its last axis running fastest, from -1 to 1 on each axis; the middle of an axis with one token.
 * @param extents tokens along each axis
 */
export const gridPositions = (extents: readonly number[]): TokenPositions => {
  const axes = extents.length;
  const count = extents.reduce((product, extent) => product * extent, 1);
  const coordinates = new Float32Array(count * axes);
  for (let token = 0; token < count; token += 1) {
    let rest = token;
    for (let axis = axes - 1; axis >= 0; axis -= 1) {
      const extent = extents[axis] ?? 1;
      coordinates[token * axes + axis] = extent === 1 ? 0 : (2 * (rest % extent)) / (extent - 1) - 1;
      rest = Math.floor(rest / extent);
    }
  }
  return { axes, coordinates };
};

/**
 * Positions of whole-numbered coordinates, brought to [-1, 1] on each axis.
 * @param coordinates [L * A] from 0
 * @param extent positions of an only axis that run from -1 to 1, where lengths differ between batches. @default as there are
 */
export const positionsOf = (
  axes: number,
  coordinates: ArrayLike<number>,
  extent?: number,
): TokenPositions => {
  const values = Float32Array.from(coordinates);
  for (let axis = 0; axis < axes; axis += 1) {
    let last = axes === 1 && extent !== undefined ? extent - 1 : 0;
    for (let at = axis; at < values.length && (axes > 1 || extent === undefined); at += axes) {
      last = Math.max(last, values[at] ?? 0);
    }
    for (let at = axis; at < values.length; at += axes) {
      values[at] = last > 0 ? (2 * (values[at] ?? 0)) / last - 1 : 0;
    }
  }
  return { axes, coordinates: values };
};

/** Codes of tokens, [L, A (2 b + 1)], axis by axis. */
export const fourierCodes = (
  { coordinates }: Pick<TokenPositions, 'coordinates'>,
  { bands, maximalFrequency }: FourierCoding,
): Float32Array => {
  const step = bands > 1 ? (maximalFrequency / 2 - 1) / (bands - 1) : 0;
  const width = 2 * bands + 1;
  const codes = new Float32Array(coordinates.length * width);
  coordinates.forEach((x, at) => {
    // Token by token, axis by axis: the order of the coordinates.
    const start = at * width;
    for (let band = 0; band < bands; band += 1) {
      const angle = Math.PI * (1 + band * step) * x;
      codes[start + band] = Math.sin(angle);
      codes[start + bands + band] = Math.cos(angle);
    }
    codes[start + 2 * bands] = x;
  });
  return codes;
};
