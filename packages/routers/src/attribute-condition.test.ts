import { attributeSchema, parseRow, type AttributeRow } from '@polygate/attributes';
import { createRandom } from '@polygate/core';
import { describe, expect, it } from 'vitest';
import { attributeCondition } from './attribute-condition.ts';
import type { RoutingKey } from './routing-key.ts';

const condition = attributeCondition();
const size = { width: 3, sites: 2 };
const draw = (seed: number): Float32Array[] => {
  const random = createRandom(seed);
  return condition
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
    const { values } = condition.represent(
      [weight, Float32Array.from([0, 1]), Float32Array.from([1, 10]), Float32Array.from([0, 5])],
      [keyOf(parseRow('10000001'))],
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
    const gradients = condition.represent(values, rows, size).backward(upstream);
    for (const [p, array] of values.entries()) {
      for (let i = 0; i < array.length; i += 1) {
        const at = (delta: number): { sum: number; value: number } => {
          const moved = values.map((a) => a.slice());
          const target = moved[p] ?? array;
          target[i] = (target[i] ?? 0) + delta;
          const result = condition.represent(moved, rows, size).values;
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
    const both = condition.represent(values, rows, size).values;
    const swapped = condition.represent(values, [...rows].reverse(), size).values;
    for (let site = 0; site < 2; site += 1) {
      const at = (array: Float64Array, row: number): number[] => [
        ...array.subarray((site * 2 + row) * 3, (site * 2 + row + 1) * 3),
      ];
      expect(at(swapped, 1)).toEqual(at(both, 0));
      expect(at(swapped, 0)).toEqual(at(both, 1));
    }
  });

  it('sees the bits of its schema, however many, and keys rows by all that they say', () => {
    const wide = attributeCondition(attributeSchema(['sound']));
    expect(wide.parameters(size)[0]?.shape).toEqual([2, 3, 11]);
    expect(wide.flops({ ...size, experts: 4 }).decision).toBe(11 * 3 + 2 * 4 * 3);
    // One site, width 2: the weight of "token is sound", the ninth of eleven bits, is 2 in the first channel.
    const weight = new Float32Array(22);
    weight[8] = 2;
    const ones = Float32Array.from([1, 1]);
    const zeros = new Float32Array(2);
    const [sound, text] = [parseRow('00010001+sound=101'), parseRow('01010001')].map(keyOf);
    if (!sound || !text) throw new Error('expected two rows');
    const { values } = wide.represent([weight, zeros, ones, zeros], [sound, text], { width: 2, sites: 1 });
    // z = [2, 0]: mean 1, variance 1.
    const unit = 1 / Math.sqrt(1 + 1e-5);
    expect([...values]).toEqual([unit, -unit, 0, 0]);
    expect(wide.keyOf(sound)).toBe('00010001+sound=101');
    // The paper's schema has no bit for it.
    const narrow = condition.represent(
      [new Float32Array(16).fill(1), zeros, ones, zeros],
      [sound, keyOf(parseRow('00010001'))],
      { width: 2, sites: 1 },
    ).values;
    expect([...narrow.slice(0, 2)]).toEqual([...narrow.slice(2)]);
  });
});
