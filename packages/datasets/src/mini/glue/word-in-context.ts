/**
 * Whether a word has the same sense in two sentences, made as the task WiC of SuperGLUE was: pairs of example sentences of
 * one synset, or of two synsets of the word.
 */
import type { RelatedSynset } from '../wordnet-data.ts';
import { loadRelatedSynsets } from '../wordnet-data.ts';
import { isValidationSynset } from '../wordnet.ts';
import type { UnderstandingTask } from './understanding-task.ts';
import { drawSamples, lemmaSide, rarest, taskSet, type TaskSample } from './wordnet-tasks.ts';

const classes = ['different', 'same'];
/** Pairs of each class and word. */
const MAX_PAIRS = 3;
/** Words of a sentence. */
const LEAST_WORDS = 3;

/** Whether a sentence has the word or a form of it: its stem, then at most five letters. */
const hasWord = (lemma: string): ((sentence: string) => boolean) => {
  const stem = lemma.slice(0, Math.max(3, lemma.length - 2)).replace(/[^a-z]/gu, '.');
  const pattern = new RegExp(`\\b${stem}[a-z]{0,5}\\b`, 'iu');
  return (sentence) => pattern.test(sentence) && sentence.split(' ').length >= LEAST_WORDS;
};

/** Sentences of a word by sense, by part of speech and word. */
const senses = (synsets: readonly RelatedSynset[]): ReadonlyMap<string, readonly (readonly string[])[]> => {
  const words = new Map<string, RelatedSynset[]>();
  for (const synset of synsets) {
    for (const lemma of new Set(synset.lemmas.map((each) => each.toLowerCase()))) {
      if (lemma.includes('_') || lemma.length < 3 || /\d/u.test(lemma)) continue;
      // A sentence of a held-out lemma is in no training pair of another word.
      if (lemmaSide(lemma) !== 'test' && isValidationSynset(synset.lemmas)) continue;
      const key = `${synset.part}/${lemma}`;
      const list = words.get(key);
      if (list) list.push(synset);
      else words.set(key, [synset]);
    }
  }
  const out = new Map<string, readonly (readonly string[])[]>();
  for (const [key, list] of words) {
    const fits = hasWord(key.slice(key.indexOf('/') + 1));
    const sentences = list.map(({ examples }) => examples.filter(fits)).filter((each) => each.length > 0);
    if (sentences.length > 0) out.set(key, sentences);
  }
  return out;
};

/** Pairs of equal and of different senses of each word. */
export const wordPairs = (synsets: readonly RelatedSynset[]): readonly TaskSample[] => {
  const samples: TaskSample[] = [];
  for (const [key, bySense] of senses(synsets)) {
    const lemma = key.slice(key.indexOf('/') + 1);
    const counts = [0, 0];
    const add = (label: 0 | 1, a: string, b: string): void => {
      const count = counts[label] ?? 0;
      if (count >= MAX_PAIRS || a === b) return;
      counts[label] = count + 1;
      // The word stands in front, as it must be known which one is meant.
      samples.push({
        id: `${key}/${classes[label]}-${count}`,
        texts: [`${lemma}: ${a}`, b],
        label,
        key: lemma,
      });
    };
    for (const [sense, sentences] of bySense.entries()) {
      for (const [i, a] of sentences.entries()) {
        for (const b of sentences.slice(i + 1)) add(1, a, b);
        for (const others of bySense.slice(sense + 1)) for (const b of others) add(0, a, b);
      }
    }
  }
  return samples;
};

export const wordInContext: UnderstandingTask = Object.freeze({
  name: 'word-in-context',
  summary: 'whether a word has one sense in two sentences (as WiC)',
  sources: ['wordnet-30'],
  classes,
  pairs: true,
  extra: ['lemma'],
  async load({ every, packages }) {
    const samples = wordPairs(await loadRelatedSynsets(packages));
    const sides = samples.map((sample) => ({ sample, test: lemmaSide(sample.key) === 'test' }));
    const count = (test: boolean): number =>
      rarest(
        sides.filter((each) => each.test === test).map(({ sample }) => sample),
        classes.length,
      );
    const drawn = drawSamples(samples, {
      perClass: count(false),
      testPerClass: count(true),
      sideOfKey: lemmaSide,
    });
    return taskSet('word-in-context', drawn, { column: 'lemma', every, classes });
  },
} satisfies UnderstandingTask);
