import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bleu, bleuCounts, bleuOfCounts, sumBleuCounts } from './bleu.ts';
import { answerWords } from './answer-words.ts';
import { captionWords } from './caption-words.ts';
import { ciderD } from './cider.ts';
import { commonSubsequence, exactMatch, overlapWith, rougeL, tokenF1 } from './text-overlap.ts';

const one = (candidate: string, ...references: string[]) => ({ candidate, references });

describe('captionWords', () => {
  it('cuts as the Penn Treebank tokeniser does, lower-cased and without punctuation', () => {
    expect(captionWords('  The T-shirt, "man\'s" -- 3½ Cafés!')).toEqual([
      'the',
      't-shirt',
      'man',
      "'s",
      '3',
      '1/2',
      'cafés',
    ]);
    expect(captionWords("isn't it (can't) be u.s. 1,000?")).toEqual(
      ["is n't it", '-lrb- ca', "n't -rrb- be", 'u.s. 1,000'].join(' ').split(' '),
    );
    expect(captionWords('cafe\u0301')).toEqual(captionWords('café'));
    expect(captionWords('...')).toEqual([]);
  });

  it('keeps emoji, each as a word', () => {
    expect(captionWords('two 😀 and 😃👍🏽')).toEqual(['two', '😀', 'and', '😃', '👍🏽']);
    expect(captionWords('👩‍🚀🇫🇷🇩🇪')).toEqual(['👩‍🚀', '🇫🇷', '🇩🇪']);
  });
});

describe('answerWords', () => {
  it('are those of SQuAD: without case, ASCII punctuation and articles', () => {
    expect(answerWords("The U.S.'s  man-made\tlake, an a  theatre")).toEqual([
      'uss',
      'manmade',
      'lake',
      'theatre',
    ]);
    // An accent is a letter: "à" is no article, nor is the end of "voilà".
    expect(answerWords('voilà à la')).toEqual(['voilà', 'à', 'la']);
    expect(answerWords('😀 “so”')).toEqual(['😀', '“so”']);
    expect(answerWords('A. ...')).toEqual([]);
  });
});

describe('bleu', () => {
  const references = [
    'It is a guide to action that ensures that the military will forever heed Party commands',
    'It is the guiding principle which guarantees the military forces always being under the command of the Party',
    'It is the practical guide for the army always to heed the directions of the party',
  ];

  it("gives the precisions of the paper's examples", () => {
    // Papineni et al., 2002, section 2.1: 2/7 for seven times "the".
    const the = bleu([
      one('the the the the the the the', 'The cat is on the mat', 'There is a cat on the mat'),
    ]);
    expect(the.precisions[0]).toBeCloseTo(2 / 7, 12);
    const first = bleu([
      one(
        'It is a guide to action which ensures that the military always obeys the commands of the party',
        ...references,
      ),
    ]);
    expect(first.precisions[0]).toBeCloseTo(17 / 18, 12);
    expect(first.precisions[1]).toBeCloseTo(10 / 17, 12);
    const second = bleu([
      one(
        'It is to insure the troops forever hearing the activity guidebook that party direct',
        ...references,
      ),
    ]);
    expect(second.precisions[0]).toBeCloseTo(8 / 14, 12);
    expect(second.precisions[1]).toBeCloseTo(1 / 13, 12);
    // No trigram in common, so BLEU-3 and BLEU-4 are 0 without smoothing.
    expect(second.bleu.slice(2)).toEqual([0, 0]);
  });

  it('penalises short candidates by the nearest reference length', () => {
    // Lengths 2 and 6 are equally near to 4: the shorter counts, no penalty. All n-grams match.
    expect(bleu([one('a b c d', 'a b', 'x a b c d y')]).bleu[3]).toBe(1);
    // Candidate 4, reference 5, all match: exp(1 - 5/4).
    expect(bleu([one('a b c d', 'a b c d e')]).bleu[3]).toBeCloseTo(Math.exp(-0.25), 12);
    expect(bleu([one('', 'a b')]).bleu).toEqual([0, 0, 0, 0]);
  });

  it('sums counts over the corpus, so that any resample can be scored from them', () => {
    // Unigrams 2/2 and 1/2 make 3/4, not the mean of ratios of pairs of different lengths.
    const pairs = [one('a b', 'a b'), one('c d', 'c e'), one('x', 'x')];
    const counts = pairs.map((pair) => bleuCounts(pair));
    expect(bleuOfCounts(sumBleuCounts(counts, [0, 1])).precisions[0]).toBe(0.75);
    expect(bleuOfCounts(sumBleuCounts(counts, [1, 1, 2]))).toEqual(bleu([pairs[1]!, pairs[1]!, pairs[2]!]));
    expect(() => bleuCounts(one('a'))).toThrow(
      'bleu: expected at least one reference, got none for the candidate "a"',
    );
  });
});

describe('ciderD', () => {
  it('is as worked out by hand', () => {
    // N = 2. "a" is in both samples: IDF ln(2/2) = 0. Every other n-gram is in one: ln 2, which cancels in the cosines.
    // Sample 0, equal texts: cosine 1 for orders 1, 2, 3; no 4-gram. 10 * 3/4 = 7.5.
    // Sample 1, "a dog" against "a blue dog": order 1: (dog) and (blue, dog): 1 / sqrt 2; order 2: "a dog" is new: 0.
    //   Length penalty exp(-1 / 72). 10 * (1 / sqrt 2) / 4 * exp(-1 / 72).
    const scores = ciderD([one('a red cat', 'a red cat'), one('a dog', 'a blue dog')]);
    expect(scores.perSample[0]).toBeCloseTo(7.5, 12);
    expect(scores.perSample[1]).toBeCloseTo(((10 / Math.SQRT2) * Math.exp(-1 / 72)) / 4, 12);
    expect(scores.value).toBeCloseTo(4.62169, 5);
  });

  it('clips repeated words and averages over references', () => {
    // "dog dog" against "a blue dog": weight 2 clipped to 1 over norms 2 and sqrt 2: 1 / (2 sqrt 2), penalty exp(-1/72).
    // Against "big dog" (same length): dog is in one sample only, big too: 1 / (2 sqrt 2), no penalty.
    const scores = ciderD([one('a', 'a cat'), one('dog dog', 'a blue dog', 'big dog')]);
    const expected = (10 * (1 + Math.exp(-1 / 72))) / (2 * Math.SQRT2) / 4 / 2;
    expect(scores.perSample[1]).toBeCloseTo(expected, 12);
    // "a" is everywhere and weighs nothing.
    expect(scores.perSample[0]).toBe(0);
  });

  it('stays from 0 to 10 and is highest for a reference itself', () => {
    const word = fc.constantFrom('a', 'cat', 'dog', 'red', 'sits');
    const text = fc.array(word, { minLength: 4, maxLength: 8 }).map((words) => words.join(' '));
    fc.assert(
      fc.property(fc.array(fc.tuple(text, text), { minLength: 2, maxLength: 6 }), (pairs) => {
        const scores = ciderD(pairs.map(([candidate, reference]) => one(candidate, reference)));
        const perfect = ciderD(pairs.map(([, reference]) => one(reference, reference)));
        for (const [i, score] of scores.perSample.entries()) {
          expect(score).toBeGreaterThanOrEqual(0);
          expect(score).toBeLessThanOrEqual((perfect.perSample[i] ?? 0) + 1e-9);
          expect(perfect.perSample[i]).toBeLessThanOrEqual(10 + 1e-9);
        }
      }),
    );
  });

  it('refuses a sample without references', () => {
    expect(() => ciderD([one('a', 'a'), one('b')])).toThrow(
      'ciderD: expected at least one reference for each sample, got none for sample 1',
    );
  });
});

describe('rougeL', () => {
  it("gives the paper's examples", () => {
    // Lin, 2004, section 3.1: 3/4 and 2/4; precision equals recall, so beta does not matter.
    const reference = 'police killed the gunman';
    expect(rougeL([one('police kill the gunman', reference)]).value).toBeCloseTo(0.75, 12);
    expect(rougeL([one('the gunman kill police', reference)]).value).toBeCloseTo(0.5, 12);
  });

  it('weighs recall with beta 1.2 and takes the best of the references', () => {
    // P = 1, R = 3/6: 2.44 * 0.5 / (0.5 + 1.44) = 1.22 / 1.94.
    expect(rougeL([one('the cat sat', 'the cat sat on the mat')]).value).toBeCloseTo(1.22 / 1.94, 12);
    expect(rougeL([one('the cat sat', 'no', 'the cat sat')]).value).toBeCloseTo(1, 12);
    expect([...rougeL([one('', 'a'), one('b', 'a')]).perSample]).toEqual([0, 0]);
  });

  it('finds common subsequences as trying all of them does', () => {
    const words = fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 7 });
    const isSubsequence = (part: readonly string[], whole: readonly string[]): boolean => {
      let at = 0;
      for (const word of whole) if (word === part[at]) at += 1;
      return at === part.length;
    };
    fc.assert(
      fc.property(words, words, (a, b) => {
        let longest = 0;
        for (let mask = 0; mask < 1 << a.length; mask += 1) {
          const part = a.filter((_, i) => (mask >> i) & 1);
          if (part.length > longest && isSubsequence(part, b)) longest = part.length;
        }
        expect(commonSubsequence(a, b)).toBe(longest);
      }),
    );
  });
});

describe('tokenF1 and exactMatch', () => {
  it('compare bags of words, and texts without case, punctuation and articles', () => {
    // "red red cat" and "red cat" share red and cat: 2 * 2 / (3 + 2).
    expect(tokenF1([one('a red red cat', 'red cat')]).value).toBeCloseTo(0.8, 12);
    expect(tokenF1([one('Cat.', 'dog', 'a black cat')]).value).toBeCloseTo(2 / 3, 12);
    expect(tokenF1([one('a cat', 'a dog')]).value).toBe(0);
    expect([
      ...exactMatch([one('The Cat!', 'dog', 'a cat'), one('cat the red', 'red cat')]).perSample,
    ]).toEqual([1, 0]);
    expect(() => exactMatch([one('a')])).toThrow(
      'exactMatch: expected at least one reference for each sample',
    );
    expect(() => tokenF1([])).toThrow('expected at least one sample');
  });

  it('tell two emoji and other texts without words apart', () => {
    const pairs = [
      one('😀', '😃'),
      one('😀', '😃', '😀'),
      one('...', '!'),
      one('...', '...'),
      one('', '...'),
      one('', ''),
      one('The', 'an'),
      one('The', ' the '),
      one('', 'a cat'),
      one('♥', '♥'),
    ];
    const expected = [0, 1, 0, 1, 0, 1, 0, 1, 0, 1];
    expect([...exactMatch(pairs).perSample]).toEqual(expected);
    expect([...tokenF1(pairs).perSample]).toEqual(expected);
    // Also where a splitter of one's own finds no words in them.
    const letters = (text: string) => text.match(/\p{L}+/gu) ?? [];
    expect([...exactMatch(pairs.slice(0, 2), letters).perSample]).toEqual([0, 1]);
    expect([...tokenF1(pairs.slice(0, 2), letters).perSample]).toEqual([0, 1]);
  });

  it('are the same against a whole gallery', () => {
    const text = fc
      .array(fc.constantFrom('a', 'red', 'cat', 'dog', '...', '!', '😀'), { maxLength: 4 })
      .map((words) => words.join(' '));
    fc.assert(
      fc.property(
        fc.array(text, { maxLength: 5 }),
        fc.array(text, { minLength: 1, maxLength: 3 }),
        (texts, references) => {
          const overlap = overlapWith(texts)(references);
          texts.forEach((candidate, i) => {
            expect(overlap[i]).toBeCloseTo(tokenF1([{ candidate, references }]).value, 12);
          });
        },
      ),
    );
  });
});
