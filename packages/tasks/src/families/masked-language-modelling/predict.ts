/** Words for the blanks of a text, by masked language modelling. */
import { ConfigError } from '@polygate/core';
import { textSequences } from '@polygate/modalities';
import { segmentRows } from '@polygate/tasks';
import { encodeFeatures } from './models/uni-perceiver/features.ts';
import type { Generalist } from './models/uni-perceiver/uni-perceiver-model.ts';
import { servingTask } from './serving.ts';
import { largest, scoresOf, softmaxRows } from './similarity.ts';

export interface WordPrediction {
  readonly word: string;
  /** Over the whole vocabulary. */
  readonly probability: number;
}

/** Three or more underscores. */
const blank = /_{3,}/u;
/** How byte-level BPE writes the space in front of a word. */
const SPACE = 'Ġ';

/** Token ids with the mask token for each blank, and the blanks' positions. */
const tokensOf = (
  model: Generalist,
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
 * @param options `count` words for each blank (5), and the language task of the model that is asked (its first)
 * @throws ConfigError for a text without a blank
 */
export const fill = async (
  model: Generalist,
  text: string,
  options: { readonly count?: number; readonly task?: string | undefined } = {},
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
  const task = servingTask(model.config, 'masked-language-modelling', options);
  const queries = encodeFeatures(model, sequences, {
    task,
    queries: Int32Array.from(blanks, ({ position }) => 1 + position),
  });
  try {
    const candidates = model.candidateFeatures(model.vocabulary.whole(), task);
    const scores = await scoresOf(model, { queries, candidates }, 'masked-language-modelling');
    const probabilities = softmaxRows(scores, tokenizer.size);
    const { spe, endoftext } = tokenizer.specials;
    return blanks.map(({ spaced }, i) => {
      const own = probabilities.slice(i * tokenizer.size, (i + 1) * tokenizer.size);
      // After a space only pieces that begin a word fit; special tokens never do.
      const fits = (id: number): boolean =>
        id !== spe && id !== endoftext && (!spaced || tokenizer.tokenOf(id).startsWith(SPACE));
      const ranked = own.map((probability, id) => (fits(id) ? probability : -1));
      return largest(ranked, count)
        .filter((id) => (ranked[id] ?? -1) >= 0)
        .map((id) => ({ word: tokenizer.decode([id]).trim(), probability: own[id] ?? 0 }));
    });
  } finally {
    queries.dispose();
  }
};
