/**
 * Distribution functions and quantiles behind intervals: normal, beta, binomial and Student's t.
 * Quantiles are found by bisection of the distribution functions, which are good to about 1e-12.
 */
import { ConfigError } from '@polygate/core';

/** ln Gamma(x), x > 0: Stirling's series after shifting x above 10; error below 1e-13 relative. */
const logGamma = (x: number): number => {
  let shift = 0;
  let z = x;
  while (z < 10) {
    shift += Math.log(z);
    z += 1;
  }
  const w = 1 / (z * z);
  const series = (1 / 12 - w * (1 / 360 - w * (1 / 1260 - w * (1 / 1680 - w / 1188)))) / z;
  return (z - 0.5) * Math.log(z) - z + 0.5 * Math.log(2 * Math.PI) + series - shift;
};

/** Where a rising function of a share crosses `target`. */
const crossing = (rising: (share: number) => number, target: number): number => {
  let low = 0;
  let high = 1;
  for (let step = 0; step < 100; step += 1) {
    const middle = (low + high) / 2;
    if (rising(middle) < target) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
};

/** Continued fraction of the incomplete beta function (DLMF 8.17.22), by Lentz's method. */
const betaFraction = (x: number, a: number, b: number): number => {
  const tiny = 1e-300;
  const away = (value: number): number => (Math.abs(value) < tiny ? tiny : value);
  let c = 1;
  let d = 1 / away(1 - ((a + b) * x) / (a + 1));
  let value = d;
  // The terms settle after about the square root of the larger parameter.
  const most = 200 + 20 * Math.ceil(Math.sqrt(Math.max(a, b)));
  for (let m = 1; m <= most; m += 1) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / away(1 + even * d);
    c = away(1 + even / c);
    value *= d * c;
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / away(1 + odd * d);
    c = away(1 + odd / c);
    value *= d * c;
    if (Math.abs(d * c - 1) < 1e-15) break;
  }
  return value;
};

/** Distribution function of the beta distribution: the regularised incomplete beta function I_x(a, b), a and b > 0. */
export const betaShare = (x: number, a: number, b: number): number => {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  const logFront = logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x);
  // The fraction converges fast on one side of the mean only.
  return x < (a + 1) / (a + b + 2)
    ? (Math.exp(logFront) * betaFraction(x, a, b)) / a
    : 1 - (Math.exp(logFront) * betaFraction(1 - x, b, a)) / b;
};

/** The x below which the beta distribution has the given share. */
export const betaQuantile = (share: number, a: number, b: number): number =>
  crossing((x) => betaShare(x, a, b), share);

/** Distribution function of the standard normal distribution. */
export const normalShare = (z: number): number => {
  if (Math.abs(z) > 9) return z < 0 ? 0 : 1;
  // Phi(z) = 1/2 + phi(z) (z + z^3 / 3 + z^5 / (3 * 5) + ...)
  let term = z;
  let sum = z;
  for (let k = 3; Math.abs(term) > 1e-17 * Math.abs(sum); k += 2) {
    term *= (z * z) / k;
    sum += term;
  }
  const share = 0.5 + (sum * Math.exp(-(z * z) / 2)) / Math.sqrt(2 * Math.PI);
  // Rounding may pass the ends by 1e-17.
  return Math.min(1, Math.max(0, share));
};

/** The z below which the standard normal distribution has the given share. */
export const normalQuantile = (share: number): number =>
  18 * crossing((part) => normalShare(18 * (part - 0.5)), share) - 9;

/**
 * The t below which Student's distribution has the given share, 0.5 up to 1.
 * @param freedom degrees of freedom, above 0
 * @throws ConfigError
 */
export const studentQuantile = (share: number, freedom: number): number => {
  if (!(share >= 0.5 && share < 1)) {
    throw new ConfigError(
      `studentQuantile: expected a share of 0.5 up to 1, 1 itself left out, got ${share}`,
    );
  }
  if (!(freedom > 0 && freedom < Infinity)) {
    throw new ConfigError(`studentQuantile: expected degrees of freedom above 0, got ${freedom}`);
  }
  // P(|T| > t) = I_x(freedom / 2, 1/2) with x = freedom / (freedom + t^2).
  const x = betaQuantile(2 * (1 - share), freedom / 2, 0.5);
  return Math.sqrt((freedom * (1 - x)) / x);
};
