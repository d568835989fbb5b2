/**
 * How captions are cut into words before BLEU, CIDEr-D and ROUGE-L compare them: as the captioning benchmarks cut them,
 * which is the Penn Treebank tokeniser of Stanford's CoreNLP 3.4.1, lower-cased, without its punctuation tokens.
 *
 * Equal to it for captions as people write them: contractions ("man 's", "is n't", "can not"), abbreviations and
 * acronyms with their dots, numbers, hyphens and slashes inside words, brackets ("-lrb-"), runs of marks ("!!!"), signs.
 * It departs from it in emoji and other characters that CoreNLP deletes, which are words here, and in smileys, file names
 * and abbreviations that are not listed below. Text is brought to NFC first.
 */

/** A generated text with the texts that it should be like; at least one. */
export interface CaptionPair {
  readonly candidate: string;
  readonly references: readonly string[];
}

/** Cuts a text into the units that are counted. */
export type WordSplitter = (text: string) => readonly string[];

/** Keep their dot. */
const abbreviations =
  'mr|mrs|ms|dr|st|jr|sr|prof|rev|gen|sen|rep|gov|lt|col|sgt|capt|inc|co|corp|ltd|bros|vs|etc|ave|blvd|mt|ft|' +
  'jan|feb|mar|apr|jun|jul|aug|sep|sept|oct|nov|dec';
/** Cut in two after so many letters. */
const joined: ReadonlyMap<string, number> = new Map(
  Object.entries({ cannot: 3, gonna: 3, gotta: 3, wanna: 3, lemme: 3, gimme: 3, "'tis": 2, "'twas": 2 }),
);

const fractions: ReadonlyMap<string, string> = new Map(
  Object.entries({ '½': '1/2', '¼': '1/4', '¾': '3/4', '⅓': '1/3', '⅔': '2/3' }),
);
const signs: ReadonlyMap<string, string> = new Map(
  Object.entries({
    '(': '-lrb-',
    ')': '-rrb-',
    '[': '-lsb-',
    ']': '-rsb-',
    '{': '-lcb-',
    '}': '-rcb-',
    '£': '#',
    '€': '$',
  }),
);

const letter = '[\\p{L}\\p{M}\\p{Nd}_]';
const alone = `(?<!${letter})`;
const patterns = [
  // Addresses and markup
  String.raw`(?:https?:\/\/|www\.)\S*[\p{L}\p{N}/]`,
  String.raw`${letter}[\p{L}\p{Nd}_.+-]*@${letter}[\p{L}\p{Nd}_.-]*${letter}`,
  String.raw`<\/?\p{L}[^<>]*>`,
  // u.s. · a.m. · A. · Mr. · No. 5
  String.raw`${alone}\p{L}(?:\.\p{L})+(?!${letter})\.?`,
  String.raw`${alone}\p{Lu}\.`,
  String.raw`${alone}(?:${abbreviations})\.`,
  String.raw`${alone}ph\.d\.`,
  String.raw`${alone}no\.(?=\s*\p{Nd})`,
  // 'tis · '90s · o'clock
  String.raw`${alone}'(?:tis|twas)(?!${letter})`,
  String.raw`${alone}'\p{Nd}\p{Nd}s?(?!${letter})`,
  String.raw`${alone}(?:[odl]'\p{L}+|ma'am|c'mon)`,
  "'n'",
  String.raw`${alone}\p{L}&\p{L}(?!${letter})`,
  String.raw`${alone}y'(?=all(?!${letter}))`,
  // The ends of contractions
  String.raw`(?<=${letter})n't(?!${letter})`,
  String.raw`'(?:s|m|d|re|ve|ll|em)(?!${letter})`,
  // .5 · -5
  String.raw`(?<!\S)(?:\.|-(?=\p{Nd}+(?![\p{L}/-])))\p{Nd}+(?:[.,]\p{Nd}+)*`,
  // 1,000.50 · 10:30 · 3/4, unless a word goes on
  String.raw`${alone}\p{Nd}+(?:[.,:/]\p{Nd}+)+(?![\p{Nd}/-])`,
  // Words with hyphens and slashes inside, up to a contraction
  String.raw`[#@]?\p{L}${letter}*?(?=n't(?!${letter}))`,
  String.raw`(?:[#@](?=\p{L}))?${letter}+(?:[-/]${letter}+)*(?:\.(?=\p{L}{3})${letter}+)*(?:\+\+|#(?!${letter}))?`,
  // Marks: runs of ! and ?, then what is dropped
  '[!?]{2,}',
  '[.…,:;!?\'’‘`"“”«»-]|\\p{Pd}',
  // Emoji with what belongs to them, then anything else by itself
  String.raw`\p{RI}\p{RI}|\p{Extended_Pictographic}(?:\p{M}|\p{Emoji_Modifier}|\u200d\p{Extended_Pictographic})*`,
  String.raw`[^\s\p{Cc}\p{Cf}]`,
];
const wordPattern = new RegExp(patterns.join('|'), 'giu');
const dropped = /^(?:[.…,:;!?'’‘`"“”«»-]|\p{Pd})$/u;

/** Words of a caption, lower-cased, see the head of this file. */
export const captionWords: WordSplitter = (text) => {
  const plain = text
    .normalize('NFC')
    .replaceAll(/[’‘]/gu, "'")
    .replaceAll(/[½¼¾⅓⅔]/gu, (sign) => ` ${fractions.get(sign) ?? sign} `);
  const words: string[] = [];
  for (const [found] of plain.matchAll(wordPattern)) {
    const word = found.toLowerCase();
    if (dropped.test(word)) continue;
    const cut = joined.get(word);
    // Names such as A&W are one word, small letters three.
    if (/^\p{Ll}&\p{Ll}$/u.test(found)) words.push(...word);
    else if (cut === undefined) words.push(signs.get(word) ?? word);
    else words.push(word.slice(0, cut), word.slice(cut));
  }
  return words;
};

/** Counts of runs of `n` words; words are joined with a character that no word holds. */
export const countNgrams = (words: readonly string[], n: number): Map<string, number> => {
  const counts = new Map<string, number>();
  for (let i = 0; i + n <= words.length; i += 1) {
    const key = words.slice(i, i + n).join('\u0000');
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return counts;
};
