/** Texts of prepared rows as a segment. */
import type { BatchColumns } from '../columns.ts';
import type { ReadOptions } from '../modality.ts';
import type { SegmentRows } from '../segment.ts';
import { endedTokens, padTokens, type TextSegment } from './text-segment.ts';

/** What the texts of a model look like. */
export interface TextInput {
  /** Tokens of the vocabulary. */
  readonly vocabularySize: number;
  /** Ends every text, and fills short ones. */
  readonly endToken: number;
  /** Longest text, end token included; longer ones are cut and ended. */
  readonly maximumTokens: number;
  /** Column of token lists. @default 'tokens' */
  readonly column?: string;
}

/** Token lists, each cut to the longest text and ended where it does not end yet. @throws ShapeError for an empty one */
export const readText = (
  columns: BatchColumns,
  { endToken, maximumTokens, column = 'tokens' }: TextInput,
  { row }: ReadOptions,
): SegmentRows<TextSegment> => {
  const texts = Array.from({ length: columns.size }, (_, i) => {
    const tokens = columns.list(column, i);
    // Prepared texts end with their end token already.
    return tokens.at(-1) === endToken && tokens.length <= maximumTokens
      ? Int32Array.from(tokens)
      : endedTokens(tokens, { endToken, maximum: maximumTokens });
  });
  return padTokens(texts, { row, padding: endToken });
};
