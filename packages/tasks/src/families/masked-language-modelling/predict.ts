/** Words for the blanks of a text, by masked language modelling. */
import { ConfigError } from '@polygate/core';
import type { TaskModel } from '../../model.ts';
import { softmaxRows, topIndices } from '../../scores.ts';
import { textSequences } from '@polygate/modalities';
import { servingTask } from '../../serving.ts';
import { segmentRows } from '../../signatures.ts';
import type { TextPredictor } from '../predictor.ts';

const LANGUAGE = 'masked-language-modelling';

export interface WordPrediction {
  readonly word: string;
  /** Over the whole vocabulary. */
  readonly probability: number;
}

/** How blanks are filled. */
export interface FillOptions {
  /** Words for each blank. @default 5 */
  readonly count?: number;
  /** Language task of the model that is asked. @default its first */
  readonly task?: string | undefined;
}

/** Three or more underscores. */
const blank = /_{3,}/u;
/** How byte-level BPE writes the space in front of a word. */
const SPACE = 'Ġ';

/** Token ids with the mask token for each blank, and the blanks' positions. */
const tokensOf = (
  model: TaskModel,
  text: string,
): { readonly ids: readonly number[]; readonly blanks: readonly { position: number; spaced: boolean }[] } => {
  const { tokenizer } = model;
  const ids: number[] = [];
  const blanks: { position: number; spaced: boolean }[] = [];
  text.split(new RegExp(blank, 'gu')).forEach((part, i, parts) => {
    const last = i === parts.length - 1;
    // The space before a blank belongs to the word that fills it.
    const spaced = /\s$/u.test(part);
    ids.push(...tokenizer.encode(last ? part : part.replace(/\s$/u, '')));
    if (last) return;
    blanks.push({ position: ids.length, spaced });
    ids.push(tokenizer.specials.spe);
  });
  ids.push(tokenizer.specials.endoftext);
  return { ids, blanks };
};

/**
 * Likely words for each blank `___` of a text, likeliest first. A blank stands for one token; every blank is filled as
 * if the others were unknown.
 * @throws ConfigError for a text without a blank
 */
export const fill = async (
  model: TaskModel,
  text: string,
  options: FillOptions = {},
): Promise<readonly (readonly WordPrediction[])[]> => {
  const { count = 5 } = options;
  if (!blank.test(text)) {
    throw new ConfigError(
      `fill: expected a text with a blank ___ (three underscores or more), got "${text}"`,
    );
  }
  const { tokenizer } = model;
  const { ids, blanks } = tokensOf(model, text);
  const sequences = textSequences([ids], {
    row: segmentRows.maskedText,
    padding: tokenizer.specials.endoftext,
  });
  const scores = await model.scores(
    {
      inputs: sequences,
      queries: Int32Array.from(blanks, ({ position }) => 1 + position),
      targets: model.vocabulary.whole(),
      temperature: LANGUAGE,
    },
    { task: servingTask(model, LANGUAGE, options) },
  );
  const probabilities = softmaxRows(scores, tokenizer.size);
  const { spe, endoftext } = tokenizer.specials;
  return blanks.map(({ spaced }, i) => {
    const row = probabilities.slice(i * tokenizer.size, (i + 1) * tokenizer.size);
    // After a space only pieces that begin a word fit; special tokens never do.
    const fits = (id: number): boolean =>
      id !== spe && id !== endoftext && (!spaced || tokenizer.tokenOf(id).startsWith(SPACE));
    const ranked = row.map((probability, id) => (fits(id) ? probability : -1));
    return topIndices(ranked, count)
      .filter((id) => (ranked[id] ?? -1) >= 0)
      .map((id) => ({ word: tokenizer.decode([id]).trim(), probability: row[id] ?? 0 }));
  });
};

const percent = (probability: number): string => `${(100 * probability).toFixed(1)} %`;

/** The text with its best words, then the choices for each blank. */
const formatBlanks = (blanks: readonly (readonly WordPrediction[])[], text: string): string => {
  let number = 0;
  const filled = text.replace(/_{3,}/gu, (gap) => {
    const word = blanks[number]?.[0]?.word ?? gap;
    number += 1;
    return word;
  });
  const choices = blanks.map((words, i) => {
    const list = words.map(({ word, probability }) => `${word} ${percent(probability)}`).join(', ');
    return blanks.length > 1 ? `blank ${i + 1}: ${list}` : list;
  });
  return [filled, ...choices].join('\n');
};

/** `predict fill`. */
export const blankPredictor: TextPredictor<readonly WordPrediction[], FillOptions, 'fill'> = {
  verb: 'fill',
  summary: 'words for each blank ___ of a text, likeliest first',
  input: 'texts',
  options: [{ name: 'count', type: 'count', summary: 'words for each blank (default: 5)' }],
  key: 'blanks',
  predict: async (model, texts, options) => {
    const answers: (readonly (readonly WordPrediction[])[])[] = [];
    for (const text of texts) answers.push(await fill(model, text, options));
    return answers;
  },
  format: formatBlanks,
};
