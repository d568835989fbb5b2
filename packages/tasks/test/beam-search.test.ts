import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { allTexts, drawnLanguage, END, nextOf, search, tableLanguage } from './languages.ts';
import { beamSearch } from '../src/generation/beam-search.ts';
import { generationSettings, type GenerationOptions } from '../src/generation/generation-options.ts';
import type { TextRow } from '../src/generation/token-rules.ts';

describe('beamSearch', () => {
  it('finds what trying every text finds when the beam is wide enough, for every rule of length', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer(),
        fc.integer({ min: 2, max: 4 }),
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 4 }),
        fc.constantFrom(0, 0.7, 1, 2),
        async (seed, size, maximumTokens, least, lengthPenalty) => {
          const language = drawnLanguage(seed, size);
          const minimumTokens = Math.min(least, maximumTokens);
          const rules = { maximumTokens, minimumTokens, lengthPenalty };
          const wide = { ...rules, beam: 2 * size ** maximumTokens, items: 2 };
          const texts = await beamSearch(search(language, wide));
          for (const item of [0, 1]) {
            const expected = allTexts(language, { ...rules, size, item });
            const got = texts[item] ?? [];
            expect(got.length).toBe(expected.length);
            got.forEach((text, i) => {
              expect(text.score).toBeCloseTo(expected[i]?.score ?? 0, 4);
              // A sum over one token to a power is that sum: here the score is known from the other.
              expect(text.score * (text.tokens.length + 1) ** lengthPenalty).toBeCloseTo(
                text.logProbability,
                4,
              );
            });
            expect(got[0]?.tokens).toEqual(expected[0]?.tokens);
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it('with finished texts aside finds the same where sums are not divided: none that runs on can win back', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer(), fc.integer({ min: 2, max: 4 }), async (seed, size) => {
        const language = drawnLanguage(seed, size);
        const rules: GenerationOptions = { maximumTokens: 3, lengthPenalty: 0 };
        const [texts = []] = await beamSearch(
          search(language, { ...rules, finished: 'aside', beam: size ** 3 }),
        );
        const expected = allTexts(language, { ...rules, size, item: 0 });
        expect(texts.map(({ tokens }) => tokens)).toEqual(expected.map(({ tokens }) => tokens));
      }),
      { numRuns: 30 },
    );
  });

  it('of width one is the greedy text', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer(),
        fc.integer({ min: 2, max: 5 }),
        fc.constantFrom(0, 1),
        async (seed, size, p) => {
          const language = drawnLanguage(seed, size);
          const [one] = await beamSearch(search(language, { beam: 1, maximumTokens: 6, lengthPenalty: p }));
          const [greedy] = await beamSearch(
            search(language, { method: 'greedy', maximumTokens: 6, lengthPenalty: p }),
          );
          expect(greedy).toEqual(one);
          // By hand: the likeliest token each time, no end at first, the end at the limit.
          const tokens: number[] = [];
          while (tokens.length < 5) {
            const logps = [...language({ item: 0, tokens })].map((logp, token) =>
              token === END && tokens.length === 0 ? -Infinity : logp,
            );
            const best = logps.indexOf(Math.max(...logps));
            if (best === END) break;
            tokens.push(best);
          }
          expect(greedy?.[0]?.tokens).toEqual(tokens);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('divides sums by the number of tokens, end included, to the power of the length penalty', async () => {
    // "1" ends with .5 * .5 = .25; "1 1" with .5 * .5 * .9 = .225: ln .25 = -1.3863, ln .225 = -1.4917.
    const language = tableLanguage((tokens) =>
      tokens.length === 0 ? [0, 0.5, 0.5] : tokens.length === 1 ? [0.5, 0.5, 0] : [0.9, 0.1, 0],
    );
    const best = async (lengthPenalty: number, finished: 'stay' | 'aside') => {
      const [[text] = []] = await beamSearch(
        search(language, { beam: 4, maximumTokens: 3, lengthPenalty, finished }),
      );
      return text;
    };
    for (const finished of ['stay', 'aside'] as const) {
      // Penalty 0: -1.3863 against -1.4917.
      expect(await best(0, finished)).toMatchObject({ tokens: [1] });
      expect((await best(0, finished))?.score).toBeCloseTo(-1.3863, 4);
      // Penalty 2: -1.3863 / 2^2 = -.3466 against -1.4917 / 3^2 = -.1657.
      expect(await best(2, finished)).toMatchObject({ tokens: [1, 1] });
      expect((await best(2, finished))?.score).toBeCloseTo(-0.16574, 4);
      expect((await best(2, finished))?.logProbability).toBeCloseTo(-1.49165, 4);
    }
  });

  it('keeps finished texts in the beam at no cost, or puts them aside and follows more', async () => {
    // After "1": end .6; after "2" and every longer text: end .1, 2 .5, 1 .4.
    const language = tableLanguage((tokens) =>
      tokens.length === 0
        ? [0, 0.7, 0.3]
        : tokens[0] === 1 && tokens.length === 1
          ? [0.6, 0.1, 0.3]
          : [0.1, 0.4, 0.5],
    );
    const asked: Record<string, number[]> = { stay: [], aside: [] };
    for (const finished of ['stay', 'aside'] as const) {
      const options = search(language, { beam: 2, maximumTokens: 4, finished });
      await beamSearch({
        ...options,
        next: (rows) => {
          asked[finished]?.push(rows.length);
          return options.next(rows);
        },
      });
    }
    // "1" ends with .42 in step 2 and stays; beside it one text goes on. Aside, two do, until two are finished.
    expect(asked['stay']).toEqual([1, 2, 1, 1]);
    expect(asked['aside']).toEqual([1, 2, 2, 2]);
  });

  it('stops early where running texts are beaten as they stand', async () => {
    const language = tableLanguage((tokens) =>
      tokens.length === 0 ? [0.01, 0.9, 0.09] : tokens.length === 1 ? [0.7, 0.2, 0.1] : [0.98, 0.01, 0.01],
    );
    let steps = 0;
    const options = search(language, { beam: 1, maximumTokens: 8, lengthPenalty: 1, finished: 'aside' });
    await beamSearch({
      ...options,
      next: (rows) => {
        steps += 1;
        return options.next(rows);
      },
    });
    // After two tokens: finished "1" has (ln .9 + ln .7) / 2 = -.23, running "1 1" (ln .9 + ln .2) / 2 = -.86.
    expect(steps).toBe(2);
  });

  it('gives every sample the result that it has alone', async () => {
    for (const finished of ['stay', 'aside'] as const) {
      const language = drawnLanguage(5, 6);
      const settings = { beam: 2, maximumTokens: 6, finished };
      const together = await beamSearch(search(language, { ...settings, items: 3 }));
      for (const item of [0, 1, 2]) {
        const alone = await beamSearch(search(({ tokens }) => language({ item, tokens }), settings));
        expect(alone[0]).toEqual(together[item]);
      }
    }
  });

  it('writes no forbidden token, within the limits of length, and gives as many texts as asked for', async () => {
    const items = await beamSearch(
      search(drawnLanguage(9, 4), {
        items: 2,
        beam: 4,
        count: 3,
        minimumTokens: 3,
        maximumTokens: 5,
        forbidden: [2],
      }),
    );
    for (const texts of items) {
      expect(texts).toHaveLength(3);
      for (const { tokens } of texts) {
        expect(tokens).not.toContain(2);
        expect(tokens.length).toBeGreaterThan(1);
        expect(tokens.length).toBeLessThan(5);
      }
    }
  });

  it('asks only for running texts, all equally long', async () => {
    const lengths: number[][] = [];
    const rules = { items: 2, beam: 2, maximumTokens: 6 };
    await beamSearch({
      ...search(drawnLanguage(1, 3), rules),
      next: (rows: readonly TextRow[]) => {
        lengths.push(rows.map(({ tokens }) => tokens.length));
        // Sample 0 ends at once, sample 1 goes on.
        return Promise.resolve(
          Float32Array.from(rows.flatMap(({ item }) => (item === 0 ? [-0.01, -5, -6] : [-20, -0.1, -3]))),
        );
      },
    });
    expect(lengths.every((step) => new Set(step).size === 1)).toBe(true);
    expect(lengths.map(({ length }) => length)).toEqual([2, 4, 2, 2, 2, 2]);
  });

  it('repeats no n-gram, also where every token is shut out, and halves what stands in the text', async () => {
    // A language that says 1 again and again.
    const language = tableLanguage(() => [0.1, 0.6, 0.3]);
    const written = async (rules: GenerationOptions) =>
      (await beamSearch(search(language, { method: 'greedy', maximumTokens: 8, ...rules })))[0]?.[0];
    expect((await written({}))?.tokens).toEqual([1, 1, 1, 1, 1, 1, 1]);
    // No token twice: 1, 2, then only the end is left.
    expect((await written({ uniqueNgram: 1 }))?.tokens).toEqual([1, 2]);
    // No pair twice: behind 1 1 2 1 stand neither 1 nor 2.
    expect((await written({ uniqueNgram: 2 }))?.tokens).toEqual([1, 1, 2, 1]);
    // ln .6 * 3 = -1.53 is below ln .3 = -1.20, and ln .3 * 3 = -3.61 below ln .1 = -2.30.
    const penalised = await written({ repetitionPenalty: 3 });
    expect(penalised?.tokens).toEqual([1, 2, 1, 1, 1, 1, 1]);
    expect(penalised?.logProbability).toBeCloseTo(Math.log(0.6 * 0.3 * 0.6 ** 5 * 0.1), 4);
    // All tokens but the end are forbidden: the shortest text cannot be kept to.
    expect(
      (await beamSearch(search(language, { forbidden: [1, 2], minimumTokens: 4 })))[0]?.[0]?.tokens,
    ).toEqual([]);
  });

  it('says which sample has scores that are no numbers, and refuses an empty vocabulary', async () => {
    const language = drawnLanguage(1, 3);
    const broken = search(
      ({ item, tokens }) => (item === 1 && tokens.length === 2 ? [-1, NaN, -1] : language({ item, tokens })),
      { items: 2, beam: 1, minimumTokens: 4 },
    );
    await expect(beamSearch(broken)).rejects.toMatchObject({
      code: 'logits-not-finite',
      message:
        "generation: expected the log-probability of every token, got NaN for token 1 of sample 1 after 2 tokens; the model's weights or the sample are not finite: use an earlier checkpoint, or check the sample",
    });
    await expect(beamSearch({ ...broken, next: nextOf(() => []) })).rejects.toThrow(
      'generation: expected one token or more that may follow sample 0 after 0 tokens, got none; allow more tokens',
    );
  });
});

describe('resolveGeneration', () => {
  it('has the published defaults, takes the first setting that is given, and refuses what can not be', () => {
    expect(search(drawnLanguage(1, 2), {}).rules).toMatchObject({
      method: 'beam',
      beam: 2,
      maximumTokens: 21,
      minimumTokens: 2,
      lengthPenalty: 0,
      finished: 'stay',
      count: 2,
    });
    expect(Object.keys(search(drawnLanguage(1, 2), {}).rules).sort()).toEqual(
      Object.keys(generationSettings.shape).sort(),
    );
    const refused = (rules: object) => () => search(drawnLanguage(1, 2), rules);
    expect(refused({ beam: 2, count: 3 })).toThrow(
      'generation: expected a count of at most the beam (2), got 3; widen the beam',
    );
    expect(refused({ method: 'greedy', count: 2 })).toThrow(
      'generation: expected a count of 1 where the likeliest token is taken, got 2; search with a beam, or sample',
    );
    expect(refused({ minimumTokens: 9, maximumTokens: 4 })).toThrow(
      'generation: expected minimumTokens of at most maximumTokens (4), got 9',
    );
    expect(refused({ beam: 0 })).toThrow(/^generation: beam: .*, got 0; the settings are method, beam, /u);
    expect(refused({ beams: 3 })).toThrow(/^generation: .*beams/u);
  });
});
