/** Numbers in tables and cells. */

const MINUS = '\u2212';

/** Two decimals, fewer for large numbers, with a real minus sign; a dash for what is not finite. */
export const formatValue = (value: number): string => {
  if (!Number.isFinite(value)) return '–';
  const size = Math.abs(value);
  const text = size.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : 2);
  return value < 0 && Number(text) !== 0 ? `${MINUS}${text}` : text;
};

/** An error to the same decimals: `± 0.06`, or `± <0.01`. */
export const formatError = (value: number): string => {
  if (!Number.isFinite(value)) return '± ?';
  return value > 0 && value < 0.005 ? '± <0.01' : `± ${formatValue(value)}`;
};

/**
 * Names short enough for the head of a column: the part behind the last slash where that tells the names apart, else
 * the names as they are.
 */
export const shortNames = (names: readonly string[]): readonly string[] => {
  const tails = names.map((name) => name.slice(name.lastIndexOf('/') + 1));
  return names.map((name, at) => {
    const tail = tails[at] ?? name;
    return tails.filter((other) => other === tail).length === 1 ? tail : name;
  });
};
