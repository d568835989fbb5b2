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

/** A splitter that cuts the given special tokens out of a text: leftmost first, the longest where several fit. */
export const specialSplitter = (specials: readonly string[]): ((text: string) => readonly TextPart[]) => {
  if (specials.length === 0) return (text) => (text === '' ? [] : [{ text, special: false }]);
  const escaped = [...specials]
    .sort((a, b) => b.length - a.length)
    .map((token) => token.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&'));
  const pattern = new RegExp(escaped.join('|'), 'g');
  return (text) => {
    const parts: TextPart[] = [];
    let start = 0;
    for (const match of text.matchAll(pattern)) {
      if (match.index > start) parts.push({ text: text.slice(start, match.index), special: false });
      parts.push({ text: match[0], special: true });
      start = match.index + match[0].length;
    }
    if (start < text.length) parts.push({ text: text.slice(start), special: false });
    return parts;
  };
};
