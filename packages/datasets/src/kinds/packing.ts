/**
 * Packing of text lines into rows of at most `length` tokens. Rows are cut between words only, so that whole-word
 * masking never meets a half word; a word longer than a row is the one exception.
 */
import type { Tokenizer } from '@polygate/tokens';

/** One packed row: ids and the word index of each id, counted from 0 in the row. */
export interface PackedRow {
  readonly tokens: Int32Array;
  readonly words: Int32Array;
}

/** Collects words until a row is full. */
class RowBuilder {
  readonly #length: number;
  #tokens: number[] = [];
  #words: number[] = [];
  #word = 0;

  constructor(length: number) {
    this.#length = length;
  }

  /** Adds one word; gives back the row that it completed, if any. */
  add(word: readonly number[]): PackedRow | undefined {
    const full = this.#tokens.length + word.length > this.#length ? this.take() : undefined;
    for (const id of word) {
      this.#tokens.push(id);
      this.#words.push(this.#word);
    }
    this.#word += 1;
    return full;
  }

  take(): PackedRow | undefined {
    if (this.#tokens.length === 0) return undefined;
    const row = { tokens: Int32Array.from(this.#tokens), words: Int32Array.from(this.#words) };
    this.#tokens = [];
    this.#words = [];
    this.#word = 0;
    return row;
  }
}

/** Groups ids by word, in pieces of at most `length` ids. */
function* wordsOf(ids: Int32Array, words: Int32Array, length: number): Generator<number[]> {
  let current: number[] = [];
  for (let i = 0; i < ids.length; i += 1) {
    if (i > 0 && (words[i] !== words[i - 1] || current.length === length)) {
      yield current;
      current = [];
    }
    current.push(ids[i] ?? 0);
  }
  if (current.length > 0) yield current;
}

/**
 * Packs lines in order, each given as its token ids and ended by the end token (a word of its own). The last row may
 * be short.
 */
export function* packLines(
  lines: Iterable<Int32Array>,
  options: { readonly tokenizer: Tokenizer; readonly length: number },
): Generator<PackedRow> {
  const { tokenizer, length } = options;
  const row = new RowBuilder(length);
  for (const ids of lines) {
    for (const word of wordsOf(ids, tokenizer.words(ids), length)) {
      const full = row.add(word);
      if (full) yield full;
    }
    const full = row.add([tokenizer.specials.endoftext]);
    if (full) yield full;
  }
  const last = row.take();
  if (last) yield last;
}
