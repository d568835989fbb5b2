/**
 * Rows of a table between those of another, which covers the same stretch by more or fewer of them: linearly, each row
 * standing for the middle of its part of the stretch (as torch's `interpolate` without aligned corners).
 */

/** @param table [from, rowSize] @returns [rows, rowSize] */
export const interpolatedRows = (
  table: Float32Array,
  { rows, rowSize }: { readonly rows: number; readonly rowSize: number },
): Float32Array => {
  const from = table.length / rowSize;
  const out = new Float32Array(rows * rowSize);
  for (let row = 0; row < rows; row += 1) {
    const at = Math.min(from - 1, Math.max(0, ((row + 0.5) * from) / rows - 0.5));
    const low = Math.floor(at);
    const high = Math.min(from - 1, low + 1);
    const share = at - low;
    for (let i = 0; i < rowSize; i += 1) {
      out[row * rowSize + i] =
        (1 - share) * (table[low * rowSize + i] ?? 0) + share * (table[high * rowSize + i] ?? 0);
    }
  }
  return out;
};
