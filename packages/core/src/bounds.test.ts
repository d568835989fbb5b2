import { describe, expect, it } from 'vitest';
import { requireNumber, requireWhole } from './bounds.ts';
import { ConfigError } from './errors.ts';

describe('bounds', () => {
  it('take what lies within, ends included', () => {
    expect([1, 7].map((value) => requireWhole('x', value, { most: 7 }))).toEqual([1, 7]);
    expect([0, 0.5].map((value) => requireNumber('x', value, { most: 0.5 }))).toEqual([0, 0.5]);
    expect(requireWhole('x', -2, { least: -2, most: 7 })).toBe(-2);
  });

  it.each([0, 8, -1, 1.5, NaN, Infinity, 1e15, 2 ** 53, '3', null, undefined])(
    'refuse %s as a count',
    (value) => {
      expect(() => requireWhole('layer: width', value, { most: 7 })).toThrow(ConfigError);
    },
  );

  it('say what is allowed and what came', () => {
    expect(() => requireWhole('layer: width', 1e9, { most: 7 })).toThrow(
      'layer: width: expected a whole number of 1 to 7, got 1000000000',
    );
    expect(() => requireNumber('rate', NaN, { most: 1 })).toThrow(
      'rate: expected a number of 0 to 1, got NaN',
    );
  });
});
