/** Words and scores of captions by pycocoevalcap, of answers by SQuAD's rules; fixtures/make_caption_scores.py made them. */
import { readFileSync } from 'node:fs';
import {
  answerWords,
  bleu,
  captionWords,
  ciderD,
  exactMatch,
  rougeL,
  tokenF1,
  treebankWords,
  type CaptionPair,
} from '@polygate/evaluation';
import { describe, expect, it } from 'vitest';

interface Corpus {
  readonly pairs: readonly CaptionPair[];
  /** BLEU-1 to BLEU-4. */
  readonly bleu: readonly number[];
  /** Of the corpus, then of each sample. */
  readonly cider: readonly number[];
  readonly rouge: readonly number[];
}
interface Fixture {
  readonly words: readonly (readonly [text: string, words: string])[];
  readonly cut: Corpus;
  readonly raw: Corpus;
  readonly answers: readonly {
    readonly candidate: string;
    readonly reference: string;
    readonly words: readonly string[];
    readonly exact: number;
    readonly f1: number;
  }[];
}

const fixture = JSON.parse(
  readFileSync(new URL('./fixtures/caption-scores.json', import.meta.url), 'utf8'),
) as Fixture;

/** Where captionWords departs from CoreNLP on purpose: emoji and composed accents. */
const departures: ReadonlySet<string> = new Set(['two 😀 and 😃', 'cafe\u0301 naïve 日本語 текст']);

describe('pycocoevalcap', () => {
  it('cuts captions into the same words', () => {
    const plain = fixture.words.filter(([text]) => !departures.has(text));
    expect(plain.map(([text]) => [text, captionWords(text).join(' ')])).toEqual(plain);
    expect(plain.length).toBeGreaterThan(200);
    for (const [text, words] of fixture.words) {
      expect([text, treebankWords(text).join(' ')]).toEqual([text, words]);
      if (departures.has(text)) expect([text, captionWords(text).join(' ')]).not.toEqual([text, words]);
    }
  });

  it.each([
    ['words that are cut already', fixture.cut, (text: string) => text.split(' ').filter(Boolean)],
    ['captions as they are written', fixture.raw, captionWords],
  ] as const)('gives the same BLEU, CIDEr-D and ROUGE-L of %s', (_, corpus, words) => {
    const scores = bleu(corpus.pairs, words).bleu;
    // It adds 1e-15 to matches and 1e-9 to counts.
    for (const [i, expected] of corpus.bleu.entries()) expect(scores[i]).toBeCloseTo(expected, 7);
    const cider = ciderD(corpus.pairs, words);
    const rouge = rougeL(corpus.pairs, words);
    expect(cider.value).toBeCloseTo(corpus.cider[0] ?? Number.NaN, 10);
    expect(rouge.value).toBeCloseTo(corpus.rouge[0] ?? Number.NaN, 10);
    for (const i of corpus.pairs.keys()) {
      expect(cider.perSample[i]).toBeCloseTo(corpus.cider[i + 1] ?? Number.NaN, 10);
      expect(rouge.perSample[i]).toBeCloseTo(corpus.rouge[i + 1] ?? Number.NaN, 10);
    }
    // Different enough to tell.
    expect(corpus.bleu[3]).toBeGreaterThan(0.1);
    expect(Math.max(...corpus.cider)).toBeGreaterThan(2);
  });
});

describe('SQuAD', () => {
  it('cuts and scores answers alike, but for answers without words', () => {
    let wordless = 0;
    for (const { candidate, reference, words, exact, f1 } of fixture.answers) {
      expect(answerWords(candidate)).toEqual(words);
      const pairs = [{ candidate, references: [reference] }];
      if (words.length === 0 && answerWords(reference).length === 0) {
        // "the" and "an" match there, here they are different texts.
        expect([exact, f1]).toEqual([1, 1]);
        wordless += 1;
        continue;
      }
      expect([candidate, reference, exactMatch(pairs).value]).toEqual([candidate, reference, exact]);
      expect(tokenF1(pairs).value).toBeCloseTo(f1, 6);
    }
    expect(wordless).toBeLessThan(10);
  });
});
