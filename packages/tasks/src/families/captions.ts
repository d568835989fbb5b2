/** Captions of a row: a list of token lists, without end tokens. */
import { rowRandom, ShapeError, type Random } from '@polygate/core';
import { endedTokens } from '@polygate/modalities';
import { hasColumn, nestedListRow, textRow, type RecordBatch } from '@polygate/stream';
import type { TaskTokenizer } from '../candidates.ts';
import type { CollateOptions } from '../task.ts';

/** Longest caption where nothing is said, end token included. */
export const LONGEST_CAPTION = 50;

/** All captions of row `row`, each cut to `maximum` ids and ended. @throws ShapeError for a row without a caption */
export const rowCaptions = (
  batch: RecordBatch,
  row: number,
  options: { readonly endToken: number; readonly maximum: number },
): readonly Int32Array[] => {
  const captions = nestedListRow(batch, 'captions', row)
    .map((tokens) => Int32Array.from(tokens, Number))
    .filter((tokens) => tokens.length > 0);
  if (captions.length === 0) {
    const id = hasColumn(batch, 'id') ? textRow(batch, 'id', row) : String(row);
    throw new ShapeError(
      `captions: expected one caption or more that is not empty for sample "${id}", got none; quarantine it when preparing`,
    );
  }
  return captions.map((tokens) => endedTokens(tokens, options));
};

/** A random caption in training, the first in evaluation. */
export const chooseCaption = (
  captions: readonly Int32Array[],
  options: { readonly random: Random; readonly training: boolean },
): Int32Array => {
  const index = options.training ? options.random.integer(captions.length) : 0;
  return captions[index] ?? new Int32Array(0);
};

/** Settings of every task that reads captions. */
export interface CaptionSettings {
  readonly tokenizer: TaskTokenizer;
  /** Longest caption in tokens, end token included; longer ones are cut and ended. @default 50 */
  readonly maximumTokens?: number | undefined;
}

/** Captions of a batch, row by row. */
export interface BatchCaptions {
  readonly all: readonly (readonly Int32Array[])[];
  readonly chosen: readonly Int32Array[];
}

/** How a task reads its captions: in training a random one of each row, drawn by a stream of its own. */
export const createCaptionReader = (
  settings: CaptionSettings,
): ((batch: RecordBatch, options: CollateOptions) => BatchCaptions) => {
  const { tokenizer, maximumTokens = LONGEST_CAPTION } = settings;
  const limits = { endToken: tokenizer.specials.endoftext, maximum: maximumTokens };
  return (batch, { random, training }) => {
    const all = Array.from({ length: batch.numRows }, (_, row) => rowCaptions(batch, row, limits));
    const chosen = all.map((captions, row) =>
      chooseCaption(captions, { random: rowRandom(random, row, 'caption'), training }),
    );
    return { all, chosen };
  };
};
