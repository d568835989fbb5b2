/**
 * How captions are cut into words before BLEU, CIDEr-D and ROUGE-L compare them: as the captioning benchmarks cut
 * them, which is the Penn Treebank tokeniser of Stanford's CoreNLP 3.4.1, lower-cased, without its punctuation tokens.
 *
 * {@link treebankWords} is that, for captions as people write them: contractions ("man 's", "is n't", "can not"),
 * abbreviations and acronyms with their dots, numbers, hyphens and slashes inside words, brackets ("-lrb-"), smileys, runs of
 * marks ("!!!"), signs. It departs from it in file names and abbreviations that are not listed below. {@link captionWords},
 * which scores take unless told, brings text to NFC first and has emoji as words, which CoreNLP deletes: a caption that is
 * wrong in them is not right.
 */

/** A generated text with the texts that it should be like; at least one. */
export interface CaptionPair {
  readonly candidate: string;
  readonly references: readonly string[];
}

/** Cuts a text into the units that are counted. */
export type WordSplitter = (text: string) => readonly string[];

/** A pattern for the words of a list in any case. */
const anyCase = (words: string): string =>
  words.replaceAll(/\p{Ll}/gu, (letter) => `[${letter}${letter.toUpperCase()}]`);

/** Keep their dot. */
const abbreviations = anyCase(
  'mr|mrs|ms|dr|st|jr|sr|prof|rev|gen|sen|rep|gov|lt|col|sgt|capt|inc|co|corp|ltd|bros|vs|etc|ave|blvd|mt|ft|' +
    'jan|feb|mar|apr|jun|jul|aug|sep|sept|oct|nov|dec',
);
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
    '&amp;': '&',
    '&lt;': '<',
    '&gt;': '>',
  }),
);

const letter = '[\\p{L}\\p{M}\\p{Nd}_]';
const alone = `(?<!${letter})`;
const end = `(?!${letter})`;
const smiley = String.raw`[<>]?[:;=][o*'-]?[()DPdpO\\@[\]](?![A-Za-z])`;
const patterns = [
  // Addresses and markup
  String.raw`${anyCase('https?')}:\/\/\S*[\p{L}\p{N}/]`,
  String.raw`${anyCase('www')}\.(?:[^\s"<>|.!?(){},/]+\.)+[a-zA-Z]{2,4}(?:/[^\s"<>|()]+[^\s"<>|.!?(){},-])?`,
  String.raw`${letter}[\p{L}\p{Nd}_.+-]*@${letter}[\p{L}\p{Nd}_.-]*${letter}`,
  String.raw`<\/?\p{L}[^<>]*>`,
  '&(?:amp|lt|gt);',
  smiley,
  // u.s. · a.m. · A. · Mr. · No. 5
  String.raw`${alone}\p{L}(?:\.\p{L})+${end}\.?`,
  String.raw`${alone}\p{L}\.(?!\p{L}{2})`,
  String.raw`${alone}(?:${abbreviations})\.`,
  String.raw`${alone}${anyCase('ph')}\.${anyCase('d')}\.`,
  String.raw`${alone}${anyCase('no')}\.(?=\s*\p{Nd})`,
  // 'tis · 'til · ol' · '90s · o'clock
  `${alone}'(?:${anyCase('tis|twas|cause|till?')})${end}`,
  `${alone}(?:${anyCase('ol|somethin|dunkin')})'${end}`,
  String.raw`${alone}'\p{Nd}\p{Nd}[sS]?${end}|(?<=\p{Nd})'\p{Nd}\p{Nd}(?!\S)`,
  String.raw`${alone}(?:[odlODL]'\p{L}+|${anyCase("ma'am|c'mon")})`,
  "'[nN]'",
  // AT&T · US$
  String.raw`${alone}\p{Lu}+&\p{Lu}+${end}`,
  String.raw`${alone}\p{Lu}+\$`,
  `${alone}[yY]'(?=${anyCase('all')}${end})`,
  // The ends of contractions
  `[nN]['\`][tT]${end}`,
  `'(?:${anyCase('s|m|d|re|ve|ll|em')})${end}`,
  // 1 1/2 · .5 · -5
  String.raw`${alone}\p{Nd}{1,4}[ \u00a0]\p{Nd}{1,4}/\p{Nd}{1,4}${end}`,
  String.raw`(?<!\.)\.\p{Nd}+(?:[.,]\p{Nd}+)*`,
  String.raw`(?<!\S)-(?=\p{Nd}+(?![\p{L}/-]))\p{Nd}+(?:[.,]\p{Nd}+)*`,
  String.raw`(?<=(?<!\S)-\p{Nd}+)-\p{Nd}+`,
  // 1,000.50 · 10:30 · 3/4, unless a word goes on
  String.raw`${alone}\p{Nd}+(?:[.,:/]\p{Nd}+)+(?![\p{Nd}/-])`,
  // Words with hyphens and slashes inside, up to a contraction
  String.raw`[#@]?\p{L}${letter}*?(?=[nN]['\x60][tT]${end})`,
  String.raw`(?:[#@](?=\p{L}))?${letter}+(?:-${letter}+|[/!](?=\p{L})${letter}+)*(?:\.(?=\p{L}{3})${letter}+)*(?:\+\+|#${end})?`,
  // Marks: runs of ! and ?, then what is dropped
  '[!?]{2,}',
  '[.…,:;!?\'’‘\`"“”«»-]|\\p{Pd}',
  // Emoji with what belongs to them, then anything else by itself
  String.raw`\p{RI}\p{RI}|\p{Extended_Pictographic}(?:\p{M}|\p{Emoji_Modifier}|\u200d\p{Extended_Pictographic})*`,
  String.raw`[^\s\p{Cc}\p{Cf}]`,
];
const wordPattern = new RegExp(patterns.join('|'), 'gu');
const smileyPattern = new RegExp(`^${smiley}$`, 'u');
const dropped = /^(?:[.…,:;!?'’‘`"“”«»-]|\p{Pd})$/u;
/** Names that keep the apostrophe that they are written with. */
const withName = /^[odlODL]['’‘]\p{L}/u;

/** A word as it is printed: brackets by name, blanks within it as ones that do not break. */
const printed = (word: string, original: string): string => {
  const sign = signs.get(word);
  if (sign !== undefined) return sign;
  if (smileyPattern.test(original)) return word.replace(/[()[\]]/u, (bracket) => signs.get(bracket) ?? '');
  return (withName.test(original) ? original.toLowerCase() : word).replaceAll(' ', '\u00a0');
};

const cut = (text: string): readonly string[] => {
  // Two blanks, so that a number before it is a word of its own.
  const whole = text.replaceAll(/[½¼¾⅓⅔]/gu, (sign) => `  ${fractions.get(sign) ?? sign} `);
  const plain = whole.replaceAll(/[’‘]/gu, "'");
  const words: string[] = [];
  for (const match of plain.matchAll(wordPattern)) {
    const [matched] = match;
    const word = matched.toLowerCase();
    if (dropped.test(word)) continue;
    const at = joined.get(word);
    if (at === undefined) words.push(printed(word, whole.slice(match.index, match.index + matched.length)));
    else words.push(word.slice(0, at), word.slice(at));
  }
  return words;
};

/** Words of a caption, lower-cased, with emoji as words and text in NFC; see the head of this file. */
export const captionWords: WordSplitter = (text) => cut(text.normalize('NFC'));

/** What CoreNLP can't read: characters beyond the basic plane, and the joints between emoji. */
const unreadable = /[\u{10000}-\u{10ffff}\u200d\ufe0f]/gu;

/** Words of a caption as the Penn Treebank tokeniser of pycocoevalcap gives them; see the head of this file. */
export const treebankWords: WordSplitter = (text) => cut(text.replaceAll(unreadable, ' '));

/** Counts of runs of `n` words; words are joined with a character that no word holds. */
export const countNgrams = (words: readonly string[], n: number): Map<string, number> => {
  const counts = new Map<string, number>();
  for (let i = 0; i + n <= words.length; i += 1) {
    const key = words.slice(i, i + n).join('\u0000');
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return counts;
};
