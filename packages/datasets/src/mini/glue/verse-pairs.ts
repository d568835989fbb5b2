/**
 * Whether two verses of two translations of the Bible say the same. Wrong pairs are the hardest there are: of all verses of
 * the other translation and of the same side, the one that shares most words. Right pairs share few words.
 */
import { hashText } from '@polygate/core';
import { bibleKjv } from '../sources/bible-kjv.ts';
import { bibleWeb } from '../sources/bible-web.ts';
import { heldOutBooks, loadVerses } from '../texts/bible.ts';
import type { Verse } from '../texts/sword-text.ts';
import { sideOf } from './sides.ts';
import type { TaskSide, UnderstandingTask } from './understanding-task.ts';
import { drawSamples, taskSet, type TaskSample } from './wordnet-tasks.ts';

const classes = ['no', 'yes'];
/** Right pairs share a smaller part of their words than this. */
const MOST_SHARED = 0.6;
const LEAST_WORDS = 5;
const TRAIN_PER_CLASS = 6000;
const TEST_PER_CLASS = 750;

const wordSet = (text: string): ReadonlySet<string> => new Set(text.toLowerCase().match(/[a-z]+/gu) ?? []);

interface Entry {
  readonly verse: Verse;
  readonly words: ReadonlySet<string>;
}

const shared = (a: ReadonlySet<string>, b: ReadonlySet<string>): number => {
  let both = 0;
  for (const word of a) if (b.has(word)) both += 1;
  return both / Math.max(1, a.size + b.size - both);
};

/** Finds the verse that shares the largest part of its words with another one (Jaccard), of all verses but one. */
const createIndex = (entries: readonly Entry[]) => {
  const postings = new Map<string, number[]>();
  for (const [index, { words }] of entries.entries()) {
    for (const word of words) {
      const list = postings.get(word);
      if (list) list.push(index);
      else postings.set(word, [index]);
    }
  }
  const counts = new Uint16Array(entries.length);
  return (words: ReadonlySet<string>, without: string): Entry | undefined => {
    counts.fill(0);
    for (const word of words) {
      for (const index of postings.get(word) ?? []) counts[index] = (counts[index] as number) + 1;
    }
    let best: Entry | undefined;
    let most = 0;
    for (const [index, entry] of entries.entries()) {
      const both = counts[index] as number;
      if (both === 0 || entry.verse.id === without) continue;
      const share = both / (words.size + entry.words.size - both);
      if (share > most) [best, most] = [entry, share];
    }
    return best;
  };
};

/**
 * Verses with their own counterpart, and with the most similar other one.
 * @param most verses of each side that are used, in an order drawn by the hash of their names
 */
const verseSamples = (
  a: readonly Verse[],
  b: readonly Verse[],
  most: { readonly train: number; readonly test: number },
): readonly TaskSample[] => {
  const samples: TaskSample[] = [];
  for (const test of [false, true]) {
    const entriesOf = (verses: readonly Verse[]): readonly Entry[] =>
      verses
        .filter(({ book }) => heldOutBooks.has(book) === test)
        .map((verse) => ({ verse, words: wordSet(verse.text) }));
    const others = entriesOf(b);
    const byId = new Map(others.map((entry) => [entry.verse.id, entry]));
    const nearest = createIndex(others);
    const usable = entriesOf(a).flatMap(({ verse, words }) => {
      const counterpart = byId.get(verse.id);
      if (!counterpart || words.size < LEAST_WORDS) return [];
      const share = shared(words, counterpart.words);
      // A verse that its own counterpart shares nothing with is counted otherwise in the two.
      return share === 0 || share >= MOST_SHARED
        ? []
        : [{ verse, words, counterpart, at: hashText(`verse/${verse.id}`) }];
    });
    usable.sort((x, y) => x.at - y.at);
    for (const { verse, words, counterpart } of usable.slice(0, test ? most.test : most.train)) {
      const sample = (label: 0 | 1, other: Verse): TaskSample => ({
        id: `${verse.id}/${classes[label]}`,
        texts: [verse.text, other.text],
        label,
        key: verse.book,
      });
      samples.push(sample(1, counterpart.verse));
      const other = nearest(words, verse.id);
      if (other) samples.push(sample(0, other.verse));
    }
  }
  return samples;
};

const sideOfBook = (book: string): TaskSide => (heldOutBooks.has(book) ? 'test' : sideOf(`book/${book}`, 0));

export const versePairs: UnderstandingTask = Object.freeze({
  name: 'verse-pairs',
  summary: 'whether two verses of two translations say the same (as paraphrases)',
  sources: ['bible-kjv', 'bible-web'],
  classes,
  pairs: true,
  extra: ['book'],
  async load({ every, packages }) {
    const samples = verseSamples(
      await loadVerses(bibleKjv, packages),
      await loadVerses(bibleWeb, packages),
      // Some of the first have no other verse that is like them.
      { train: TRAIN_PER_CLASS + 200, test: TEST_PER_CLASS + 50 },
    );
    const drawn = drawSamples(samples, {
      perClass: TRAIN_PER_CLASS,
      testPerClass: TEST_PER_CLASS,
      sideOfKey: sideOfBook,
    });
    return taskSet('verse-pairs', drawn, { column: 'book', every, classes });
  },
} satisfies UnderstandingTask);
