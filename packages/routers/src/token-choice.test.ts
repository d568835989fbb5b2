import { createRandom } from '@polygate/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { giveSlots } from './capacity.ts';
import { gateRows, gateRowsGradient } from './gate-math.ts';
import { chooseExperts, choiceGradient } from './token-choice.ts';

const { log } = Math;

describe('chooseExperts', () => {
  it('keeps the two likeliest of four, renormalised or not, and skips padding', () => {
    // softmax([ln 1, ln 4, ln 2, ln 1]) = [1, 4, 2, 1] / 8: kept 1/2 and 1/4; divided by 3/4: 2/3 and 1/3.
    const logits = Float32Array.from([log(1), log(4), log(2), log(1), 5, 5, 5, 5, 0, 0, 0, 0]);
    const rule = { experts: 4, topK: 2, renormalize: true };
    const choices = chooseExperts(logits, rule, { visible: [1, 0, 1] });
    expect([...choices.ids]).toEqual([1, 2, -1, -1, 0, 1]);
    [2 / 3, 1 / 3, 0, 0, 0.5, 0.5].forEach((g, i) => expect(choices.weights[i]).toBeCloseTo(g, 6));
    [0.125, 0.5, 0.25, 0.125, 0, 0, 0, 0, 0.25].forEach((p, i) =>
      expect(choices.probabilities[i]).toBeCloseTo(p, 6),
    );
    // ln(1 + 4 + 2 + 1), padding, ln 4
    [log(8), 0, log(4)].forEach((z, i) => expect(choices.logSums[i]).toBeCloseTo(z, 6));
    expect(choices.counted).toBe(2);
    const plain = chooseExperts(logits, { ...rule, renormalize: false }, { visible: [1, 0, 1] });
    [0.5, 0.25, 0, 0, 0.25, 0.25].forEach((g, i) => expect(plain.weights[i]).toBeCloseTo(g, 6));
  });

  it('equals the gate of few rows, value and gradient, whatever is kept', () => {
    fc.assert(
      fc.property(
        fc.record({
          seed: fc.nat(),
          rows: fc.integer({ min: 1, max: 12 }),
          experts: fc.integer({ min: 1, max: 6 }),
          renormalize: fc.boolean(),
        }),
        ({ seed, rows, experts, renormalize }) => {
          const random = createRandom(seed);
          const topK = 1 + random.integer(experts);
          const rule = { experts, topK, renormalize };
          const logits = Float32Array.from({ length: rows * experts }, () => 2 * random.normal());
          const upstream = Float32Array.from(logits, () => random.normal());
          const choices = chooseExperts(logits, rule);
          const plain = gateRows(Float64Array.from(logits), rule);
          expect([...choices.ids]).toEqual(plain.chosen.flat());
          choices.probabilities.forEach((p, i) => expect(p).toBeCloseTo(plain.probabilities[i] ?? NaN, 6));
          choices.weights.forEach((g, i) => {
            const row = Math.floor(i / topK);
            expect(g).toBeCloseTo(plain.gates[row * experts + (choices.ids[i] ?? 0)] ?? NaN, 6);
          });
          // A dropped choice's gate is the constant 0: to the twin, its upstream gradient is 0.
          const kept = Uint8Array.from(choices.ids, () => random.integer(2));
          const masked = upstream.slice();
          kept.forEach((flag, i) => {
            if (flag === 0) masked[Math.floor(i / topK) * experts + (choices.ids[i] ?? 0)] = 0;
          });
          const expected = gateRowsGradient(masked, plain, rule);
          const got = choiceGradient(upstream, choices, { renormalize, kept });
          got.forEach((value, i) => expect(value).toBeCloseTo(expected[i] ?? NaN, 5));
        },
      ),
      { numRuns: 60 },
    );
  });

  it('does not overflow on large logits', () => {
    const { weights, logSums } = chooseExperts(Float32Array.from([1000, 999, -1000]), {
      experts: 3,
      topK: 2,
      renormalize: true,
    });
    // 1 / (1 + e^-1), and 1000 + ln(1 + e^-1)
    expect(weights[0]).toBeCloseTo(0.7310585786300049, 6);
    expect(logSums[0]).toBeCloseTo(1000.3132616875182, 3);
  });

  it('chooses by logits however far they are apart, as the gate of few rows', () => {
    const rule = { experts: 3, topK: 2, renormalize: true };
    const rows: readonly (readonly [number[], number[]])[] = [
      [
        [0, -150, -120],
        [0, 2],
      ],
      [
        [0, -900, -800],
        [0, 2],
      ],
      [
        [-3e38, 3e38, -1e38],
        [1, 2],
      ],
      // exponentials of differences below 1e-16 are equal
      [
        [0, 1e-20, 2e-20],
        [2, 1],
      ],
      // ties: the lower id, also among experts that are shut out
      [
        [1, 1, 1],
        [0, 1],
      ],
      [
        [-Infinity, 0, -Infinity],
        [1, 0],
      ],
      [
        [0, -0, 0],
        [0, 1],
      ],
    ];
    for (const [row, chosen] of rows) {
      const choices = chooseExperts(Float32Array.from(row), rule);
      expect([...choices.ids]).toEqual(chosen);
      expect([...choices.weights].every(Number.isFinite)).toBe(true);
      expect(gateRows(Float64Array.from(row), rule).chosen).toEqual([chosen]);
    }
  });

  it('keeps the digits of probabilities down to where float32 ends', () => {
    // e^-100 = 3.720075976e-44
    const { probabilities } = chooseExperts(Float32Array.of(0, -80, -100), {
      experts: 3,
      topK: 1,
      renormalize: false,
    });
    expect((probabilities[1] ?? 0) / Math.exp(-80)).toBeCloseTo(1, 6);
    expect(probabilities[2]).toBe(Math.fround(Math.exp(-100)));
  });

  it.each([
    [[0, NaN, 1], 'NaN for expert 1'],
    [[0, 1, Infinity], 'Infinity for expert 2'],
    [[-Infinity, -Infinity, -Infinity], '-Infinity for every expert'],
  ])('refuses %j, which has no softmax', (row, got) => {
    const rule = { experts: 3, topK: 2, renormalize: true };
    const both = [0, 1, 2, ...row];
    const text = (kind: string): string =>
      `router: expected logits that have a softmax, got ${got} at ${kind} 1; the weights or what the router looks at are not finite: look for the layer or batch that they come from`;
    expect(() => chooseExperts(Float32Array.from(both), rule)).toThrow(text('token'));
    expect(() => gateRows(Float64Array.from(both), rule)).toThrow(text('row'));
    // Padding may hold anything.
    expect([...chooseExperts(Float32Array.from(both), rule, { visible: [1, 0] }).ids]).toEqual([
      2, 1, -1, -1,
    ]);
  });
});

describe('other numbers of experts by position', () => {
  it('choose, drop and pass gradients as each row would alone', () => {
    const rule = { experts: 3, topK: 3, renormalize: true };
    const logits = Float32Array.from([0, 2, 1, 1, 0, 3, 2, 1, 0, 0, 1, 2]);
    // Two sequences of two tokens: the first token of each chooses one, the second three.
    const choices = chooseExperts(logits, rule, { topKs: [1, 3] });
    expect([...choices.ids]).toEqual([1, -1, -1, 2, 0, 1, 0, -1, -1, 2, 1, 0]);
    expect(choices.total).toBe(8);
    expect(giveSlots(choices, { capacityFactor: 0.5, batchPriority: false })).toMatchObject({
      // ceil(0.5 * 8 / 3) = 2 slots each; wanted 3, 3 and 2.
      dropped: 2,
    });
    const plain = gateRows(Float64Array.from(logits), rule, [1, 3]);
    const random = createRandom(4);
    const upstream = Float64Array.from({ length: 12 }, () => random.normal());
    const expected = gateRowsGradient(upstream, plain, rule);
    const kept = new Uint8Array(12).fill(1);
    choiceGradient(upstream, choices, { renormalize: true, kept }).forEach((value, i) =>
      expect(value).toBeCloseTo(expected[i] ?? NaN, 6),
    );
  });
});
