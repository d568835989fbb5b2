import { parseRow } from '@polygate/attributes';
import { createRandom } from '@polygate/core';
import fc from 'fast-check';
import { isTextSegment } from '@polygate/modalities';
import { describe, expect, it } from 'vitest';
import {
  createCandidateChooser,
  createCandidateSet,
  createSampler,
  nameCandidates,
  vocabularyCandidates,
} from './candidates.ts';
import { segmentRows } from './signatures.ts';

/** One token per character code of a..z; two specials at the end. */
const tokenizer = {
  size: 28,
  specials: { spe: 26, endoftext: 27 },
  encode: (text: string) => Int32Array.from([...text].map((letter) => letter.charCodeAt(0) - 97)),
};

const setOf = (size: number) =>
  createCandidateSet(
    'test',
    Array.from({ length: size }, (_, id) => Int32Array.of(id, 27)),
    { row: segmentRows.vocabulary, padding: 27 },
  );

describe('candidate sets', () => {
  it('encodes bare names with the end token, padded', () => {
    const targets = nameCandidates('classes', ['cat', 'ox'], { tokenizer, row: segmentRows.name }).whole();
    const text = targets.sequences.segments[0];
    // c a t END / o x END pad
    expect(isTextSegment(text) && Array.from(text.arrays.ids)).toEqual([2, 0, 19, 27, 14, 23, 27, 27]);
    expect(text?.row).toEqual(parseRow('10010100'));
    expect(Array.from(targets.sequences.keyPadding ?? [])).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    expect(Array.from(targets.ids)).toEqual([0, 1]);
  });

  it('makes [token, end] of every vocabulary entry, once', () => {
    const set = vocabularyCandidates(tokenizer, segmentRows.vocabulary);
    const text = set.whole().sequences.segments[0];
    expect(set.whole()).toBe(set.whole());
    expect(isTextSegment(text) && Array.from(text.arrays.ids.subarray(0, 6))).toEqual([0, 27, 1, 27, 2, 27]);
    expect(set.whole().sequences.size).toBe(28);
    expect(text?.row).toEqual(parseRow('11010100'));
  });

  it('refuses names without tokens and labels of another set', () => {
    expect(() => nameCandidates('c', [''], { tokenizer, row: segmentRows.name })).toThrow(
      'candidate set "c": expected names of one token or more, got ""; give the class a name',
    );
    expect(() => setOf(3).pick([3])).toThrow(
      'expected ids from 0 to 2, got 3; the labels belong to another set',
    );
  });
});

describe('createSampler', () => {
  it('draws each index with its probability', () => {
    const sampler = createSampler([1, 0, 3, 6]);
    const random = createRandom(11);
    const counts = [0, 0, 0, 0];
    for (let i = 0; i < 20_000; i += 1) {
      const drawn = sampler.draw(random);
      counts[drawn] = (counts[drawn] ?? 0) + 1;
    }
    // Standard error of a share at 20,000 draws: at most 0.0035.
    [0.1, 0, 0.3, 0.6].forEach((share, i) =>
      expect(Math.abs((counts[i] ?? 0) / 20_000 - share)).toBeLessThan(0.015),
    );
    expect(counts[1]).toBe(0);
  });

  it('needs a positive weight', () => {
    expect(() => createSampler([0, 0])).toThrow('expected 2 weights of which one or more are positive');
  });
});

describe('sampled candidates', () => {
  it('hold every positive, no duplicate, and labels that point at the positives', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 39 }), { minLength: 1, maxLength: 30 }),
        fc.integer({ min: 1, max: 60 }),
        fc.integer(),
        (positives, negatives, seed) => {
          const chooser = createCandidateChooser(setOf(40), { kind: 'sampled', negatives });
          const { targets, labels } = chooser.choose(positives, createRandom(seed));
          expect(new Set(targets.ids).size).toBe(targets.ids.length);
          expect(Array.from(labels, (label) => targets.ids[label])).toEqual(positives);
          expect(targets.sequences.size).toBe(targets.ids.length);
          expect(targets.logQ?.length).toBe(targets.ids.length);
          expect(targets.ids.length).toBeLessThanOrEqual(new Set(positives).size + negatives);
        },
      ),
    );
  });

  it('knows by hand how likely a uniform draw is', () => {
    // V = 4, N = 2: pi = 1 - (3/4)^2 = 7/16 for all.
    const chooser = createCandidateChooser(setOf(4), { kind: 'sampled', negatives: 2 });
    const { targets } = chooser.choose([1], createRandom(1));
    targets.logQ?.forEach((value) => expect(value).toBeCloseTo(Math.log(7 / 16), 6));
  });

  it('counts the positives of other rows where frequencies are known', () => {
    // Frequencies 3:1, uniform draws, V = 2, N = 1, Q = 3: pi(0) = 1 - 1/2 * (1/4)^2 = 31/32, pi(1) = 1 - 1/2 * (3/4)^2 = 23/32.
    const chooser = createCandidateChooser(setOf(2), { kind: 'sampled', negatives: 1, frequencies: [3, 1] });
    const { targets } = chooser.choose([0, 1, 0], createRandom(1));
    expect(targets.logQ?.[0]).toBeCloseTo(Math.log(31 / 32), 6);
    expect(targets.logQ?.[1]).toBeCloseTo(Math.log(23 / 32), 6);
  });

  it('draws by the frequencies of all tasks with a share of uniform draws, and corrects by its own labels', () => {
    // V = 2, draw frequencies 1:16, power 0.5 -> 1:4, share 0.2: q = (0.8 * 0.2 + 0.1, 0.8 * 0.8 + 0.1) = (0.26, 0.74).
    const chooser = createCandidateChooser(setOf(2), {
      kind: 'sampled',
      negatives: 1,
      distribution: 'unigram',
      frequencies: [5, 0],
      drawFrequencies: [1, 16],
      power: 0.5,
      uniformShare: 0.2,
    });
    // Q = 2 and p = (1, 0): candidate 0 is always another row's label, candidate 1 only ever drawn.
    const { targets } = chooser.choose([0, 1], createRandom(1));
    expect(targets.logQ?.[0]).toBeCloseTo(0, 6);
    expect(targets.logQ?.[1]).toBeCloseTo(Math.log(0.74), 6);
  });

  it('with the correction leaves no pull on logits that already fit the data', () => {
    // True distribution p = softmax(logits). At the truth the mean of (one-hot of the label - softmax over the sampled
    // set) is zero for the corrected logits; without the correction the frequent draws are pushed down.
    const size = 8;
    const logits = Array.from({ length: size }, (_, i) => Math.sin(2 * i));
    const total = logits.reduce((sum, value) => sum + Math.exp(value), 0);
    const truth = logits.map((value) => Math.exp(value) / total);
    const frequencies = [400, 200, 100, 50, 20, 10, 5, 1];
    const chooser = createCandidateChooser(setOf(size), {
      kind: 'sampled',
      negatives: 4,
      distribution: 'unigram',
      frequencies,
    });
    const labelSampler = createSampler(truth);
    const random = createRandom(8);
    const pull = (corrected: boolean): number => {
      const gradient = new Float64Array(size);
      const runs = 20_000;
      for (let run = 0; run < runs; run += 1) {
        const { targets, labels } = chooser.choose([labelSampler.draw(random)], random);
        const scores = Array.from(targets.ids, (id, c) =>
          Math.exp((logits[id] ?? 0) - (corrected ? (targets.logQ?.[c] ?? 0) : 0)),
        );
        const sum = scores.reduce((a, b) => a + b, 0);
        targets.ids.forEach((id, c) => {
          const share = (scores[c] ?? 0) / sum;
          gradient[id] = (gradient[id] ?? 0) + ((labels[0] === c ? 1 : 0) - share) / runs;
        });
      }
      return Math.max(...gradient.map(Math.abs));
    };
    const corrected = pull(true);
    const plain = pull(false);
    expect(corrected).toBeLessThan(0.02);
    expect(plain).toBeGreaterThan(4 * corrected);
  });

  it('says what a choice lacks', () => {
    const set = setOf(3);
    expect(() =>
      createCandidateChooser(set, { kind: 'sampled', negatives: 2, distribution: 'unigram' }),
    ).toThrow('distribution "unigram" needs frequencies; count the labels or use "uniform"');
    expect(() => createCandidateChooser(set, { kind: 'sampled', negatives: 0 })).toThrow(
      'expected negatives to be a whole number above 0, got 0',
    );
    expect(() => createCandidateChooser(set, { kind: 'sampled', negatives: 1, frequencies: [1] })).toThrow(
      'expected 3 frequencies, one per candidate, got 1',
    );
    expect(() => createCandidateChooser(set, { kind: 'sampled', negatives: 1, uniformShare: 0 })).toThrow(
      'expected a uniformShare above 0 and up to 1, got 0; some share keeps every candidate reachable',
    );
  });
});
