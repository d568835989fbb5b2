/**
 * Recall@k between pictures and texts, both ways. I pictures · T texts, T >= I where pictures have several captions.
 * A picture counts as found if any of its texts ranks below k; every text is a query of its own. All queries are
 * ranked, however few there are.
 */
import { ConfigError, ShapeError } from '@polygate/core';
import { topK } from './classification.ts';
import type { SampleScores } from './classification.ts';

export interface RetrievalPairs {
  /** Index of the picture that each text belongs to, one per text; every picture has at least one text. */
  readonly pictureOfText: ArrayLike<number>;
  /** Pictures in the gallery. */
  readonly pictures: number;
}

export interface RetrievalScores {
  /** Rank of the best text of each picture, 0 for the first. */
  readonly textRanks: Int32Array;
  /** Rank of each text's picture. */
  readonly pictureRanks: Int32Array;
  /** Share of pictures with one of their texts among the first k, by k. */
  readonly pictureToText: ReadonlyMap<number, SampleScores>;
  /** Share of texts whose picture is among the first k, by k. */
  readonly textToPicture: ReadonlyMap<number, SampleScores>;
  /** Mean of all recalls of both directions. */
  readonly mean: number;
}

/** Where candidates stand in a flat matrix: candidate j of the query is at `start + j * stride`. */
interface Line {
  readonly start: number;
  readonly stride: number;
  readonly length: number;
}

const rankOf = (values: ArrayLike<number>, line: Line, index: number): number => {
  const own = values[line.start + index * line.stride] ?? Number.NaN;
  let rank = 0;
  for (let j = 0; j < line.length; j += 1) {
    const other = values[line.start + j * line.stride] ?? Number.NaN;
    if (Number.isNaN(other)) {
      throw new ConfigError(
        'recall: expected similarities that are numbers, got NaN; has the model diverged?',
        {
          code: 'nan-score',
        },
      );
    }
    // Equal similarities rank by index, so that a collapsed model finds one pair only.
    if (other > own || (other === own && j < index)) rank += 1;
  }
  return rank;
};

const textsByPicture = (pairs: RetrievalPairs): readonly (readonly number[])[] => {
  const lists = Array.from({ length: pairs.pictures }, () => [] as number[]);
  for (let t = 0; t < pairs.pictureOfText.length; t += 1) {
    const list = lists[pairs.pictureOfText[t] ?? -1];
    if (!list) {
      throw new ConfigError(
        `recall: expected pictures from 0 to ${pairs.pictures - 1}, got ${pairs.pictureOfText[t]} for text ${t}`,
      );
    }
    list.push(t);
  }
  const without = lists.findIndex((list) => list.length === 0);
  if (without >= 0) {
    throw new ConfigError(
      `recall: expected a text for every picture, got none for picture ${without}; leave it out`,
    );
  }
  return lists;
};

/** {@link RetrievalPairs} of n pictures with one text each, in the same order. */
export const onePerPicture = (n: number): RetrievalPairs => ({
  pictureOfText: Int32Array.from({ length: n }, (_, i) => i),
  pictures: n,
});

/**
 * Recall both ways.
 * @param similarities [I, T], row by row: higher is nearer
 * @param ks @default [1, 5, 10]
 * @throws ShapeError, ConfigError
 */
export const retrievalRecall = (
  similarities: ArrayLike<number>,
  pairs: RetrievalPairs,
  ks: readonly number[] = [1, 5, 10],
): RetrievalScores => {
  const { pictures } = pairs;
  const texts = pairs.pictureOfText.length;
  if (pictures === 0 || texts === 0 || similarities.length !== pictures * texts) {
    throw new ShapeError(
      `recall: expected similarities of [${pictures} pictures, ${texts} texts] = ${pictures * texts} values, got ${similarities.length}`,
    );
  }
  const textRanks = Int32Array.from(textsByPicture(pairs), (own, picture) => {
    const line = { start: picture * texts, stride: 1, length: texts };
    return Math.min(...own.map((text) => rankOf(similarities, line, text)));
  });
  const pictureRanks = Int32Array.from({ length: texts }, (_, text) =>
    rankOf(similarities, { start: text, stride: texts, length: pictures }, pairs.pictureOfText[text] ?? 0),
  );
  const recalls = (ranks: Int32Array): ReadonlyMap<number, SampleScores> =>
    new Map(ks.map((k) => [k, topK(ranks, k)]));
  const pictureToText = recalls(textRanks);
  const textToPicture = recalls(pictureRanks);
  const all = [...pictureToText.values(), ...textToPicture.values()];
  const mean = all.reduce((sum, { value }) => sum + value, 0) / all.length;
  return Object.freeze({ textRanks, pictureRanks, pictureToText, textToPicture, mean });
};
