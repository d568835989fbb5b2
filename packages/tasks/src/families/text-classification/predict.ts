/** Classes of texts, by the words that fill the blank of a pattern. */
import { ConfigError } from '@polygate/core';
import type { TaskModel } from '../../model.ts';
import { softmaxRows, topIndices } from '../../scores.ts';
import { servedTask } from '../../serving.ts';
import type { TextPredictor } from '../predictor.ts';
import { clozePresetNamed } from './cloze-presets.ts';
import { clozeSequences, clozesOf, CLOZE_TEMPERATURE, DEFAULT_MAXIMUM_TOKENS } from './collate.ts';
import { labelWords, wordCandidates } from './label-words.ts';
import type { LabelPrediction } from '../image-classification/predict.ts';

const FAMILY = 'text-classification';

/** How texts are asked about. */
export interface TextLabelOptions {
  /** Words to choose from. @default the classes of the task that is asked */
  readonly labels?: readonly string[] | undefined;
  /** Cloze form by name, for a model that was trained on no such task. @default the task's */
  readonly preset?: string | undefined;
  /** Pattern with a blank. @default the preset's, or the task's */
  readonly pattern?: string | undefined;
  /** Second text of a pair, for all texts. @default none */
  readonly pair?: string | undefined;
  /** Text classification task of the model that is asked. @default its first */
  readonly task?: string | undefined;
}

/** What a trained task keeps of its settings. */
export interface KeptSettings {
  readonly pattern?: string;
  readonly words?: Readonly<Record<string, string>>;
  readonly maximumTokens?: number;
}

/**
 * Labels of each text, likeliest first.
 * @throws ConfigError for no labels, or labels that repeat or have no token, and a pair where the task has single texts
 */
export const classifyTexts = async (
  model: TaskModel,
  texts: readonly string[],
  options: TextLabelOptions = {},
): Promise<readonly (readonly LabelPrediction[])[]> => {
  const trained = servedTask(model, FAMILY, { task: options.task });
  const kept = (trained?.family === FAMILY ? (trained.settings ?? {}) : {}) as KeptSettings;
  const { maximumTokens = DEFAULT_MAXIMUM_TOKENS } = kept;
  const preset = options.preset === undefined ? undefined : clozePresetNamed(options.preset);
  const pattern = options.pattern ?? preset?.pattern ?? kept.pattern;
  const words = preset?.words ?? kept.words;
  const names = options.labels ?? (preset ? Object.keys(preset.words) : (trained?.classes ?? []));
  if (names.length === 0) {
    throw new ConfigError(
      'classify-text: expected labels, since the model does not say the names of any classes; give words to choose from',
      { code: 'no-classes' },
    );
  }
  const { tokenizer } = model;
  const clozes = clozesOf(pattern, tokenizer);
  const cloze = options.pair === undefined ? clozes.single : clozes.pair;
  const filling = labelWords('classify-text', names, options.labels ? {} : words);
  const targets = wordCandidates('words', filling, { tokenizer, spaced: cloze.spaced }).whole();
  const rows = texts.map((text) =>
    cloze.fill(
      [text, ...(options.pair === undefined ? [] : [options.pair])].map((each) =>
        tokenizer.encode(each.trim()),
      ),
      maximumTokens,
    ),
  );
  const batch = clozeSequences(rows, tokenizer.specials.endoftext);
  const scores = await model.scores(
    { ...batch, targets, temperature: CLOZE_TEMPERATURE },
    { task: trained?.name ?? options.task },
  );
  const probabilities = softmaxRows(scores, names.length);
  return texts.map((_, i) => {
    const row = probabilities.subarray(i * names.length, (i + 1) * names.length);
    return topIndices(row, names.length).map((c) => ({ label: names[c] ?? '', probability: row[c] ?? 0 }));
  });
};

const percent = (probability: number): string => `${(100 * probability).toFixed(1).padStart(5)} %`;

/** `predict classify-text`. */
export const textPredictor: TextPredictor<LabelPrediction> = {
  verb: 'classify-text',
  summary: 'labels of texts, likeliest first',
  input: 'texts',
  options: [
    {
      name: 'labels',
      type: 'words',
      summary: "any words, separated by commas; without them the model's own classes",
    },
    {
      name: 'preset',
      type: 'text',
      summary: 'cloze form of a published task by name, such as sst-2 or mnli',
    },
    {
      name: 'pattern',
      type: 'text',
      summary: 'pattern with the text {a} and a blank, such as "{a} It is ___ ."',
    },
    { name: 'pair', type: 'text', summary: 'second text of a pair, such as an answer or a hypothesis' },
  ],
  key: 'labels',
  predict: (model, texts, options) => classifyTexts(model, texts, options as TextLabelOptions),
  format: (answers) =>
    answers.map(({ label, probability }) => `${percent(probability)}  ${label}`).join('\n'),
};
