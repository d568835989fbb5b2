/**
 * Scores of texts by NLTK, sacreBLEU, pycocoevalcap and CoreNLP; fixtures/make_text_scores.py made the fixture
 * and names the versions.
 */
import { readFileSync } from 'node:fs';
import {
  bleu,
  cider,
  ciderD,
  documentFrequencies,
  treebankWords,
  type BleuSmoothing,
  type CaptionPair,
} from '@polygate/evaluation';
import { describe, expect, it } from 'vitest';

interface Fixture {
  readonly bleu: readonly {
    readonly pairs: readonly CaptionPair[];
    readonly bleu: Readonly<Record<BleuSmoothing, readonly number[]>>;
  }[];
  readonly cider: {
    readonly pairs: readonly CaptionPair[];
    readonly training: readonly (readonly string[])[];
    readonly withTraining: readonly number[];
    readonly plain: readonly number[];
  };
  readonly ptb: readonly (readonly [string, string])[];
  readonly mixed: readonly (readonly [string, string])[];
}
const read = (name: string): unknown =>
  JSON.parse(readFileSync(new URL(`./fixtures/${name}.json`, import.meta.url), 'utf8'));
const fixture = read('text-scores') as Fixture;
const blanks = (text: string): readonly string[] => text.split(' ').filter(Boolean);

describe('CoreNLP 3.4.1', () => {
  it('cuts texts into the same words', () => {
    const { ptb, mixed } = fixture;
    for (const [text, words] of ptb) expect([text, treebankWords(text).join(' ')]).toEqual([text, words]);
    const other = mixed.filter(([text, words]) => treebankWords(text).join(' ') !== words);
    expect(mixed.length).toBeGreaterThan(400);
    // Telephone numbers after other numbers, and the like.
    expect(other.length).toBeLessThanOrEqual(3);
  });
});

describe('NLTK and sacreBLEU', () => {
  it.each(fixture.bleu)('have the same smoothed BLEU-1 to BLEU-4 (case %#)', ({ pairs, bleu: expected }) => {
    for (const [smoothing, values] of Object.entries(expected)) {
      const scores = bleu(pairs, { words: blanks, smoothing: smoothing as BleuSmoothing }).bleu;
      for (const [i, value] of values.entries()) {
        expect([smoothing, i + 1, scores[i]]).toEqual([smoothing, i + 1, expect.closeTo(value, 10)]);
      }
    }
    expect(Object.keys(expected)).toHaveLength(8);
  });
});

describe('pycocoevalcap', () => {
  it('has the same CIDEr-D with the document frequencies of a training set', () => {
    const { pairs, training, withTraining } = fixture.cider;
    const frequencies = documentFrequencies(training, blanks);
    const scores = ciderD(pairs, { words: blanks, frequencies });
    for (const [i, value] of withTraining.entries()) expect(scores.perSample[i]).toBeCloseTo(value, 10);
    expect(scores.value).not.toBeCloseTo(ciderD(pairs, blanks).value, 2);
  });

  it('has the CIDEr of the formula', () => {
    const { pairs, plain } = fixture.cider;
    const scores = cider(pairs, blanks);
    for (const [i, value] of plain.entries()) expect(scores.perSample[i]).toBeCloseTo(value, 10);
  });
});
