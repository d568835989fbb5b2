/**
 * Scores of texts by METEOR 1.5, NLTK, sacreBLEU, pycocoevalcap and CoreNLP; fixtures/make_text_scores.py made the fixture
 * and names the versions.
 */
import { readFileSync } from 'node:fs';
import {
  bleu,
  cider,
  ciderD,
  documentFrequencies,
  meteor,
  meteorParaphrases,
  meteorSynonyms,
  treebankWords,
  type BleuSmoothing,
  type CaptionPair,
  type MeteorScores,
} from '@polygate/evaluation';
import { beforeAll, describe, expect, it } from 'vitest';
import { englishStem } from '../src/english-stems.ts';
import { meteorNormalized } from '../src/meteor-words.ts';

interface Meteor {
  readonly samples: readonly number[];
  readonly corpus: number;
}
interface Fixture {
  readonly written: readonly CaptionPair[];
  readonly meteor: {
    readonly pairs: readonly CaptionPair[];
    readonly published: Meteor;
    readonly stems: Meteor;
    readonly writtenPublished: Meteor;
  };
  readonly normalized: readonly (readonly [string, string])[];
  readonly stems: readonly (readonly [string, string])[];
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
interface Tables {
  readonly exceptions: string;
  readonly synsets: string;
  readonly paraphrases: readonly string[];
}

const read = (name: string): unknown =>
  JSON.parse(readFileSync(new URL(`./fixtures/${name}.json`, import.meta.url), 'utf8'));
const fixture = read('text-scores') as Fixture;
const tableTexts = read('meteor-tables') as Tables;
const blanks = (text: string): readonly string[] => text.split(' ').filter(Boolean);

describe('METEOR 1.5', () => {
  it('cuts words in the same way', () => {
    for (const [text, words] of fixture.normalized) {
      expect([text, meteorNormalized(text).join(' ')]).toEqual([text, words]);
    }
  });

  it('has the same stems', () => {
    for (const [word, stem] of fixture.stems) expect([word, englishStem(word)]).toEqual([word, stem]);
    expect(fixture.stems.length).toBeGreaterThan(200);
  });

  const same = (scores: MeteorScores, expected: Meteor): void => {
    for (const [i, value] of expected.samples.entries()) {
      expect([i, scores.perSample[i]]).toEqual([i, expect.closeTo(value, 9)]);
    }
    expect(scores.value).toBeCloseTo(expected.corpus, 9);
  };

  it('has the same scores of exact words and stems', () => {
    const { pairs, stems } = fixture.meteor;
    const scores = meteor(pairs, { words: meteorNormalized });
    same(scores, stems);
    expect(scores.matchers).toEqual(['exact', 'stem']);
  });

  describe('with its tables', () => {
    let tables: Parameters<typeof meteor>[1];
    beforeAll(async () => {
      const { exceptions, synsets, paraphrases } = tableTexts;
      const vocabulary = new Set(paraphrases.flatMap(blanks));
      tables = {
        tables: {
          ...meteorSynonyms(exceptions, synsets),
          ...(await meteorParaphrases(paraphrases, vocabulary)),
        },
      };
    });

    it('has the same scores of words that are cut already', () => {
      const { pairs, published, stems } = fixture.meteor;
      const scores = meteor(pairs, { ...tables, words: meteorNormalized });
      same(scores, published);
      expect(scores.matchers).toEqual(['exact', 'stem', 'synonym', 'paraphrase']);
      expect(published.corpus).toBeGreaterThan(stems.corpus + 0.01);
    });

    it('has the same scores of captions as they are written', () => {
      same(meteor(fixture.written, tables), fixture.meteor.writtenPublished);
    });
  });
});

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
