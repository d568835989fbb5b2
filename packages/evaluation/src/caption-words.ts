/** How captions are cut into words before they are compared. */

/** A generated text with the texts that it should be like; at least one. */
export interface CaptionPair {
  readonly candidate: string;
  readonly references: readonly string[];
}

/** Cuts a text into the units that are counted. */
export type WordSplitter = (text: string) => readonly string[];

const wordPattern = /[\p{L}\p{M}\p{N}]+(?:['’-][\p{L}\p{M}\p{N}]+)*/gu;

/**
 * Lower-cased words without punctuation; hyphens and apostrophes inside a word stay. Stands in for the Penn Treebank
 * tokeniser of the captioning tools and departs from it in contractions ("man's" is one word).
 */
export const captionWords: WordSplitter = (text) =>
  text.normalize('NFC').toLowerCase().match(wordPattern) ?? [];

/** Counts of runs of `n` words; words are joined with a character that no word holds. */
export const countNgrams = (words: readonly string[], n: number): Map<string, number> => {
  const counts = new Map<string, number>();
  for (let i = 0; i + n <= words.length; i += 1) {
    const key = words.slice(i, i + n).join('\u0000');
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return counts;
};
