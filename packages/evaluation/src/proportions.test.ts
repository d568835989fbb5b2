import { describe, expect, it } from 'vitest';
import { binomialTail, exactInterval, wilsonInterval } from './proportions.ts';

describe('binomialTail', () => {
  it('is the sum of the binomial terms', () => {
    // P(X >= 2) of 3 throws of a fair coin: (3 + 1) / 8.
    expect(binomialTail(2, 3, 0.5)).toBeCloseTo(0.5, 12);
    expect(binomialTail(0, 3, 0.5)).toBe(1);
    // 0.1^3
    expect(binomialTail(3, 3, 0.1)).toBeCloseTo(0.001, 12);
  });
});

describe('intervals', () => {
  it('of no success are as the rule of three says', () => {
    // Clopper-Pearson: 1 - 0.025^(1/n); Wilson: z^2 / (n + z^2) with z = 1.959964.
    expect(exactInterval(0, 20)[0]).toBe(0);
    expect(exactInterval(0, 20)[1]).toBeCloseTo(1 - 0.025 ** (1 / 20), 10);
    expect(wilsonInterval(0, 20)[1]).toBeCloseTo(3.841459 / 23.841459, 6);
    expect(wilsonInterval(20, 20)[1]).toBe(1);
    expect(exactInterval(20, 20)[1]).toBe(1);
  });

  it('say what was expected', () => {
    expect(() => wilsonInterval(5, 4)).toThrow(
      'expected 0 to 4 successes out of a positive whole number, got 5 of 4',
    );
    expect(() => exactInterval(1, 4, 95)).toThrow('expected a confidence between 0 and 1, got 95');
    expect(() => binomialTail(1, 4, 0)).toThrow('expected a chance between 0 and 1, got 0');
  });
});
