/** Words for classes: what may fill the blank of a cloze pattern. */
import { ConfigError, excerpt } from '@polygate/core';
import { nameCandidates, type CandidateSet, type TaskTokenizer } from '../../candidates.ts';
import { segmentRows } from '../../signatures.ts';

/**
 * The word of each class, in label order.
 * @param words by class name @default the class names
 * @throws ConfigError for a class that is not there, or two classes with one word
 */
export const labelWords = (
  name: string,
  classes: readonly string[],
  words: Readonly<Record<string, string>> = {},
): readonly string[] => {
  const unknown = Object.keys(words).find((each) => !classes.includes(each));
  if (unknown !== undefined) {
    throw new ConfigError(
      `task "${name}": expected words of its classes ${classes.join(', ')}, got one of ${excerpt(unknown)}; correct words`,
      { fields: { words } },
    );
  }
  const list = classes.map((each) => (Object.hasOwn(words, each) ? (words[each] ?? each) : each));
  const repeated = list.find((word, i) => list.indexOf(word) !== i);
  const empty = list.find((word) => word.trim() === '');
  if (empty !== undefined) {
    throw new ConfigError(
      `task "${name}": expected words of one token or more, got ${excerpt(empty)} for the class ${excerpt(classes[list.indexOf(empty)] ?? '')}; give it a word`,
      { code: 'label-word', fields: { words } },
    );
  }
  if (repeated === undefined) return list;
  throw new ConfigError(
    `task "${name}": expected words that differ, got ${excerpt(repeated)} twice; give each class a word of its own`,
    { fields: { words } },
  );
};

/**
 * Words as candidates, as the vocabulary has them: with the space before the blank, if one is there.
 * @throws ConfigError for a word without tokens, or with special ones, and two words of the same tokens
 */
export const wordCandidates = (
  key: string,
  words: readonly string[],
  { tokenizer, spaced }: { readonly tokenizer: TaskTokenizer; readonly spaced: boolean },
): CandidateSet => {
  const { spe, endoftext } = tokenizer.specials;
  const special = words.find((word) => {
    const ids = tokenizer.encode(word);
    return ids.includes(spe) || ids.includes(endoftext);
  });
  if (special !== undefined) {
    throw new ConfigError(
      `${key}: expected plain words, got ${excerpt(special)}, which holds a special token; give the class another word`,
      { code: 'label-word', fields: { words } },
    );
  }
  const written = words.map((word) => (spaced ? ` ${word}` : word));
  // What the tokenizer writes alike, such as letters of both cases, is one candidate twice: no loss tells them apart.
  const tokens = written.map((word) => tokenizer.encode(word).join(' '));
  const second = tokens.findIndex((each, i) => tokens.indexOf(each) !== i);
  if (second >= 0) {
    const first = tokens.indexOf(tokens[second] ?? '');
    throw new ConfigError(
      `${key}: expected words that the tokenizer tells apart, got ${excerpt(words[first] ?? '')} and ${excerpt(words[second] ?? '')}, which have the same tokens; give one class another word`,
      { code: 'label-word', fields: { words } },
    );
  }
  return nameCandidates(key, written, { tokenizer, row: segmentRows.vocabulary });
};
