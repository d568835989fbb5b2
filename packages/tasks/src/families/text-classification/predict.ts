/** Classes of texts, by the words that fill the blank of a pattern. */
import { ConfigError } from '@polygate/core';
import type { TaskModel, TrainedTask } from '../../model.ts';
import { softmaxRows } from '../../scores.ts';
import {
  chosenLabels,
  formatLabels,
  labelsOption,
  rankedRows,
  type LabelChoice,
  type LabelPrediction,
} from '../label-answers.ts';
import type { TextPredictor } from '../predictor.ts';
import { clozePresetNamed } from './cloze-presets.ts';
import { clozeSequences, clozesOf, CLOZE_TEMPERATURE, DEFAULT_MAXIMUM_TOKENS } from './collate.ts';
import { labelWords, wordCandidates } from './label-words.ts';

const FAMILY = 'text-classification';
const VERB = 'classify-text';

/** How texts are asked about. */
export interface TextLabelOptions extends LabelChoice {
  /** Cloze form by name, for a model that was trained on no such task. @default the task's */
  readonly preset?: string | undefined;
  /** Pattern with a blank. @default the preset's, or the task's */
  readonly pattern?: string | undefined;
  /** Second text of a pair, for all texts. @default none */
  readonly pair?: string | undefined;
}

/** What a trained task keeps of its settings. */
export interface KeptSettings {
  readonly pattern?: string;
  readonly words?: Readonly<Record<string, string>>;
  readonly maximumTokens?: number;
  /** Texts of a sample, where they are pairs: 2. */
  readonly texts?: number;
}

const keptBy = (task: TrainedTask | undefined): KeptSettings =>
  (task?.family === FAMILY ? (task.settings ?? {}) : {}) as KeptSettings;

/** @throws ConfigError for one text where the task has pairs, and a pair where its pattern shows one text */
const requireTexts = (task: TrainedTask | undefined, given: number, shown: number): void => {
  const expected = given === 2 ? shown : (keptBy(task).texts ?? shown);
  if (expected === given) return;
  const of = task ? `, as the task "${task.name}" has them` : ', as the pattern shows them';
  throw new ConfigError(
    `${VERB}: expected ${expected === 2 ? 'pairs of texts' : 'single texts'}${of}, got ${given === 2 ? 'a pair' : 'one text'}; ${given === 2 ? 'leave the second one (--pair) out, or name a task of pairs' : 'give the second one (--pair)'}, or ask by a pattern of your own`,
    { code: 'texts-of-task', fields: { task: task?.name } },
  );
};

/**
 * Labels of each text, likeliest first.
 * @throws ConfigError for no labels, or labels that repeat or have no token, and a pair where the task has single texts
 */
export const classifyTexts = async (
  model: TaskModel,
  texts: readonly string[],
  options: TextLabelOptions = {},
): Promise<readonly (readonly LabelPrediction[])[]> => {
  const preset = options.preset === undefined ? undefined : clozePresetNamed(options.preset);
  const given = options.pair === undefined ? 1 : 2;
  const ofPairs =
    given === 2 && options.task === undefined
      ? model.tasks.find((each) => each.family === FAMILY && keptBy(each).texts === 2)?.name
      : undefined;
  const { labels, served, task } = chosenLabels(
    model,
    { ...options, task: options.task ?? ofPairs },
    {
      verb: VERB,
      family: FAMILY,
      classes: preset && Object.keys(preset.words),
    },
  );
  const kept = keptBy(served);
  const { maximumTokens = DEFAULT_MAXIMUM_TOKENS } = kept;
  const pattern = options.pattern ?? preset?.pattern ?? kept.pattern;
  const words = preset?.words ?? kept.words;
  const { tokenizer } = model;
  const clozes = clozesOf(pattern, tokenizer);
  const cloze = options.pair === undefined ? clozes.single : clozes.pair;
  const isAsked = options.pattern === undefined && !preset;
  requireTexts(isAsked ? served : undefined, given, cloze.texts);
  const filling = labelWords(VERB, labels, options.labels ? {} : words);
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
  const scores = await model.scores({ ...batch, targets, temperature: CLOZE_TEMPERATURE }, { task });
  return rankedRows(labels, softmaxRows(scores, labels.length));
};

/** `predict classify-text`. */
export const textPredictor: TextPredictor<LabelPrediction, TextLabelOptions, typeof VERB> = {
  verb: VERB,
  summary: 'labels of texts, likeliest first',
  input: 'texts',
  options: [
    labelsOption,
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
  predict: (model, texts, options) => classifyTexts(model, texts, options),
  format: formatLabels,
};
