/** Distances between arrays of numbers. */

/** The largest |a - b|; infinite when the lengths differ, NaN when an element is. */
export const maximumDifference = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  let worst = 0;
  for (let i = 0; i < a.length; i += 1) {
    const difference = Math.abs((a[i] ?? 0) - (b[i] ?? 0));
    if (!(difference <= worst)) worst = difference;
  }
  return worst;
};

/** {@link maximumDifference} over the largest magnitude of `expected`, or over 1e-3 where that is smaller. */
export const relativeDifference = (got: ArrayLike<number>, expected: ArrayLike<number>): number => {
  let scale = 1e-3;
  for (let i = 0; i < expected.length; i += 1) scale = Math.max(scale, Math.abs(expected[i] ?? 0));
  return maximumDifference(got, expected) / scale;
};
