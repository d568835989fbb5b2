import { describe, expect, it } from 'vitest';
import { decisionTelemetry } from './telemetry.ts';

const decision = {
  chosen: [
    [1, 2],
    [1, 0],
  ],
  probabilities: Float32Array.from([0.125, 0.5, 0.25, 0.125, 0.25, 0.75, 0, 0]),
  values: Float32Array.from([0, 0.75, 0.25, 0, 0.25, 0.75, 0, 0]),
  experts: 4,
};

describe('decisionTelemetry', () => {
  it('counts loads, importance and entropy', () => {
    const { load, importance, entropy, imbalance, idle } = decisionTelemetry(decision);
    // Expert 1 in both rows (2 of 4 choices), 2 and 0 once each.
    expect(load).toEqual([0.25, 0.5, 0.25, 0]);
    expect(importance).toEqual([0.125, 0.75, 0.125, 0]);
    // Row 1: 2 * 0.125 ln 8 + 0.5 ln 2 + 0.25 ln 4 = 1.75 ln 2; row 2: 0.25 ln 4 + 0.75 ln(4/3) = 2 ln 2 - 0.75 ln 3.
    expect(entropy).toBeCloseTo((3.75 * Math.log(2) - 0.75 * Math.log(3)) / 2, 6);
    expect(imbalance).toBeCloseTo(1, 12);
    expect(idle).toEqual([3]);
  });

  it('weighs rows by their tokens', () => {
    const { load, importance } = decisionTelemetry(decision, [3, 1]);
    expect(load).toEqual([0.125, 0.5, 0.375, 0]);
    expect(importance).toEqual([0.0625, 0.75, 0.1875, 0]);
  });

  it('refuses weights that do not fit', () => {
    expect(() => decisionTelemetry(decision, [1])).toThrow(
      'decisionTelemetry: expected 2 weights of at least 0 with a positive sum, got [1]; give the number of tokens of each row',
    );
  });
});
