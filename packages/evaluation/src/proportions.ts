/** Intervals and tests of a share of successes, for scores such as accuracy against chance. */
import { ConfigError } from '@polygate/core';
import type { Interval } from './bootstrap.ts';
import { betaQuantile, betaShare, normalQuantile } from './distributions.ts';

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

/** P(X >= successes) of a binomial: the chance of doing at least this well by guessing. */
export const binomialTail = (successes: number, count: number, chance: number): number => {
  checkCounts(successes, count);
  checkShare('chance', chance);
  return successes === 0 ? 1 : betaShare(chance, successes, count - successes + 1);
};

/**
 * The Clopper-Pearson interval of real-valued counts: `size` observations may be an effective number, as where samples
 * depend on each other, and `share` the mean of any values from 0 to 1, for which zeros and ones are the widest case.
 */
export const effectiveInterval = (share: number, size: number, confidence: number): Interval => {
  const tail = (1 - confidence) / 2;
  const successes = share * size;
  return Object.freeze([
    share <= 0 ? 0 : betaQuantile(tail, successes, size - successes + 1),
    share >= 1 ? 1 : betaQuantile(1 - tail, successes + 1, size - successes),
  ] as const);
};

/** Exact (Clopper-Pearson) interval of a share: never covers less than asked. */
export const exactInterval = (successes: number, count: number, confidence = 0.95): Interval => {
  checkCounts(successes, count);
  checkShare('confidence', confidence);
  return effectiveInterval(successes / count, count, confidence);
};

/** Wilson's score interval of a share (1927): close to the asked coverage, also near 0 and 1. */
export const wilsonInterval = (successes: number, count: number, confidence = 0.95): Interval => {
  checkCounts(successes, count);
  checkShare('confidence', confidence);
  const z = normalQuantile((1 + confidence) / 2);
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
