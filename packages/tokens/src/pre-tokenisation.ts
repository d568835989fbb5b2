/**
 * Cuts text into the words inside which byte pairs are merged. The pattern is GPT-2's (Radford et al., 2019):
 * English contractions, letters with a leading blank, digits likewise, other signs likewise, white space. It matches
 * every character, so the words joined give the text back. White space is Unicode's property, as in the pattern's
 * reference: JavaScript's own `\s` has U+FEFF and lacks U+0085.
 */
const wordPattern =
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;

/** Lower case of each character by itself, as the reference has it: no final sigma. */
export const lowerCase = (text: string): string => text.replaceAll('Σ', 'σ').toLowerCase();

/** The words of a text, in order; joined they are the text. */
export const splitWords = (text: string): readonly string[] => text.match(wordPattern) ?? [];

/** A run of plain text, or one special token that was written out in the text. */
export interface TextPart {
  readonly text: string;
  readonly special: boolean;
}

/** Code units as a class of a pattern. */
const anyOf = (units: Iterable<number>): RegExp =>
  new RegExp(`[${[...units].map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`).join('')}]`, 'g');

/**
 * A splitter that cuts the given special tokens out of a text: leftmost first, the longest where several fit. Its time
 * goes by the text and the number of different lengths, not by the number of tokens: some vocabularies have thousands.
 */
export const specialSplitter = (specials: readonly string[]): ((text: string) => readonly TextPart[]) => {
  if (specials.length === 0) return (text) => (text === '' ? [] : [{ text, special: false }]);
  const unique = new Set(specials);
  const lengths = new Map<number, Set<number>>();
  for (const token of specials) {
    const first = token.charCodeAt(0);
    const sizes = lengths.get(first) ?? new Set();
    lengths.set(first, sizes.add(token.length));
  }
  const longestFirst = new Map(
    [...lengths].map(([first, sizes]) => [first, [...sizes].sort((a, b) => b - a)]),
  );
  const begins = anyOf(lengths.keys());
  return (text) => {
    const parts: TextPart[] = [];
    let start = 0;
    begins.lastIndex = 0;
    for (let match = begins.exec(text); match; match = begins.exec(text)) {
      const at = match.index;
      const length = longestFirst
        .get(text.charCodeAt(at))
        ?.find((each) => at + each <= text.length && unique.has(text.slice(at, at + each)));
      if (length === undefined) continue;
      if (at > start) parts.push({ text: text.slice(start, at), special: false });
      parts.push({ text: text.slice(at, at + length), special: true });
      start = at + length;
      begins.lastIndex = start;
    }
    if (start < text.length) parts.push({ text: text.slice(start), special: false });
    return parts;
  };
};
