import { createRandom } from '@polygate/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { beamSearch, type BeamRow } from './beam-search.ts';

const END = 0;

/** A language whose log-probabilities are a pure function of image and words. */
const language =
  (seed: number, size: number) =>
  ({ item, words }: BeamRow): number[] => {
    let random = createRandom(seed).fork(item);
    for (const word of words) random = random.fork(word);
    const logits = Array.from({ length: size }, () => 2 * random.normal());
    const sum = Math.log(logits.reduce((total, logit) => total + Math.exp(logit), 0));
    return logits.map((logit) => Math.fround(logit - sum));
  };

const nextOf = (score: (row: BeamRow) => number[]) => (rows: readonly BeamRow[]) =>
  Promise.resolve(Float32Array.from(rows.flatMap(score)));

/** Every text by brute force. */
const allTexts = (
  score: (row: BeamRow) => number[],
  options: { size: number; maximum: number; item: number; penalty: number },
) => {
  const { size, maximum, item, penalty } = options;
  const texts: { words: number[]; score: number }[] = [];
  const grow = (words: number[], logp: number): void => {
    const logps = score({ item, words });
    if (words.length > 0) {
      texts.push({ words, score: (logp + (logps[END] ?? 0)) / (words.length + 1) ** penalty });
    }
    if (words.length + 1 >= maximum) return;
    for (let word = 1; word < size; word += 1) grow([...words, word], logp + (logps[word] ?? 0));
  };
  grow([], 0);
  return texts.sort((a, b) => b.score - a.score);
};

describe('beamSearch', () => {
  it('finds what trying every text finds when the beam is wide enough', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer(),
        fc.integer({ min: 2, max: 4 }),
        fc.integer({ min: 2, max: 4 }),
        fc.constantFrom(0, 0.7, 1, 2),
        async (seed, size, maximum, penalty) => {
          const score = language(seed, size);
          const beam = size ** maximum;
          const found = await beamSearch({
            items: 2,
            beam,
            maximumTokens: maximum,
            lengthPenalty: penalty,
            stop: 'ever',
            endToken: END,
            next: nextOf(score),
          });
          for (const item of [0, 1]) {
            const expected = allTexts(score, { size, maximum, item, penalty });
            const got = found[item] ?? [];
            expect(got.length).toBe(expected.length);
            got.forEach((text, i) => expect(text.score).toBeCloseTo(expected[i]?.score ?? 0, 4));
            expect(got[0]?.words).toEqual(expected[0]?.words);
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it('with one beam takes the likeliest word each time', async () => {
    // p(a)=.6 p(b)=.4; after a: end .3 a .3 b .4; after b: end .9. Greedy goes a, b; a beam of two finds "b".
    const table = ({ words }: BeamRow): number[] =>
      (words.length === 0 ? [1e-9, 0.6, 0.4] : words[0] === 1 ? [0.3, 0.3, 0.4] : [0.9, 0.05, 0.05]).map(
        Math.log,
      );
    const settings = { items: 1, maximumTokens: 3, lengthPenalty: 0, endToken: END, next: nextOf(table) };
    const greedy = await beamSearch({ ...settings, beam: 1 });
    const wide = await beamSearch({ ...settings, beam: 2 });
    // Greedy: "a" ends with .6 * .3 = .18; "a b" with .6 * .4 * .3 = .072.
    expect(greedy[0]?.[0]?.words).toEqual([1]);
    expect(greedy[0]?.[0]?.score).toBeCloseTo(Math.log(0.18), 5);
    expect(wide[0]?.[0]?.words).toEqual([2]);
    expect(wide[0]?.[0]?.score).toBeCloseTo(Math.log(0.36), 5);
  });

  it('stops early where running texts are beaten as they stand, and goes on where they may still win', async () => {
    // "a" ends at once with .5; running on costs .25 a word but the mean log p would be best in the end.
    const table = ({ words }: BeamRow): number[] =>
      (words.length === 0
        ? [0.01, 0.9, 0.09]
        : words.length === 1
          ? [0.7, 0.2, 0.1]
          : [0.98, 0.01, 0.01]
      ).map(Math.log);
    const steps = { now: 0, ever: 0 };
    for (const stop of ['now', 'ever'] as const) {
      await beamSearch({
        items: 1,
        beam: 1,
        maximumTokens: 8,
        stop,
        endToken: END,
        next: (rows) => {
          steps[stop] += 1;
          return nextOf(table)(rows);
        },
      });
    }
    // After two words: finished "1" has (ln .9 + ln .7) / 2 = -.23, running "1 1" (ln .9 + ln .2) / 2 = -.86: beaten now.
    expect(steps.now).toBe(2);
    expect(steps.ever).toBeGreaterThan(2);
  });

  it('gives every image the result that it has alone', async () => {
    const score = language(5, 6);
    const settings = { beam: 2, maximumTokens: 6, endToken: END };
    const together = await beamSearch({ ...settings, items: 3, next: nextOf(score) });
    for (const item of [0, 1, 2]) {
      const alone = await beamSearch({
        ...settings,
        items: 1,
        next: nextOf(({ words }) => score({ item, words })),
      });
      expect(alone[0]).toEqual(together[item]);
    }
  });

  it('never writes a forbidden word, an empty text, or beyond the limit', async () => {
    const found = await beamSearch({
      items: 2,
      beam: 4,
      maximumTokens: 5,
      endToken: END,
      forbidden: [2],
      next: nextOf(language(9, 4)),
    });
    for (const { words } of found.flat()) {
      expect(words).not.toContain(2);
      expect(words.length).toBeGreaterThan(0);
      expect(words.length).toBeLessThan(5);
    }
  });

  it('asks only for running texts, all equally long', async () => {
    const lengths: number[][] = [];
    await beamSearch({
      items: 2,
      beam: 2,
      endToken: END,
      next: (rows) => {
        lengths.push(rows.map(({ words }) => words.length));
        // Image 0 ends at once, image 1 goes on.
        return Promise.resolve(
          Float32Array.from(rows.flatMap(({ item }) => (item === 0 ? [-0.01, -5, -6] : [-20, -0.1, -3]))),
        );
      },
      maximumTokens: 6,
    });
    expect(lengths.every((step) => new Set(step).size === 1)).toBe(true);
    expect(lengths.at(0)?.length).toBe(2);
    expect(lengths.at(-1)?.length).toBeLessThanOrEqual(2);
  });

  it('refuses an empty beam', async () => {
    await expect(
      beamSearch({ items: 1, beam: 0, endToken: END, next: nextOf(language(1, 2)) }),
    ).rejects.toThrow(
      'expected a beam of 1 to 1024 and maximumTokens of 1 to 65536, whole numbers, got 0 and 32',
    );
  });
});
