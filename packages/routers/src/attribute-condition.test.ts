import { parseRow, type AttributeRow } from '@polygate/attributes';
import { createRandom } from '@polygate/core';
import { describe, expect, it } from 'vitest';
import { attributeCondition } from './attribute-condition.ts';
import type { RoutingKey } from './routing-key.ts';

const size = { width: 3, sites: 2 };
const draw = (seed: number): Float32Array[] => {
  const random = createRandom(seed);
  return attributeCondition
    .parameters(size)
    .map(({ shape }) =>
      Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => random.normal()),
    );
};
const keyOf = (attributes: AttributeRow): RoutingKey => ({ attributes, modality: 'text', task: '' });
const rows = [parseRow('10011001'), parseRow('10010100')].map(keyOf);

describe('attributeCondition', () => {
  it('normalises the weighted attributes', () => {
    // One site, width 2, W = [[1, 0, ..., 2], [3, 0, ..., 0]], b = [0, 1]; bits 0 and 7 are set:
    // z = [1 + 2, 3 + 0 + 1] = [3, 4]; mean 3.5, variance 0.25; unit = (z - 3.5) / sqrt(0.25001) = -+0.99998.
    const weight = Float32Array.from([1, 0, 0, 0, 0, 0, 0, 2, 3, 0, 0, 0, 0, 0, 0, 0]);
    const { values } = attributeCondition.represent(
      [weight, Float32Array.from([0, 1]), Float32Array.from([1, 10]), Float32Array.from([0, 5])],
      [keyOf([1, 0, 0, 0, 0, 0, 0, 1])],
      { width: 2, sites: 1 },
    );
    const unit = 0.5 / Math.sqrt(0.25 + 1e-5);
    expect(values[0]).toBeCloseTo(-unit, 12);
    expect(values[1]).toBeCloseTo(5 + 10 * unit, 12);
  });

  it('agrees with central differences in every parameter', () => {
    const values = draw(3);
    const random = createRandom(4);
    const upstream = Float64Array.from({ length: 2 * 2 * 3 }, () => random.normal());
    const gradients = attributeCondition.represent(values, rows, size).backward(upstream);
    for (const [p, array] of values.entries()) {
      for (let i = 0; i < array.length; i += 1) {
        const at = (delta: number): { sum: number; value: number } => {
          const moved = values.map((a) => a.slice());
          const target = moved[p] ?? array;
          target[i] = (target[i] ?? 0) + delta;
          const result = attributeCondition.represent(moved, rows, size).values;
          return { sum: result.reduce((s, v, j) => s + v * (upstream[j] ?? 0), 0), value: target[i] ?? 0 };
        };
        const above = at(1e-3);
        const below = at(-1e-3);
        expect(gradients[p]?.[i]).toBeCloseTo((above.sum - below.sum) / (above.value - below.value), 4);
      }
    }
  });

  it('gives each row its own representation, whatever the others are', () => {
    const values = draw(5);
    const both = attributeCondition.represent(values, rows, size).values;
    const swapped = attributeCondition.represent(values, [...rows].reverse(), size).values;
    for (let site = 0; site < 2; site += 1) {
      const at = (array: Float64Array, row: number): number[] => [
        ...array.subarray((site * 2 + row) * 3, (site * 2 + row + 1) * 3),
      ];
      expect(at(swapped, 1)).toEqual(at(both, 0));
      expect(at(swapped, 0)).toEqual(at(both, 1));
    }
  });

  it('refuses what is not eight bits', () => {
    expect(() =>
      attributeCondition.represent(draw(1), [keyOf([1, 0] as unknown as AttributeRow)], size),
    ).toThrow(
      'attribute condition: expected a row of 8 bits (0 or 1), got [1, 0]; build it from a task signature with @polygate/attributes',
    );
    expect(() =>
      attributeCondition.represent(
        draw(1),
        [keyOf([1, 0, 0, 0, 0, 0, 0, 2] as unknown as AttributeRow)],
        size,
      ),
    ).toThrow('got [1, 0, 0, 0, 0, 0, 0, 2]');
  });
});
