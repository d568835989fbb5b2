/**
 * Finds the words again that a sequence of tokens came from, so that whole-word masking works on shards that hold ids
 * only, also where a sequence was cut inside a word or a character.
 */
import { splitWords } from './pre-tokenisation.ts';
import { joinBytes, utf8Text } from './utf8.ts';

interface DecodedRun {
  readonly text: string;
  /** Byte at which each UTF-16 unit of `text` starts. */
  readonly offsets: readonly number[];
}

const continues = (byte: number | undefined): boolean => byte !== undefined && (byte & 0xc0) === 0x80;

/** Decodes UTF-8 with the place of each character; bytes that belong to no whole character become U+FFFD each. */
const decodeWithOffsets = (bytes: Uint8Array): DecodedRun => {
  let text = '';
  const offsets: number[] = [];
  let i = 0;
  while (i < bytes.length) {
    const lead = bytes[i] ?? 0;
    if (lead < 0x80) {
      offsets.push(i);
      text += String.fromCharCode(lead);
      i += 1;
      continue;
    }
    const expected = lead < 0xc0 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    let length = 1;
    while (length < expected && continues(bytes[i + length])) length += 1;
    const character = length === expected ? utf8Text(bytes.subarray(i, i + length)) : '\ufffd';
    for (let unit = 0; unit < character.length; unit += 1) offsets.push(i);
    text += character;
    i += length;
  }
  return { text, offsets };
};

/**
 * @param pieces bytes of each token, undefined for a special token
 * @returns index of the word in which each token starts, int32, one per token; special tokens are words of their own
 */
export const wordIndices = (pieces: readonly (Uint8Array | undefined)[]): Int32Array => {
  const words = new Int32Array(pieces.length);
  let word = -1;
  let first = 0;
  while (first < pieces.length) {
    if (pieces[first] === undefined) {
      word += 1;
      words[first] = word;
      first += 1;
      continue;
    }
    let end = first;
    while (end < pieces.length && pieces[end] !== undefined) end += 1;
    const run = pieces.slice(first, end).map((bytes) => bytes ?? new Uint8Array(0));
    const { text, offsets } = decodeWithOffsets(joinBytes(run));
    const starts: number[] = [];
    let unit = 0;
    for (const part of splitWords(text)) {
      starts.push(offsets[unit] ?? 0);
      unit += part.length;
    }
    let byte = 0;
    let current = 0;
    for (let i = 0; i < run.length; i += 1) {
      while (current + 1 < starts.length && (starts[current + 1] ?? 0) <= byte) current += 1;
      words[first + i] = word + 1 + current;
      byte += run[i]?.length ?? 0;
    }
    // Words that begin inside the last token have no token of their own.
    word = words[end - 1] ?? word;
    first = end;
  }
  return words;
};
