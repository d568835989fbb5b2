/**
 * Cloze patterns: a labelled text becomes a text with one blank, which the words for the classes may fill
 * (Uni-Perceiver-MoE, section 4.5: GLUE as a cloze test).
 *
 * `{a} It is ___ .` has the first text and the blank; `{b}` is the second text of a pair, `{a-}` and `{b-}` are without
 * their final full stop, `{end}` is the end token between sentences. The end token behind all comes by itself.
 */
import { ConfigError, excerpt } from '@polygate/core';
import type { TaskTokenizer } from '../../candidates.ts';

/** For single texts and for pairs. */
export const DEFAULT_PATTERNS = { single: '{a}{end} It is ___ .', pair: '{a-}{end} ___ , {b}' } as const;

const SLOT = /\{(?:a|b|a-|b-|end)\}|_{3,}/gu;

type Piece =
  | { readonly kind: 'tokens'; readonly ids: Int32Array }
  | { readonly kind: 'text'; readonly at: 0 | 1; readonly trimmed: boolean }
  | { readonly kind: 'blank' };

/** A pattern for one tokenizer. */
export interface Cloze {
  /** Whether a space stands before the blank, which then belongs to the word that fills it. */
  readonly spaced: boolean;
  /** Texts that it shows: 1, or 2 for a pair. */
  readonly texts: 1 | 2;
  /**
   * The tokens of a sample, the end token last, and where the blank is. Texts that are too long are cut, the longest first.
   * @throws ConfigError for a pattern that alone is longer than `maximum`, or lacks a text
   */
  fill(
    texts: readonly ArrayLike<number>[],
    maximum: number,
  ): { readonly ids: Int32Array; readonly blank: number };
}

const refuse = (pattern: string, expected: string, got: string): ConfigError =>
  new ConfigError(
    `pattern ${excerpt(pattern)}: expected ${expected}, got ${got}; write it like ${excerpt(DEFAULT_PATTERNS.single)} or ${excerpt(DEFAULT_PATTERNS.pair)}`,
    { code: 'cloze-pattern', fields: { pattern } },
  );

/** Lengths after cutting so that all fit `room`: the longest is cut first. */
const cutLengths = (lengths: readonly number[], room: number): readonly number[] => {
  const cut = [...lengths];
  for (let over = cut.reduce((sum, length) => sum + length, 0) - room; over > 0; over -= 1) {
    const longest = cut.indexOf(Math.max(...cut));
    cut[longest] = (cut[longest] ?? 0) - 1;
  }
  return cut;
};

/** Tokens without a full stop at their end; a text that is nothing else stays. */
const withoutStop = (tokens: readonly number[], stops: readonly Int32Array[]): readonly number[] => {
  const stop = stops.find(
    (ids) =>
      ids.length < tokens.length && ids.every((id, i) => tokens[tokens.length - ids.length + i] === id),
  );
  return tokens.slice(0, tokens.length - (stop?.length ?? 0));
};

/** Reads a pattern. @throws ConfigError for one without a text, or with another number of blanks than one */
export const parseCloze = (pattern: string, tokenizer: TaskTokenizer): Cloze => {
  const { spe, endoftext } = tokenizer.specials;
  const slots = [...pattern.matchAll(SLOT)];
  const blanks = slots.filter(([slot]) => slot.startsWith('_'));
  if (blanks.length !== 1) throw refuse(pattern, 'one blank ___', `${blanks.length}`);
  if (!slots.some(([slot]) => slot.startsWith('{a'))) throw refuse(pattern, 'the text {a}', 'none');
  const unknown = pattern.replace(SLOT, '').match(/\{[^}]*\}/u)?.[0];
  if (unknown !== undefined) throw refuse(pattern, '{a}, {b}, {a-}, {b-} or {end}', unknown);
  const spaced = /\s$/u.test(pattern.slice(0, blanks[0]?.index ?? 0));
  const pieces: Piece[] = [];
  const addWords = (words: string): void => {
    const ids = tokenizer.encode(words);
    if (ids.length > 0) pieces.push({ kind: 'tokens', ids });
  };
  let from = 0;
  for (const { 0: slot, index } of slots) {
    const words = pattern.slice(from, index);
    // The space before the blank is the filling word's.
    addWords(slot.startsWith('_') ? words.replace(/\s$/u, '') : words);
    if (slot.startsWith('_')) pieces.push({ kind: 'blank' });
    else if (slot === '{end}') pieces.push({ kind: 'tokens', ids: Int32Array.of(endoftext) });
    else pieces.push({ kind: 'text', at: slot.startsWith('{a') ? 0 : 1, trimmed: slot.endsWith('-}') });
    from = index + slot.length;
  }
  addWords(pattern.slice(from));
  // The one with a space first: it ends in the other.
  const stops = [' .', '.'].map((stop) => tokenizer.encode(stop));
  const plain = pieces.reduce((sum, piece) => sum + (piece.kind === 'tokens' ? piece.ids.length : 0), 2);
  const shown = pieces.filter((piece) => piece.kind === 'text');
  return {
    spaced,
    texts: shown.some(({ at }) => at === 1) ? 2 : 1,
    fill(texts, maximum) {
      if (plain + shown.length > maximum) {
        throw refuse(pattern, `a pattern of less than ${maximum} tokens (maximumTokens)`, `${plain}`);
      }
      const parts = shown.map(({ at, trimmed }) => {
        const tokens = texts[at];
        if (!tokens) throw refuse(pattern, 'rows of one text', 'a pattern for pairs');
        return trimmed ? withoutStop(Array.from(tokens), stops) : Array.from(tokens);
      });
      const lengths = cutLengths(
        parts.map(({ length }) => length),
        maximum - plain,
      );
      const ids: number[] = [];
      let blank = 0;
      let next = 0;
      for (const piece of pieces) {
        if (piece.kind === 'tokens') ids.push(...piece.ids);
        else if (piece.kind === 'blank') {
          blank = ids.length;
          ids.push(spe);
        } else {
          ids.push(...(parts[next] ?? []).slice(0, lengths[next]));
          next += 1;
        }
      }
      ids.push(endoftext);
      return { ids: Int32Array.from(ids), blank };
    },
  };
};
