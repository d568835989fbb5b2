import { createRandom } from '@polygate/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { capacityOf, drawSlotOrder, giveSlots, type CapacityOptions } from './capacity.ts';
import { chooseExperts, type TokenChoices } from './token-choice.ts';

/** Choices of tokens whose probabilities are given, top-k of each row. */
const chosenFrom = (rows: readonly (readonly number[])[], topK: number, visible?: number[]): TokenChoices =>
  chooseExperts(
    Float32Array.from(rows.flat().map(Math.log)),
    { experts: rows[0]?.length ?? 0, topK, renormalize: false },
    { visible },
  );

const slotsOf = (choices: TokenChoices, options: CapacityOptions) => {
  const { plan, kept, wanted, dropped } = giveSlots(choices, options);
  const groups = Array.from({ length: choices.experts }, (_, e) => [
    ...plan.tokens.subarray(plan.starts[e], plan.starts[e + 1]),
  ]);
  return { groups, kept: [...kept], wanted: [...wanted], dropped };
};

describe('capacityOf', () => {
  it('fits an even load at factor 1: ceil(factor * K * N / E)', () => {
    // 2 * 12 / 8 = 3; 1.25 * 2 * 12 / 8 = 3.75; 2 * 13 / 8 = 3.25
    expect(capacityOf(1, { tokens: 12, experts: 8, topK: 2 })).toBe(3);
    expect(capacityOf(1.25, { tokens: 12, experts: 8, topK: 2 })).toBe(4);
    expect(capacityOf(1, { tokens: 13, experts: 8, topK: 2 })).toBe(4);
    expect(capacityOf('dropless', { tokens: 13, experts: 8, topK: 2 })).toBe(13);
  });

  it('is exact for the factor as it is written', () => {
    // 1.1 * 100 / 10 = 11, where doubles give 11.000000000000002; 1.15 * 2 * 20 / 46 = 1; 1e-1 * 100 / 10 = 1
    expect(capacityOf(1.1, { tokens: 100, experts: 10, topK: 1 })).toBe(11);
    expect(capacityOf(1.15, { tokens: 1000, experts: 23, topK: 2 })).toBe(100);
    expect(capacityOf(0.1, { tokens: 100, experts: 10, topK: 1 })).toBe(1);
    expect(capacityOf(1e21, { tokens: 10, experts: 10, topK: 1 })).toBe(1e21);
    expect(capacityOf(1.0000000000000002, { tokens: 100, experts: 10, topK: 1 })).toBe(11);
    // Hundredths as whole numbers: ceil(h K N / (100 E)) without any rounding.
    let settings = 0;
    for (let hundredths = 100; hundredths <= 250; hundredths += 5) {
      for (const experts of [4, 6, 8, 10, 16, 23]) {
        for (const topK of [1, 2]) {
          for (let tokens = 96; tokens <= 1000; tokens += 13) {
            const above = hundredths * topK * tokens;
            const below = 100 * experts;
            const exact = (above - (above % below)) / below + (above % below === 0 ? 0 : 1);
            if (capacityOf(hundredths / 100, { tokens, experts, topK }) !== exact) settings += 1;
          }
        }
      }
    }
    expect(settings).toBe(0);
  });

  it('gives a batch smaller than the experts a slot each', () => {
    expect(capacityOf(1, { tokens: 3, experts: 8, topK: 2 })).toBe(1);
    expect(capacityOf(1, { tokens: 0, experts: 8, topK: 2 })).toBe(0);
  });

  it('says what is too little', () => {
    expect(() => capacityOf(0.25, { tokens: 8, experts: 8, topK: 2 })).toThrow(
      "capacity: expected slots for at least one token per expert, got capacityFactor 0.25 * topK 2 * 8 tokens / 8 experts = 0.50; raise capacityFactor, or use 'dropless'",
    );
    for (const factor of [0, -1, NaN, Infinity]) {
      expect(() => capacityOf(factor, { tokens: 8, experts: 8, topK: 2 })).toThrow(
        `capacity: expected a capacityFactor above 0 or 'dropless', got ${factor}; 1 holds an even load`,
      );
    }
  });
});

describe('giveSlots', () => {
  // Four tokens, two experts, top-1: capacity 1 * 1 * 4 / 2 = 2. Tokens 0, 1, 3 want expert 0, token 2 expert 1.
  const rows = [
    [0.6, 0.4],
    [0.7, 0.3],
    [0.2, 0.8],
    [0.9, 0.1],
  ];

  it('serves tokens in their order', () => {
    const { groups, kept, wanted, dropped } = slotsOf(chosenFrom(rows, 1), {
      capacityFactor: 1,
      batchPriority: false,
    });
    expect(groups).toEqual([[0, 1], [2]]);
    expect(kept).toEqual([1, 1, 1, 0]);
    expect(wanted).toEqual([3, 1]);
    expect(dropped).toBe(1);
  });

  it('serves the likeliest choices first with batch priority', () => {
    // By first probability: token 3 (0.9), 2 (0.8), 1 (0.7), 0 (0.6).
    const { groups, kept } = slotsOf(chosenFrom(rows, 1), { capacityFactor: 1, batchPriority: true });
    expect(groups).toEqual([[1, 3], [2]]);
    expect(kept).toEqual([0, 1, 1, 1]);
  });

  it('serves tokens in the order that it is given', () => {
    // (3 + 3 i) mod 4: tokens 3, 2, 1, 0; the last finds expert 0 full.
    const order = { first: 3, stride: 3 };
    const { groups, kept } = slotsOf(chosenFrom(rows, 1), { capacityFactor: 1, batchPriority: false, order });
    expect(groups).toEqual([[1, 3], [2]]);
    expect(kept).toEqual([0, 1, 1, 1]);
  });

  it('serves all first choices before any second one', () => {
    // Top-2 of three, factor 0.75: capacity ceil(0.75 * 2 * 4 / 3) = 2. First choices: 0, 0, 1, 0: token 3 finds expert 0
    // full. Second ones: 1, 1, 0, 2: token 0 gets the last slot of expert 1, token 1 finds it full, token 2 finds
    // expert 0 full, token 3 gets expert 2.
    const choices = chosenFrom(
      [
        [0.5, 0.3, 0.2],
        [0.5, 0.3, 0.2],
        [0.3, 0.5, 0.2],
        [0.5, 0.2, 0.3],
      ],
      2,
    );
    const { groups, kept, wanted, dropped } = slotsOf(choices, {
      capacityFactor: 0.75,
      batchPriority: false,
    });
    expect(groups).toEqual([[0, 1], [0, 2], [3]]);
    expect(kept).toEqual([1, 1, 1, 0, 1, 0, 0, 1]);
    expect(wanted).toEqual([4, 3, 1]);
    expect(dropped).toBe(3);
  });

  const batches = fc.record({
    seed: fc.nat(),
    tokens: fc.integer({ min: 1, max: 60 }),
    experts: fc.integer({ min: 1, max: 6 }),
    factor: fc.constantFrom<(number | 'dropless')[]>(1, 1.25, 2, 'dropless'),
    batchPriority: fc.boolean(),
    drawn: fc.boolean(),
  });
  const drawChoices = (seed: number, tokens: number, experts: number) => {
    const random = createRandom(seed);
    const topK = 1 + random.integer(experts);
    const visible = Array.from({ length: tokens }, () => (random.next() < 0.8 ? 1 : 0));
    const logits = Float32Array.from({ length: tokens * experts }, () => random.normal());
    return { topK, visible, logits, rule: { experts, topK, renormalize: true } };
  };

  it('never exceeds the capacity, never serves padding, and drops only where an expert is full', () => {
    fc.assert(
      fc.property(batches, ({ seed, tokens, experts, factor, batchPriority, drawn }) => {
        const { topK, visible, logits, rule } = drawChoices(seed, tokens, experts);
        const choices = chooseExperts(logits, rule, { visible });
        const { plan, kept, wanted, dropped } = giveSlots(choices, {
          capacityFactor: factor,
          batchPriority,
          ...(drawn ? { order: drawSlotOrder(tokens, createRandom(seed)) } : {}),
        });
        const capacity = capacityOf(factor, { tokens: choices.counted, experts, topK });
        let served = 0;
        for (let e = 0; e < experts; e += 1) {
          const group = [...plan.tokens.subarray(plan.starts[e], plan.starts[e + 1])];
          expect(group).toHaveLength(Math.min(wanted[e] ?? 0, capacity));
          expect(group).toEqual([...new Set(group)].sort((a, b) => a - b));
          for (const token of group) {
            expect(visible[token]).toBe(1);
            const at = [...choices.ids.subarray(token * topK, token * topK + topK)].indexOf(e);
            expect(kept[token * topK + at]).toBe(1);
          }
          served += group.length;
        }
        expect(served).toBe(kept.reduce((sum, flag) => sum + flag, 0));
        expect(dropped).toBe(choices.counted * topK - served);
        if (factor === 'dropless') expect(dropped).toBe(0);
      }),
      { numRuns: 80 },
    );
  });

  it('gives visible tokens the same slots whatever padding stands between them', () => {
    fc.assert(
      fc.property(batches, ({ seed, tokens, experts, factor, batchPriority }) => {
        const { topK, visible, logits, rule } = drawChoices(seed, tokens, experts);
        const places = visible.flatMap((flag, token) => (flag === 1 ? [token] : []));
        const packed = Float32Array.from(
          places.flatMap((token) => [...logits.subarray(token * experts, (token + 1) * experts)]),
        );
        const options = { capacityFactor: factor, batchPriority };
        const padded = giveSlots(chooseExperts(logits, rule, { visible }), options);
        const dense = giveSlots(chooseExperts(packed, rule), options);
        expect(padded.plan.starts).toEqual(dense.plan.starts);
        expect([...padded.plan.tokens]).toEqual([...dense.plan.tokens].map((token) => places[token]));
        expect(dense.kept).toHaveLength(places.length * topK);
      }),
      { numRuns: 60 },
    );
  });

  it('commutes with permuting tokens where nothing is dropped or the likeliest come first', () => {
    fc.assert(
      fc.property(batches, ({ seed, tokens, experts, factor }) => {
        const { topK, logits, rule } = drawChoices(seed, tokens, experts);
        const random = createRandom(seed + 1);
        const order = Array.from({ length: tokens }, (_, i) => i);
        for (let i = tokens - 1; i > 0; i -= 1) {
          const j = random.integer(i + 1);
          [order[i], order[j]] = [order[j] ?? 0, order[i] ?? 0];
        }
        const moved = Float32Array.from(
          order.flatMap((token) => [...logits.subarray(token * experts, (token + 1) * experts)]),
        );
        const choices = chooseExperts(logits, rule);
        const firsts = choices.ids.filter((_, i) => i % topK === 0);
        const likely = [...firsts].map((e, token) => choices.probabilities[token * experts + e]);
        fc.pre(new Set(likely).size === tokens);
        const options = { capacityFactor: factor, batchPriority: true };
        const plain = giveSlots(choices, options).kept;
        const permuted = giveSlots(chooseExperts(moved, rule), options).kept;
        order.forEach((from, to) =>
          expect([...permuted.subarray(to * topK, to * topK + topK)]).toEqual([
            ...plain.subarray(from * topK, from * topK + topK),
          ]),
        );
      }),
      { numRuns: 60 },
    );
  });
});

describe('drawSlotOrder', () => {
  it('meets every token once', () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 200 }), (seed, tokens) => {
        const { first, stride } = drawSlotOrder(tokens, createRandom(seed));
        const met = Array.from({ length: tokens }, (_, i) => (first + i * stride) % tokens);
        expect(new Set(met).size).toBe(tokens);
      }),
      { numRuns: 200 },
    );
  });

  it('serves every token as often as the others', () => {
    // 12 tokens want the same one of 3 experts, 4 of them are served: 1 in 3, whatever its place.
    const choices = chosenFrom(
      Array.from({ length: 12 }, () => [0.8, 0.1, 0.1]),
      1,
    );
    const random = createRandom(5);
    const served = new Array<number>(12).fill(0);
    const draws = 3000;
    for (let i = 0; i < draws; i += 1) {
      const order = drawSlotOrder(12, random);
      const { kept } = giveSlots(choices, { capacityFactor: 1, batchPriority: false, order });
      kept.forEach((flag, token) => (served[token] = (served[token] ?? 0) + flag));
    }
    // Deviation of a share: sqrt(1/3 * 2/3 / 3000) = 0.0086; 5 of them.
    for (const count of served) expect(Math.abs(count / draws - 1 / 3)).toBeLessThan(0.043);
  });
});
