import { createRandom, type Random } from '@polygate/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { drawnLanguage, search, tableLanguage } from './languages.ts';
import { drawToken, sampleTexts, tokenChances } from '../src/generation/sampling.ts';

const logps = (...probabilities: readonly number[]): Float32Array =>
  Float32Array.from(probabilities, Math.log);
const free = { temperature: 1, topK: 1000, topP: 1 };

describe('tokenChances', () => {
  it('sharpens by temperature, then keeps the likeliest, then the fewest that reach a probability', () => {
    const values = logps(0.1, 0.2, 0.3, 0.4);
    const of = (rule: Partial<typeof free>) =>
      tokenChances(values, { ...free, ...rule }).map(
        ({ token, probability }) => [token, probability] as const,
      );
    const close = (got: ReturnType<typeof of>, expected: readonly (readonly [number, number])[]) => {
      expect(got.map(([token]) => token)).toEqual(expected.map(([token]) => token));
      got.forEach(([, probability], i) => expect(probability).toBeCloseTo(expected[i]?.[1] ?? NaN, 6));
    };
    close(of({}), [
      [3, 0.4],
      [2, 0.3],
      [1, 0.2],
      [0, 0.1],
    ]);
    // Temperature 1/2 squares: .16 .09 .04 .01 of .30.
    close(of({ temperature: 0.5 }), [
      [3, 16 / 30],
      [2, 9 / 30],
      [1, 4 / 30],
      [0, 1 / 30],
    ]);
    close(of({ topK: 2 }), [
      [3, 4 / 7],
      [2, 3 / 7],
    ]);
    // .4 + .3 = .7 reaches .65; of the two likeliest .4 / .7 = .571 reaches .5 alone.
    close(of({ topP: 0.65 }), [
      [3, 4 / 7],
      [2, 3 / 7],
    ]);
    close(of({ topK: 2, topP: 0.5 }), [[3, 1]]);
    close(of({ topP: 1e-9 }), [[3, 1]]);
  });

  it('is a distribution over tokens that may be written', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.float({ min: -30, max: 0, noNaN: true }), fc.constant(-Infinity)), {
          minLength: 1,
        }),
        fc.record({
          temperature: fc.constantFrom(0.01, 0.7, 1, 20),
          topK: fc.integer({ min: 1, max: 20 }),
          topP: fc.constantFrom(0.01, 0.5, 0.9, 1),
        }),
        (values, rule) => {
          const scores = Float32Array.from(values);
          if (scores.every((value) => value === -Infinity)) scores[0] = 0;
          const chances = tokenChances(scores, rule);
          expect(chances.reduce((sum, { probability }) => sum + probability, 0)).toBeCloseTo(1, 6);
          expect(chances.length).toBeLessThanOrEqual(rule.topK);
          for (const { token } of chances) expect(scores[token]).toBeGreaterThan(-Infinity);
        },
      ),
    );
  });
});

describe('sampleTexts', () => {
  it('draws each text by the product of its probabilities: the expectation over all draws is exact', async () => {
    // Two tokens at most: 1 or 2, then the end. Uniform numbers from a grid in place of a stream: 3 / 4 of them are 1.
    const language = tableLanguage((tokens) => (tokens.length === 0 ? [0, 0.75, 0.25] : [0.5, 0.3, 0.2]));
    const grid = 400;
    let drawn = 0;
    const stream = (): Random => {
      const random = createRandom(1);
      const [first, second] = [((drawn % 20) + 0.5) / 20, (Math.floor(drawn / 20) + 0.5) / 20];
      drawn += 1;
      let calls = 0;
      return Object.assign(Object.create(random) as Random, {
        next: () => {
          calls += 1;
          return calls === 1 ? first : second;
        },
      });
    };
    const [texts = []] = await sampleTexts(
      search(language, { method: 'sample', count: grid, maximumTokens: 3 }),
      stream,
    );
    const share = (...tokens: readonly number[]) =>
      texts.filter((text) => text.tokens.join() === tokens.join()).length / grid;
    // 20 x 20 points: "1" with .75 * .5, "1 1" with .75 * .3, "2 2" with .25 * .2.
    expect(share(1)).toBe(0.375);
    expect(share(1, 1)).toBe(0.225);
    expect(share(1, 2)).toBe(0.15);
    expect(share(2)).toBe(0.125);
    expect(share(2, 2)).toBe(0.05);
    const one = texts.find(({ tokens }) => tokens.join() === '1,1');
    // The end at the limit is written whatever it costs: ln .75 + ln .3 + ln .5.
    expect(one?.logProbability).toBeCloseTo(Math.log(0.75 * 0.3 * 0.5), 5);
  });

  it('gives a sample the same draws in any batch, others to other texts, samples and seeds', async () => {
    const language = drawnLanguage(3, 9);
    const rules = { method: 'sample', count: 3, maximumTokens: 6 } as const;
    const streams =
      (seed: number, first = 0) =>
      (item: number, text: number) =>
        createRandom(seed)
          .fork(first + item)
          .fork(text);
    const all = await sampleTexts(search(language, { ...rules, items: 4 }), streams(1));
    const alone = await sampleTexts(
      search(({ tokens }) => language({ item: 2, tokens }), rules),
      streams(1, 2),
    );
    expect(alone[0]).toEqual(all[2]);
    const other = await sampleTexts(search(language, { ...rules, items: 4 }), streams(2));
    expect(other).not.toEqual(all);
    expect(new Set(all.flat().map(({ tokens }) => tokens.join())).size).toBeGreaterThan(6);
    for (const texts of all) {
      const scores = texts.map(({ score }) => score);
      expect(scores).toEqual([...scores].sort((a, b) => b - a));
    }
  });

  it('takes the likeliest tokens where it is cold', async () => {
    const language = drawnLanguage(4, 5);
    const rules = { maximumTokens: 6 } as const;
    const cold = search(language, { ...rules, method: 'sample', temperature: 1e-3 });
    const [[text] = []] = await sampleTexts(cold, () => createRandom(8));
    const greedy: number[] = [];
    while (greedy.length < 5) {
      const scores = language({ item: 0, tokens: greedy }).map((logp, token) =>
        token === 0 && greedy.length === 0 ? -Infinity : logp,
      );
      const best = scores.indexOf(Math.max(...scores));
      if (best === 0) break;
      greedy.push(best);
    }
    expect(text?.tokens).toEqual(greedy);
  });
});

describe('drawToken', () => {
  it('gives what rounding leaves over to the last', () => {
    const chances = [0, 1, 2].map((token) => ({ token, probability: 1 / 3 - 1e-9 }));
    expect(drawToken(chances, 0)).toBe(0);
    expect(drawToken(chances, 0.34)).toBe(1);
    expect(drawToken(chances, 1 - 1e-12)).toBe(2);
  });

  it('does not depend on which of two tokens that are about as likely stands first', () => {
    const chances = [
      { token: 2, probability: 0.5 + 1e-9 },
      { token: 1, probability: 0.5 - 1e-9 },
    ];
    for (const at of [0.1, 0.4, 0.6, 0.9]) {
      expect(drawToken(chances, at)).toBe(at < 0.5 ? 1 : 2);
      expect(drawToken(chances.toReversed(), at)).toBe(at < 0.5 ? 1 : 2);
    }
  });
});
