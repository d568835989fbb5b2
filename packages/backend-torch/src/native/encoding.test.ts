import { describe, expect, it } from 'vitest';
import type { Handle } from './binding.ts';
import type { Argument, OperatorPlan } from './encoding.ts';
import { encodeArguments, Kind } from './encoding.ts';

const plan = (...kinds: number[]): OperatorPlan => ({
  name: 'example',
  id: 0,
  kinds: Uint8Array.from(kinds),
  argumentNames: kinds.map((_, i) => `argument${i}`),
});

const encode = (
  operator: OperatorPlan,
  given: readonly Argument[],
): { doubles: number[]; strings: string[] } => {
  const block = new Float64Array(64);
  const strings: string[] = [];
  encodeArguments(operator, given, { block, strings });
  return { doubles: [...block], strings };
};

const prefix = (values: readonly number[], doubles: readonly number[]): void => {
  expect(doubles.slice(0, values.length)).toEqual(values);
};

describe('encodeArguments', () => {
  it('writes the count, then a tag and the content of each argument', () => {
    const { doubles } = encode(plan(Kind.tensor, Kind.int, Kind.bool), [7 as Handle, -3, true]);
    // 3 arguments; value 7; value -3; value true
    prefix([3, 2, 7, 2, -3, 2, 1], doubles);
  });

  it('tells defaults (0) from None (1)', () => {
    prefix([2, 0, 1], encode(plan(Kind.int, Kind.tensor), [undefined, null]).doubles);
  });

  it('passes scalars as integers (0), floats (1) or booleans (2)', () => {
    const { doubles } = encode(plan(Kind.scalar, Kind.scalar, Kind.scalar, Kind.scalar), [
      4,
      0.5,
      true,
      2 ** 40,
    ]);
    prefix([4, 2, 0, 4, 2, 1, 0.5, 2, 2, 1, 2, 1, 2 ** 40], doubles);
  });

  it('keeps the sign of a negative zero by passing it as a float', () => {
    const { doubles } = encode(plan(Kind.scalar), [-0]);
    expect(doubles[2]).toBe(1);
    expect(Object.is(doubles[3], -0)).toBe(true);
  });

  it('writes lists as length and elements, strings by index', () => {
    const { doubles, strings } = encode(
      plan(Kind.intList, Kind.string, Kind.device, Kind.optionalTensorList),
      [[2, 3], 'mean', 'cpu', [5, null]],
    );
    prefix([4, 2, 2, 2, 3, 2, 0, 2, 1, 2, 2, 5, 0], doubles);
    expect(strings).toEqual(['mean', 'cpu']);
  });

  it('refuses values that the schema has no place for, naming operator and argument', () => {
    expect(() => encode(plan(Kind.intList), [3])).toThrow(
      "example: argument argument0 can't be 3; pass what the operator's schema asks for",
    );
    expect(() => encode(plan(Kind.tensor), ['cpu'])).toThrow('example: argument argument0 can\'t be "cpu"');
    expect(() => encode(plan(Kind.tensor), [[1]])).toThrow('example: argument argument0');
    expect(() => encode(plan(Kind.int), [1, 2])).toThrow('example: expected at most 1 arguments, got 2');
  });
});
