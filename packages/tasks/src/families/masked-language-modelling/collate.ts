/**
 * Masked language modelling: the hidden states at the chosen positions against the prefix of every vocabulary entry
 * [token, end token].
 */
import { rowRandom, ShapeError } from '@polygate/core';
import { textSequences } from '@polygate/modalities';
import { listRow } from '@polygate/stream';
import {
  createTaskCandidates,
  vocabularyCandidates,
  type TaskTokenizer,
  type VocabularySettings,
} from '../../candidates.ts';
import { maskWords } from './masking.ts';
import { segmentRows, textToText } from '../../signatures.ts';
import { defineTask, type Task, type TaskSettings } from '../../task.ts';

export interface MaskedLanguageOptions extends TaskSettings, VocabularySettings {
  readonly tokenizer: TaskTokenizer;
  /** Probability of choosing a word. @default 0.15 */
  readonly rate?: number;
  /** Longer rows are cut. @default as prepared */
  readonly maximumTokens?: number | undefined;
}

/** A task over the columns `tokens` and `words`. No label smoothing unless told. */
export const createMaskedLanguageModelling = (options: MaskedLanguageOptions): Task => {
  const { name, tokenizer, lossWeight = 1, labelSmoothing = 0 } = options;
  const { maximumTokens = Number.POSITIVE_INFINITY } = options;
  const vocabulary = options.vocabulary ?? vocabularyCandidates(tokenizer, segmentRows.vocabulary);
  const choose = createTaskCandidates(vocabulary, options);
  const { spe, endoftext } = tokenizer.specials;
  const facts = {
    name,
    family: 'masked-language-modelling',
    signature: textToText,
    lossWeight,
    labelSmoothing,
  } as const;
  return defineTask(facts, (batch, collation) => {
    const masked = Array.from({ length: batch.numRows }, (_, row) => {
      const tokens = Int32Array.from(listRow(batch, 'tokens', row), Number);
      const words = Int32Array.from(listRow(batch, 'words', row), Number);
      return maskWords(tokens.subarray(0, maximumTokens), words.subarray(0, maximumTokens), {
        random: rowRandom(collation.random, row, 'masking'),
        maskToken: spe,
        fixedTokens: [endoftext],
        vocabularySize: tokenizer.size,
        ...(options.rate === undefined ? {} : { rate: options.rate }),
      });
    });
    const inputs = textSequences(
      masked.map((text) => text.ids),
      { row: segmentRows.maskedText, padding: endoftext },
    );
    const queries = masked.flatMap((text, row) =>
      Array.from(text.positions, (position) => row * inputs.length + 1 + position),
    );
    if (queries.length === 0) {
      throw new ShapeError(
        `task "${name}": expected texts with one word or more, got ${batch.numRows} rows of end tokens alone; drop empty texts when preparing`,
      );
    }
    const tokens = Int32Array.from(masked.flatMap((text) => Array.from(text.labels)));
    return { inputs, queries: Int32Array.from(queries), ...choose(tokens, collation), loss: 'cross-entropy' };
  });
};
