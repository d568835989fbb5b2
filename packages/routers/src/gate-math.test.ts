import { createRandom } from '@polygate/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkGateRule, gateRows, gateRowsGradient, type GateRule } from './gate-math.ts';

const log = Math.log;

describe('gateRows', () => {
  it('keeps the two likeliest of four and renormalises them', () => {
    // logits ln(1), ln(4), ln(2), ln(1): softmax = [1, 4, 2, 1] / 8; kept 4/8 and 2/8, divided by 6/8: 2/3 and 1/3.
    const logits = Float64Array.from([log(1), log(4), log(2), log(1)]);
    const { gates, probabilities, chosen } = gateRows(logits, { experts: 4 });
    expect(chosen).toEqual([[1, 2]]);
    [0.125, 0.5, 0.25, 0.125].forEach((p, e) => expect(probabilities[e]).toBeCloseTo(p, 14));
    [0, 2 / 3, 1 / 3, 0].forEach((g, e) => expect(gates[e]).toBeCloseTo(g, 14));
  });

  it('leaves the softmax values as they are without renormalisation', () => {
    const logits = Float64Array.from([log(1), log(4), log(2), log(1), log(6), log(1), log(1), log(2)]);
    const { gates, chosen } = gateRows(logits, { experts: 4, renormalize: false });
    expect(chosen).toEqual([
      [1, 2],
      [0, 3],
    ]);
    // Second row: [6, 1, 1, 2] / 10.
    [0, 0.5, 0.25, 0, 0.6, 0, 0, 0.2].forEach((g, e) => expect(gates[e]).toBeCloseTo(g, 14));
  });

  it('gives top-1 the weight 1 renormalised and its probability otherwise, as it does unasked', () => {
    const logits = Float64Array.from([log(1), log(3)]);
    expect([...gateRows(logits, { experts: 2, topK: 1, renormalize: true }).gates]).toEqual([0, 1]);
    expect(gateRows(logits, { experts: 2, topK: 1, renormalize: false }).gates[1]).toBeCloseTo(0.75, 14);
    const unasked = gateRows(logits, { experts: 2, topK: 1 });
    expect(unasked.gates[1]).toBeCloseTo(0.75, 14);
    // dG/dz = p (1 - p) = 3/16 at the chosen one.
    const gradient = gateRowsGradient([0, 1], unasked, { experts: 2, topK: 1 });
    expect(gradient[1]).toBeCloseTo(0.1875, 14);
    expect(gradient[0]).toBeCloseTo(-0.1875, 14);
  });

  it('breaks ties by the lower id', () => {
    expect(gateRows(new Float64Array(8), { experts: 8, topK: 3 }).chosen).toEqual([[0, 1, 2]]);
  });

  it('does not overflow on large logits', () => {
    const { gates } = gateRows(Float64Array.from([1000, 999, -1000]), { experts: 3, topK: 2 });
    // 1 / (1 + e^-1)
    expect(gates[0]).toBeCloseTo(0.7310585786300049, 14);
  });

  it('commutes with permuting experts and rows', () => {
    // Hundredths, all different in a row: no ties, and none made by rounding in the softmax.
    const row = fc.uniqueArray(fc.integer({ min: -400, max: 400 }), { minLength: 5, maxLength: 5 });
    const rows = fc.array(
      row.map((logits) => logits.map((value) => value / 100)),
      { minLength: 1, maxLength: 6 },
    );
    fc.assert(
      fc.property(rows, fc.integer(), fc.boolean(), (table, seed, renormalize) => {
        const random = createRandom(seed);
        const shuffled = (n: number): number[] => {
          const order = Array.from({ length: n }, (_, i) => i);
          for (let i = n - 1; i > 0; i -= 1) {
            const j = random.integer(i + 1);
            [order[i], order[j]] = [order[j] ?? 0, order[i] ?? 0];
          }
          return order;
        };
        const experts = shuffled(5);
        const order = shuffled(table.length);
        const rule = { experts: 5, renormalize };
        const plain = gateRows(Float64Array.from(table.flat()), rule);
        const moved = gateRows(
          Float64Array.from(order.flatMap((r) => experts.map((e) => table[r]?.[e] ?? 0))),
          rule,
        );
        order.forEach((r, to) => {
          expect(moved.chosen[to]?.map((e) => experts[e])).toEqual(plain.chosen[r]);
          experts.forEach((e, at) => {
            expect(moved.gates[to * 5 + at]).toBeCloseTo(plain.gates[r * 5 + e] ?? NaN, 12);
          });
        });
      }),
      { numRuns: 60 },
    );
  });
});

describe('gateRowsGradient', () => {
  const rules: readonly GateRule[] = [1, 2, 3].flatMap((topK) =>
    [true, false].map((renormalize) => ({ experts: 6, topK, renormalize })),
  );
  it.each(rules)('agrees with central differences for %o', (rule) => {
    const random = createRandom(7);
    const logits = Float64Array.from({ length: 18 }, () => random.normal());
    const upstream = Float64Array.from({ length: 18 }, () => random.normal());
    const value = (z: Float64Array): number =>
      gateRows(z, rule).gates.reduce((sum, g, i) => sum + g * (upstream[i] ?? 0), 0);
    const gradient = gateRowsGradient(upstream, gateRows(logits, rule), rule);
    const step = 1e-5;
    for (let i = 0; i < logits.length; i += 1) {
      const at = (delta: number): number => value(logits.map((z, j) => (i === j ? z + delta : z)));
      expect(gradient[i]).toBeCloseTo((at(step) - at(-step)) / (2 * step), 8);
    }
  });

  it('does not reach the logits of experts that renormalisation leaves out', () => {
    const logits = Float64Array.from([3, 2, 1, 0]);
    const rule = { experts: 4, topK: 2 };
    const gradient = gateRowsGradient([1, -1, 5, 5], gateRows(logits, rule), rule);
    // With s = sigmoid(1) for the two kept: dG_0/dz_0 = s (1 - s), dG_1/dz_0 = -s (1 - s); upstream 1 and -1: 2 s (1 - s).
    const s = 1 / (1 + Math.exp(-1));
    expect(gradient[0]).toBeCloseTo(2 * s * (1 - s), 12);
    expect(gradient[1]).toBeCloseTo(-2 * s * (1 - s), 12);
    expect(gradient[2]).toBeCloseTo(0, 14);
    expect(gradient[3]).toBeCloseTo(0, 14);
  });
});

describe('checkGateRule', () => {
  it('says what is possible', () => {
    expect(() => checkGateRule({ experts: 4, topK: 5 })).toThrow(
      'gate: expected topK from 1 to the number of experts (4), got 5; lower topK or add experts',
    );
    expect(() => checkGateRule({ experts: 0 })).toThrow(
      'gate: expected a whole number of experts of 1 to 1048576, got 0; set experts',
    );
  });
});
