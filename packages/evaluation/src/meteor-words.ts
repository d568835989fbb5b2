/**
 * Words as METEOR 1.5 compares them. Its normaliser runs over the words of a caption that the Penn Treebank tokeniser has
 * cut before: it parts hyphens ("t-shirt" is two words), apostrophes ("n't" is "n" and "'t") and signs, and takes the dots
 * out of acronyms.
 */
import { captionWords, type WordSplitter } from './caption-words.ts';

const letter = 'A-Za-zŠŽšžŸÀ-ÖØ-öø-žЀ-ӿԀ-ԧꙀ-ꙮ\uA67E-ꚗᴀ-ᵿ';
const sign = new RegExp(`[^0-9${letter}\\s.'‘’\`,-]`, 'gu');
const hyphen = new RegExp(`([0-9${letter}.])-([0-9${letter}])`, 'gu');
/** An apostrophe with the characters on both sides. */
const apostrophes = [
  new RegExp(`([^${letter}])'([^${letter}])`, 'gu'),
  new RegExp(`([^0-9${letter}])'([${letter}])`, 'gu'),
  new RegExp(`([${letter}])'([^${letter}])`, 'gu'),
] as const;
const contractions = [new RegExp(`([${letter}])'([${letter}])`, 'gu'), /([0-9])'(s)/gu] as const;
const commas = [/([^0-9]),([^0-9])/gu, /([0-9]),([^0-9])/gu, /([^0-9]),([0-9])/gu] as const;
const anyLetter = new RegExp(`[${letter}]`, 'u');
/** Keep their dot, of those that are written in small letters. */
const abbreviations: ReadonlySet<string> = new Set(['v', 'vs', 'rev']);

/** A word that ends in a dot: an acronym loses its dots, an abbreviation keeps it, of others it is a word. */
const dotted = (word: string, next: string | undefined): readonly string[] => {
  if (word.length < 2 || !word.endsWith('.') || word.endsWith('..')) return [word];
  const base = word.slice(0, -1);
  if (base.includes('.') && anyLetter.test(base)) return [word.replaceAll('.', '')];
  if (abbreviations.has(base) || (next !== undefined && /^[a-z]/u.test(next))) return [word];
  return [base, '.'];
};

/** Words that the normaliser of METEOR makes of a text that is cut already. */
export const meteorNormalized = (text: string): readonly string[] => {
  let plain = ` ${text} `.replaceAll(sign, ' $& ').replaceAll(/\.{2,}/gu, ' $& ');
  for (const comma of commas) plain = plain.replaceAll(comma, '$1 , $2');
  plain = plain
    .replaceAll(/[`‘’]/gu, "'")
    .replaceAll('–', '-')
    .replaceAll('--', ' - ')
    .replaceAll(hyphen, '$1 $2');
  for (const apostrophe of apostrophes) plain = plain.replaceAll(apostrophe, "$1 ' $2");
  for (const contraction of contractions) plain = plain.replaceAll(contraction, "$1 '$2");
  const words = plain.split(/\s+/u).filter((word) => word !== '');
  return words.flatMap((word, i) => dotted(word, words[i + 1]));
};

/** Words of a caption as pycocoevalcap hands them to METEOR. */
export const meteorWords: WordSplitter = (text) => meteorNormalized(captionWords(text).join(' '));
