/**
 * How answers are cut into words before token-F1 and exact match compare them: as the SQuAD evaluation does it, in lower
 * case, without ASCII punctuation and the articles a, an, the, cut at white space. Emoji, other signs and punctuation
 * beyond ASCII are kept, so "don't" is "dont" and a sentence of a language without spaces is one word. Text is brought to
 * NFC first, which SQuAD leaves out.
 */
import type { WordSplitter } from './caption-words.ts';

const punctuation = /[!-/:-@[-`{-~]/gu;
/** Where a word ends by the rule of Python's regular expressions: letters, numbers and the underscore. */
const inside = '[\\p{L}\\p{N}_]';
const articles = new RegExp(`(?<!${inside})(?:a|an|the)(?!${inside})`, 'gu');
/** White space as Python's split sees it. */
const space = /[\s\u001c-\u001f\u0085]+/u;

/** Words of an answer, see the head of this file. */
export const answerWords: WordSplitter = (text) =>
  text
    .normalize('NFC')
    .toLowerCase()
    .replaceAll(punctuation, '')
    .replaceAll(articles, ' ')
    .split(space)
    .filter((word) => word !== '');
