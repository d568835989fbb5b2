/**
 * Masked language modelling: the hidden states at the chosen positions against the prefix of every vocabulary entry
 * [token, end token].
 */
import { ShapeError } from '@polygate/core';
import { listRow } from '@polygate/stream';
import {
  createCandidateChooser,
  vocabularyCandidates,
  type CandidateChoice,
  type CandidateSet,
  type TaskTokenizer,
} from './candidates.ts';
import { maskWords } from './masking.ts';
import { textSequences } from './sequence.ts';
import { segmentRows, textToText } from './signatures.ts';
import type { Task, TaskSettings } from './task.ts';

export interface MaskedLanguageOptions extends TaskSettings {
  readonly tokenizer: TaskTokenizer;
  /** Shared vocabulary candidates, so that several tasks keep one set. @default a set of its own */
  readonly vocabulary?: CandidateSet;
  /** Candidates in training. @default whole */
  readonly candidates?: CandidateChoice;
  /** Probability of choosing a word. @default 0.15 */
  readonly rate?: number;
  /** Longer rows are cut. @default as prepared */
  readonly maximumTokens?: number;
}

/** A task over the columns `tokens` and `words`. No label smoothing unless told. */
export const createMaskedLanguageModelling = (options: MaskedLanguageOptions): Task => {
  const { name, tokenizer, lossWeight = 1, labelSmoothing = 0 } = options;
  const { maximumTokens = Number.POSITIVE_INFINITY } = options;
  const vocabulary = options.vocabulary ?? vocabularyCandidates(tokenizer, segmentRows.vocabulary);
  const trainingChooser = createCandidateChooser(vocabulary, options.candidates ?? { kind: 'whole' });
  const wholeChooser = createCandidateChooser(vocabulary, { kind: 'whole' });
  const family = 'masked-language-modelling' as const;
  const { spe, endoftext } = tokenizer.specials;
  return Object.freeze<Task>({
    name,
    family,
    signature: textToText,
    temperature: family,
    lossWeight,
    labelSmoothing,
    collate(batch, { random, training }) {
      const masking = random.fork('masking');
      const masked = Array.from({ length: batch.numRows }, (_, row) => {
        const tokens = Int32Array.from(listRow(batch, 'tokens', row), Number);
        const words = Int32Array.from(listRow(batch, 'words', row), Number);
        return maskWords(tokens.subarray(0, maximumTokens), words.subarray(0, maximumTokens), {
          random: masking.fork(row),
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
      const chooser = training ? trainingChooser : wholeChooser;
      const { targets, labels } = chooser.choose(tokens, random.fork('candidates'));
      return {
        task: name,
        family,
        temperature: family,
        lossWeight,
        inputs: { ...inputs, task: name },
        queries: Int32Array.from(queries),
        labels,
        targets,
        loss: 'cross-entropy',
        labelSmoothing: training ? labelSmoothing : 0,
      };
    },
  });
};
