/** Intervals and tests of a share of independent successes, for scores such as accuracy against chance. */
import { ConfigError } from '@polygate/core';
import type { Interval } from './bootstrap.ts';

const checkCounts = (successes: number, count: number): void => {
  if (
    Number.isInteger(successes) &&
    Number.isInteger(count) &&
    count > 0 &&
    successes >= 0 &&
    successes <= count
  )
    return;
  throw new ConfigError(
    `proportion: expected 0 to ${count} successes out of a positive whole number, got ${successes} of ${count}`,
  );
};

const checkShare = (name: string, value: number): void => {
  if (value > 0 && value < 1) return;
  throw new ConfigError(`proportion: expected a ${name} between 0 and 1, got ${value}`);
};

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

const logChoose = (n: number, k: number): number => logGamma(n + 1) - logGamma(k + 1) - logGamma(n - k + 1);

/** P(X >= successes) of a binomial: the chance of doing at least this well by guessing. */
export const binomialTail = (successes: number, count: number, chance: number): number => {
  checkCounts(successes, count);
  checkShare('chance', chance);
  if (successes === 0) return 1;
  let tail = 0;
  // The smallest terms come first, so that they are not lost beside the large ones.
  for (let k = count; k >= successes; k -= 1) {
    tail += Math.exp(logChoose(count, k) + k * Math.log(chance) + (count - k) * Math.log1p(-chance));
  }
  return Math.min(1, tail);
};

/** The p at which a falling or rising function of p crosses `target`, by bisection. */
const solveShare = (rising: (p: number) => number, target: number): number => {
  let low = 0;
  let high = 1;
  for (let step = 0; step < 60; step += 1) {
    const middle = (low + high) / 2;
    if (rising(middle) < target) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
};

/** Exact (Clopper-Pearson) interval of a share: never covers less than asked. */
export const exactInterval = (successes: number, count: number, confidence = 0.95): Interval => {
  checkCounts(successes, count);
  checkShare('confidence', confidence);
  const tail = (1 - confidence) / 2;
  const low = successes === 0 ? 0 : solveShare((p) => binomialTail(successes, count, p), tail);
  const high = successes === count ? 1 : solveShare((p) => binomialTail(successes + 1, count, p), 1 - tail);
  return Object.freeze([low, high] as const);
};

/** Two-sided normal quantile by bisection of its distribution function. */
const normalQuantile = (confidence: number): number => {
  // Simpson's rule over [0, z]; the integrand is smooth, 200 intervals give 1e-12.
  const central = (z: number): number => {
    const steps = 200;
    const h = z / steps;
    let sum = 0;
    for (let i = 0; i <= steps; i += 1) {
      const weight = i === 0 || i === steps ? 1 : i % 2 === 1 ? 4 : 2;
      sum += weight * Math.exp(-((i * h) ** 2) / 2);
    }
    return (2 * sum * h) / 3 / Math.sqrt(2 * Math.PI);
  };
  return 10 * solveShare((share) => central(10 * share), confidence);
};

/** Wilson's score interval of a share (1927): close to the asked coverage, also near 0 and 1. */
export const wilsonInterval = (successes: number, count: number, confidence = 0.95): Interval => {
  checkCounts(successes, count);
  checkShare('confidence', confidence);
  const z = normalQuantile(confidence);
  const share = successes / count;
  const centre = share + (z * z) / (2 * count);
  const spread = z * Math.sqrt((share * (1 - share)) / count + (z * z) / (4 * count * count));
  const scale = 1 + (z * z) / count;
  // At the ends the interval ends there; rounding would leave it a hair inside.
  return Object.freeze([
    successes === 0 ? 0 : (centre - spread) / scale,
    successes === count ? 1 : (centre + spread) / scale,
  ] as const);
};
