/**
 * Recall@k between pictures and texts, both ways, by the protocol of COCO and Flickr30k. I pictures · T captions,
 * T >= I where pictures have several · D texts of the gallery.
 *
 * - Picture to text: a picture counts as found if any of its captions is among the first k texts of the whole gallery.
 * - Text to picture: every caption is a query of its own among all pictures.
 * - Captions that read the same stand once in the gallery, and are right for every picture that has one of them. Where all
 *   captions differ, that is the published protocol to the letter.
 *
 * All queries are ranked, however few there are; equal similarities count as the mean over their orders.
 */
import { ConfigError, ShapeError } from '@polygate/core';
import { chanceRecall } from './chance.ts';
import type { SampleScores } from './classification.ts';
import { expectedRanks, ranksOf, topK, type CandidateLine, type Ranks } from './ranks.ts';

export interface RetrievalPairs {
  /** Pictures in the gallery, I. */
  readonly pictures: number;
  /** [T] index of the picture that each caption belongs to; every picture has at least one. */
  readonly pictureOfText: ArrayLike<number>;
  /** [T] text of the gallery, a column of the similarities, that each caption reads. @default a column for each */
  readonly columnOfText?: ArrayLike<number>;
}

/** Recall of one direction at one k, with that of a random order of the gallery. */
export interface Recall extends SampleScores {
  /** Mean over the queries of the exact chance of {@link chanceRecall}. */
  readonly chance: number;
}

export interface RetrievalScores {
  /** [I] mean rank of the best right text of each picture, 0 for the first. */
  readonly textRanks: Float64Array;
  /** [T] mean rank of the best right picture of each caption. */
  readonly pictureRanks: Float64Array;
  /** Share of pictures with one of their texts among the first k, by k. */
  readonly pictureToText: ReadonlyMap<number, Recall>;
  /** Share of captions with one of their pictures among the first k, by k. */
  readonly textToPicture: ReadonlyMap<number, Recall>;
  /** Mean of all recalls of both directions. */
  readonly mean: number;
  readonly gallery: {
    readonly pictures: number;
    /** Captions, T. */
    readonly texts: number;
    /** Texts that differ, D. */
    readonly distinctTexts: number;
  };
}

/** Right answers: columns by picture, and pictures by column. */
interface Relevance {
  readonly columns: number;
  readonly columnsOfPicture: readonly (readonly number[])[];
  readonly picturesOfColumn: readonly (readonly number[])[];
}

/** The least whole number from 0 that is not among the values. */
const firstAbsent = (values: Float64Array): number => {
  const there = new Set(values);
  let absent = 0;
  while (there.has(absent)) absent += 1;
  return absent;
};

const relevanceOf = (pairs: RetrievalPairs): Relevance => {
  const { pictures, pictureOfText, columnOfText } = pairs;
  const texts = pictureOfText.length;
  if (columnOfText && columnOfText.length !== texts) {
    throw new ShapeError(`recall: expected a column for each of ${texts} texts, got ${columnOfText.length}`);
  }
  const pictureOf = Float64Array.from({ length: texts }, (_, t) => pictureOfText[t] ?? -1);
  const columnOf = Float64Array.from({ length: texts }, (_, t) => columnOfText?.[t] ?? t);
  for (let t = 0; t < texts; t += 1) {
    const [picture, column] = [pictureOf[t] as number, columnOf[t] as number];
    if (!(Number.isInteger(picture) && picture >= 0 && picture < pictures)) {
      throw new ConfigError(
        `recall: expected pictures from 0 to ${pictures - 1}, got ${picture} for text ${t}`,
      );
    }
    if (!(Number.isInteger(column) && column >= 0)) {
      throw new ConfigError(`recall: expected columns from 0, got ${column} for text ${t}`);
    }
  }
  // Before anything of their number is allocated: there are at most as many pictures and columns as texts.
  const without = firstAbsent(pictureOf);
  if (without < pictures) {
    throw new ConfigError(
      `recall: expected a text for every picture, got none for picture ${without}; leave it out`,
    );
  }
  const columns = columnOf.reduce((most, column) => Math.max(most, column + 1), 0);
  const unread = firstAbsent(columnOf);
  if (unread < columns) {
    throw new ConfigError(
      `recall: expected a caption for every column, got none for column ${unread}; leave it out`,
    );
  }
  const ofPicture = Array.from({ length: pictures }, () => new Set<number>());
  const ofColumn = Array.from({ length: columns }, () => new Set<number>());
  for (const [t, picture] of pictureOf.entries()) {
    const column = columnOf[t] as number;
    ofPicture[picture]?.add(column);
    ofColumn[column]?.add(picture);
  }
  return {
    columns,
    columnsOfPicture: ofPicture.map((own) => [...own]),
    picturesOfColumn: ofColumn.map((own) => [...own]),
  };
};

/** {@link RetrievalPairs} of n pictures with one text each, in the same order. */
export const onePerPicture = (n: number): RetrievalPairs => ({
  pictureOfText: Int32Array.from({ length: n }, (_, i) => i),
  pictures: n,
});

const recallsOf = (
  ranks: Ranks,
  at: { readonly gallery: number; readonly relevant: readonly number[]; readonly ks: readonly number[] },
): ReadonlyMap<number, Recall> => {
  const { gallery, relevant, ks } = at;
  return new Map(
    ks.map((k) => {
      const scores = topK(ranks, k);
      const sum = relevant.reduce((total, own) => total + chanceRecall({ gallery, relevant: own, k }), 0);
      return [k, Object.freeze({ ...scores, chance: sum / relevant.length })];
    }),
  );
};

/**
 * Recall both ways.
 * @param similarities [I, D], row by row: higher is nearer
 * @param ks @default [1, 5, 10]
 * @throws ShapeError, ConfigError
 */
export const retrievalRecall = (
  similarities: ArrayLike<number>,
  pairs: RetrievalPairs,
  ks: readonly number[] = [1, 5, 10],
): RetrievalScores => {
  const { pictures, pictureOfText, columnOfText } = pairs;
  const texts = pictureOfText.length;
  if (ks.length === 0) {
    throw new ConfigError('recall: expected at least one k, got none; [1, 5, 10] is usual');
  }
  const { columns, columnsOfPicture, picturesOfColumn } = relevanceOf(pairs);
  if (pictures === 0 || texts === 0 || similarities.length !== pictures * columns) {
    throw new ShapeError(
      `recall: expected similarities of [${pictures} pictures, ${columns} texts] = ${pictures * columns} values, got ${similarities.length}`,
    );
  }
  const row = (picture: number): CandidateLine => ({
    scores: similarities,
    start: picture * columns,
    stride: 1,
    length: columns,
  });
  const column = (at: number): CandidateLine => ({
    scores: similarities,
    start: at,
    stride: columns,
    length: pictures,
  });
  const ofPictures = ranksOf(
    'recall',
    columnsOfPicture.map((right, picture) => [row(picture), right] as const),
  );
  const ofColumns = ranksOf(
    'recall',
    picturesOfColumn.map((right, at) => [column(at), right] as const),
  );
  // Captions that read the same are as many queries with one answer.
  const columnOf = Int32Array.from({ length: texts }, (_, t) => columnOfText?.[t] ?? t);
  const spread = (values: Int32Array): Int32Array => columnOf.map((at) => values[at] ?? 0);
  const ofTexts: Ranks = {
    better: spread(ofColumns.better),
    tied: spread(ofColumns.tied),
    right: spread(ofColumns.right),
  };
  const pictureToText = recallsOf(ofPictures, {
    gallery: columns,
    relevant: columnsOfPicture.map((own) => own.length),
    ks,
  });
  const textToPicture = recallsOf(ofTexts, {
    gallery: pictures,
    relevant: Array.from(columnOf, (at) => picturesOfColumn[at]?.length ?? 1),
    ks,
  });
  const all = [...pictureToText.values(), ...textToPicture.values()];
  return Object.freeze({
    textRanks: expectedRanks(ofPictures),
    pictureRanks: expectedRanks(ofTexts),
    pictureToText,
    textToPicture,
    mean: all.reduce((sum, { value }) => sum + value, 0) / all.length,
    gallery: Object.freeze({ pictures, texts, distinctTexts: columns }),
  });
};
