/**
 * Fixed sin-cos positions of tokens on one axis or two, as images have them (`spatialPositions`): on one axis all of the
 * width goes by the index, on two a half each.
 *
 * L tokens · D width, of which one axis needs a multiple of 2 and two a multiple of 4
 */
import { spatialPositions } from '../visual/positions.ts';

const FREQUENCY_BASE = 10000;

/** [sin iw | cos iw] with D / 2 frequencies. [L * D] */
const lineOf = (length: number, width: number): Float32Array => {
  const half = width / 2;
  const table = new Float32Array(length * width);
  for (let token = 0; token < length; token += 1) {
    for (let i = 0; i < half; i += 1) {
      const angle = token * FREQUENCY_BASE ** (-i / half);
      table[token * width + i] = Math.sin(angle);
      table[token * width + half + i] = Math.cos(angle);
    }
  }
  return table;
};

/** Positions of the first tokens. @param columns tokens of a step of the first of two axes; 0 for one axis. [L * D] */
export const tokenPositions = (length: number, width: number, columns: number): Float32Array =>
  columns === 0
    ? lineOf(length, width)
    : spatialPositions({ rows: Math.ceil(length / columns), columns }, width).subarray(0, length * width);
