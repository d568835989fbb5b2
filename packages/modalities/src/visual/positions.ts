/**
 * Fixed two-dimensional sin-cos positions of patches (the published code: D/4 frequencies, temperature 10000, not
 * trained).
 *
 * N patches (rows x columns, row-major) · D width · Q = D / 4 frequencies
 *
 * A patch at (row y, column x) has [sin x w | cos x w | sin y w | cos y w] with w_i = 10000^(-i / Q), each part Q
 * channels; x and y are multiplied by `gridScale`, so that a larger image spans the coordinates that a smaller one
 * was trained on. The order of the four parts is ours: the sources don't state one, and a learned patch projection
 * makes them equivalent.
 */

import type { PatchGrid } from './visual-segment.ts';

const FREQUENCY_BASE = 10000;

/** Positions of one frame: [rows * columns, D] float32, row-major. */
export const spatialPositions = (
  { rows, columns }: Pick<PatchGrid, 'rows' | 'columns'>,
  width: number,
  gridScale = 1,
): Float32Array => {
  const quarter = width / 4;
  const table = new Float32Array(rows * columns * width);
  for (let patch = 0; patch < rows * columns; patch += 1) {
    const x = (patch % columns) * gridScale;
    const y = Math.floor(patch / columns) * gridScale;
    for (let i = 0; i < quarter; i += 1) {
      const frequency = FREQUENCY_BASE ** (-i / quarter);
      const at = patch * width + i;
      table[at] = Math.sin(x * frequency);
      table[at + quarter] = Math.cos(x * frequency);
      table[at + 2 * quarter] = Math.sin(y * frequency);
      table[at + 3 * quarter] = Math.cos(y * frequency);
    }
  }
  return table;
};
