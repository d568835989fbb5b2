import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addCounts, countRows, countTokens, routingTelemetry } from './telemetry.ts';
import { chooseExperts } from './token-choice.ts';

const decision = {
  chosen: [
    [1, 2],
    [1, 0],
  ],
  probabilities: Float32Array.from([0.125, 0.5, 0.25, 0.125, 0.25, 0.75, 0, 0]),
  values: Float32Array.from([0, 0.75, 0.25, 0, 0.25, 0.75, 0, 0]),
  experts: 4,
};

const only = <T>([first]: readonly T[]): T => {
  if (first === undefined) throw new Error('nothing there');
  return first;
};

describe('routingTelemetry', () => {
  it('has loads, importance and entropy of rows', () => {
    const figures = routingTelemetry(only(countRows(decision)));
    // Expert 1 in both rows (2 of 4 choices), 2 and 0 once each.
    expect(figures.load).toEqual([0.25, 0.5, 0.25, 0]);
    expect(figures.importance).toEqual([0.125, 0.75, 0.125, 0]);
    // Row 1: 2 * 0.125 ln 8 + 0.5 ln 2 + 0.25 ln 4 = 1.75 ln 2; row 2: 0.25 ln 4 + 0.75 ln(4/3) = 2 ln 2 - 0.75 ln 3.
    expect(figures.entropy).toBeCloseTo((3.75 * Math.log(2) - 0.75 * Math.log(3)) / 2, 6);
    // Largest load 0.5 against a mean of 0.25.
    expect(figures.maximumViolation).toBeCloseTo(1, 12);
    expect(figures.dead).toEqual([3]);
    expect(figures.droppedFraction).toBe(0);
  });

  it('counts a row as often as it had tokens', () => {
    const { load, importance, tokens } = routingTelemetry(only(countRows(decision, { tokens: [3, 1] })));
    expect(tokens).toBe(4);
    expect(load).toEqual([0.125, 0.5, 0.375, 0]);
    expect(importance).toEqual([0.0625, 0.75, 0.1875, 0]);
  });

  it('keeps groups of rows apart, and leaves out those in none', () => {
    const groups = { ids: [1, -1], count: 2 };
    const [none, first] = countRows(decision, { tokens: [5, 7], groups });
    expect(none?.tokens).toBe(0);
    expect(first).toMatchObject({ tokens: 5, choices: [0, 5, 5, 0] });
    expect(routingTelemetry(only([none ?? only([])]))).toEqual({
      tokens: 0,
      load: [0, 0, 0, 0],
      importance: [0, 0, 0, 0],
      entropy: 0,
      droppedFraction: 0,
      maximumViolation: 0,
      dead: [0, 1, 2, 3],
    });
  });

  it('counts tokens, their dropped choices and their groups', () => {
    // Two experts, top-1. Tokens 0, 1, 3 choose expert 0 with gates 0.75, 0.75, 0.5, token 3 by the tie rule; 2 is padding.
    const ln3 = Math.log(3);
    const choices = chooseExperts(
      Float32Array.from([ln3, 0, ln3, 0, 9, 9, 0, 0]),
      { experts: 2, topK: 1, renormalize: false },
      { visible: [1, 1, 0, 1] },
    );
    const kept = Uint8Array.from([1, 0, 0, 1]);
    const [all] = countTokens({ choices, kept });
    expect(all).toMatchObject({ tokens: 3, choices: [3, 0], dropped: 1 });
    expect(all?.gates[0]).toBeCloseTo(2, 6);
    expect(routingTelemetry(all ?? only([]))).toMatchObject({
      load: [1, 0],
      maximumViolation: 1,
      dead: [1],
      droppedFraction: 1 / 3,
    });
    const byGroup = countTokens({ choices, kept }, { ids: Int32Array.from([0, 1, 1, 1]), count: 2 });
    expect(byGroup.map(({ tokens, dropped }) => [tokens, dropped])).toEqual([
      [1, 0],
      [2, 1],
    ]);
  });

  it('adds up: groups to the whole, batches to the run', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.double({ min: -3, max: 3, noNaN: true }), fc.nat(2)), {
          minLength: 2,
          maxLength: 20,
        }),
        (drawn) => {
          const logits = Float32Array.from(drawn.flatMap(([value]) => [value, 0, -value]));
          const choices = chooseExperts(logits, { experts: 3, topK: 2, renormalize: true });
          const kept = Uint8Array.from(choices.ids, (e, at) => (e + at) % 2);
          const groups = { ids: drawn.map(([, group]) => group), count: 3 };
          const [whole] = countTokens({ choices, kept });
          const sum = addCounts(countTokens({ choices, kept }, groups));
          expect(sum.tokens).toBe(whole?.tokens);
          expect(sum.dropped).toBe(whole?.dropped);
          expect(sum.choices).toEqual(whole?.choices);
          expect(sum.entropy).toBeCloseTo(whole?.entropy ?? NaN, 9);
          sum.gates.forEach((value, e) => expect(value).toBeCloseTo(whole?.gates[e] ?? NaN, 9));
        },
      ),
      { numRuns: 30 },
    );
  });

  it('refuses what does not fit', () => {
    expect(() => countRows(decision, { tokens: [1] })).toThrow(
      'routing counts: expected the tokens (0 or more) of each of 2 rows, got [1]; give one number each',
    );
    expect(() => countRows(decision, { groups: { ids: [0], count: 1 } })).toThrow(
      'routing counts: expected the group of each of 2 rows, got 1; give one id each',
    );
    expect(() => countRows(decision, { groups: { ids: [0, 2], count: 2 } })).toThrow(
      'routing counts: expected groups below 2, got 2 for row 1; number groups from 0',
    );
    const [two] = countRows(decision);
    expect(() => addCounts([two ?? only([]), { ...(two ?? only([])), choices: [1] }])).toThrow(
      'routing counts: expected counts over 4 experts, got 1; add only those of routers with the same experts',
    );
  });
});
