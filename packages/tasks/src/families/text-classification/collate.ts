/**
 * Text classification in cloze form: the hidden state at the blank of a pattern against the prefix of each label word
 * (Uni-Perceiver-MoE, section 4.5). Routed like masked language modelling, of which it is a case.
 */
import { textSequences, type SequenceBatch } from '@polygate/modalities';
import { hasColumn, listRow, type RecordBatch } from '@polygate/stream';
import type { TaskTokenizer } from '../../candidates.ts';
import { segmentRows, textToText } from '../../signatures.ts';
import { defineTask, type Task, type TaskSettings } from '../../task.ts';
import { classLabels } from '../class-targets.ts';
import { DEFAULT_PATTERNS, parseCloze, type Cloze } from './cloze.ts';
import { labelWords, wordCandidates } from './label-words.ts';

/** The temperature that the paper uses for it. */
export const CLOZE_TEMPERATURE = 'masked-language-modelling';
export const DEFAULT_MAXIMUM_TOKENS = 256;

export interface TextClassificationOptions extends TaskSettings {
  readonly tokenizer: TaskTokenizer;
  /** Class names in label order. */
  readonly classes: readonly string[];
  /** Words for classes by name. @default the class names */
  readonly words?: Readonly<Record<string, string>> | undefined;
  /** See `cloze.ts`. @default one for single texts, and one for pairs */
  readonly pattern?: string | undefined;
  /** Longest text with its pattern, end token included. @default 256 */
  readonly maximumTokens?: number | undefined;
}

/** A pattern for single texts and one for pairs; the same where one is given. */
export const clozesOf = (
  pattern: string | undefined,
  tokenizer: TaskTokenizer,
): { readonly single: Cloze; readonly pair: Cloze } => ({
  single: parseCloze(pattern ?? DEFAULT_PATTERNS.single, tokenizer),
  pair: parseCloze(pattern ?? DEFAULT_PATTERNS.pair, tokenizer),
});

/** Filled patterns as sequences, with the flat position of each blank. */
export const clozeSequences = (
  rows: readonly { readonly ids: Int32Array; readonly blank: number }[],
  padding: number,
): { readonly inputs: SequenceBatch; readonly queries: Int32Array } => {
  const inputs = textSequences(
    rows.map(({ ids }) => ids),
    { row: segmentRows.maskedText, padding },
  );
  return { inputs, queries: Int32Array.from(rows, ({ blank }, row) => row * inputs.length + 1 + blank) };
};

const textsOf = (batch: RecordBatch, row: number, isPair: boolean): readonly Int32Array[] =>
  (isPair ? ['tokens', 'tokens_b'] : ['tokens']).map((column) =>
    Int32Array.from(listRow(batch, column, row), Number),
  );

/** A task over the columns `tokens`, `label` and, for pairs, `tokens_b`. Label smoothing 0.1 unless told. @throws ConfigError */
export const createTextClassification = (options: TextClassificationOptions): Task => {
  const { name, classes, tokenizer, lossWeight = 1, labelSmoothing = 0.1 } = options;
  const { maximumTokens = DEFAULT_MAXIMUM_TOKENS } = options;
  const clozes = clozesOf(options.pattern, tokenizer);
  const words = labelWords(name, classes, options.words);
  const set = wordCandidates(`words:${name}`, words, { tokenizer, spaced: clozes.single.spaced });
  const facts = {
    name,
    family: 'text-classification',
    temperature: CLOZE_TEMPERATURE,
    signature: textToText,
    lossWeight,
    labelSmoothing,
  } as const;
  return defineTask(facts, (batch) => {
    const labels = classLabels(batch, options);
    const isPair = hasColumn(batch, 'tokens_b');
    const cloze = isPair ? clozes.pair : clozes.single;
    const rows = Array.from({ length: batch.numRows }, (_, row) =>
      cloze.fill(textsOf(batch, row, isPair), maximumTokens),
    );
    return {
      ...clozeSequences(rows, tokenizer.specials.endoftext),
      labels,
      targets: set.whole(),
      loss: 'cross-entropy',
    };
  });
};
