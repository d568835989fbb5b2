/**
 * Recall@k between images and texts, both ways, by the protocol of COCO and Flickr30k. I images · T captions,
 * T >= I where images have several · D texts of the gallery.
 *
 * - Image to text: an image counts as found if any of its captions is among the first k texts of the whole gallery.
 * - Text to image: every caption is a query of its own among all images.
 * - Captions that read the same stand once in the gallery, and are right for every image that has one of them. Where all
 *   captions differ, that is the published protocol to the letter.
 *
 * All queries are ranked, however few there are; equal similarities count as the mean over their orders.
 */
import { ConfigError, ShapeError } from '@polygate/core';
import { chanceRecall } from './chance.ts';
import type { SampleScores } from './classification.ts';
import { expectedRanks, ranksOf, topK, type CandidateLine, type Ranks } from './ranks.ts';

export interface RetrievalPairs {
  /** Images in the gallery, I. */
  readonly images: number;
  /** [T] index of the image that each caption belongs to; every image has at least one. */
  readonly imageOfText: ArrayLike<number>;
  /** [T] text of the gallery, a column of the similarities, that each caption reads. @default a column for each */
  readonly columnOfText?: ArrayLike<number>;
}

/** Recall of one direction at one k, with that of a random order of the gallery. */
export interface Recall extends SampleScores {
  /** Mean over the queries of the exact chance of {@link chanceRecall}. */
  readonly chance: number;
}

/** Where the best right answers of one direction stand. */
export interface DirectionRanks {
  readonly ranks: Ranks;
  /** Those of scores that are all equal, which is the chance of everything that is made of ranks. */
  readonly chance: Ranks;
}

export interface RetrievalScores {
  /** [I] mean rank of the best right text of each image, 0 for the first. */
  readonly textRanks: Float64Array;
  /** [T] mean rank of the best right image of each caption. */
  readonly imageRanks: Float64Array;
  /** Share of images with one of their texts among the first k, by k. */
  readonly imageToText: ReadonlyMap<number, Recall>;
  /** Share of captions with one of their images among the first k, by k. */
  readonly textToImage: ReadonlyMap<number, Recall>;
  /** Ranks by direction, for median rank, MRR and the like. */
  readonly ranks: { readonly imageToText: DirectionRanks; readonly textToImage: DirectionRanks };
  /** Mean of all recalls of both directions. */
  readonly mean: number;
  readonly gallery: {
    readonly images: number;
    /** Captions, T. */
    readonly texts: number;
    /** Texts that differ, D. */
    readonly distinctTexts: number;
  };
}

/** Right answers: columns by image, and images by column. */
interface Relevance {
  readonly columns: number;
  readonly columnsOfImage: readonly (readonly number[])[];
  readonly imagesOfColumn: readonly (readonly number[])[];
}

/** The least whole number from 0 that is not among the values. */
const firstAbsent = (values: Float64Array): number => {
  const there = new Set(values);
  let absent = 0;
  while (there.has(absent)) absent += 1;
  return absent;
};

const relevanceOf = (pairs: RetrievalPairs): Relevance => {
  const { images, imageOfText, columnOfText } = pairs;
  const texts = imageOfText.length;
  if (columnOfText && columnOfText.length !== texts) {
    throw new ShapeError(`recall: expected a column for each of ${texts} texts, got ${columnOfText.length}`);
  }
  const imageOf = Float64Array.from({ length: texts }, (_, t) => imageOfText[t] ?? -1);
  const columnOf = Float64Array.from({ length: texts }, (_, t) => columnOfText?.[t] ?? t);
  for (let t = 0; t < texts; t += 1) {
    const [image, column] = [imageOf[t] as number, columnOf[t] as number];
    if (!(Number.isInteger(image) && image >= 0 && image < images)) {
      throw new ConfigError(`recall: expected images from 0 to ${images - 1}, got ${image} for text ${t}`);
    }
    if (!(Number.isInteger(column) && column >= 0)) {
      throw new ConfigError(`recall: expected columns from 0, got ${column} for text ${t}`);
    }
  }
  // Before anything of their number is allocated: there are at most as many images and columns as texts.
  const without = firstAbsent(imageOf);
  if (without < images) {
    throw new ConfigError(
      `recall: expected a text for every image, got none for image ${without}; leave it out`,
    );
  }
  const columns = columnOf.reduce((most, column) => Math.max(most, column + 1), 0);
  const unread = firstAbsent(columnOf);
  if (unread < columns) {
    throw new ConfigError(
      `recall: expected a caption for every column, got none for column ${unread}; leave it out`,
    );
  }
  const ofImage = Array.from({ length: images }, () => new Set<number>());
  const ofColumn = Array.from({ length: columns }, () => new Set<number>());
  for (const [t, image] of imageOf.entries()) {
    const column = columnOf[t] as number;
    ofImage[image]?.add(column);
    ofColumn[column]?.add(image);
  }
  return {
    columns,
    columnsOfImage: ofImage.map((indices) => [...indices]),
    imagesOfColumn: ofColumn.map((indices) => [...indices]),
  };
};

/** {@link RetrievalPairs} of n images with one text each, in the same order. */
export const onePerImage = (n: number): RetrievalPairs => ({
  imageOfText: Int32Array.from({ length: n }, (_, i) => i),
  images: n,
});

const recallsOf = (
  ranks: Ranks,
  at: { readonly gallery: number; readonly relevant: readonly number[]; readonly ks: readonly number[] },
): ReadonlyMap<number, Recall> => {
  const { gallery, relevant, ks } = at;
  return new Map(
    ks.map((k) => {
      const scores = topK(ranks, k);
      const sum = relevant.reduce((total, count) => total + chanceRecall({ gallery, relevant: count, k }), 0);
      return [k, Object.freeze({ ...scores, chance: sum / relevant.length })];
    }),
  );
};

/** Ranks of scores that are all equal. */
const equalRanks = ({
  gallery,
  relevant,
}: {
  readonly gallery: number;
  readonly relevant: readonly number[];
}): Ranks => ({
  better: new Int32Array(relevant.length),
  tied: new Int32Array(relevant.length).fill(gallery),
  right: Int32Array.from(relevant),
});

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
  const { images, imageOfText, columnOfText } = pairs;
  const texts = imageOfText.length;
  if (ks.length === 0) {
    throw new ConfigError('recall: expected at least one k, got none; [1, 5, 10] is usual');
  }
  const { columns, columnsOfImage, imagesOfColumn } = relevanceOf(pairs);
  if (images === 0 || texts === 0 || similarities.length !== images * columns) {
    throw new ShapeError(
      `recall: expected similarities of [${images} images, ${columns} texts] = ${images * columns} values, got ${similarities.length}`,
    );
  }
  const row = (image: number): CandidateLine => ({
    scores: similarities,
    start: image * columns,
    stride: 1,
    length: columns,
  });
  const column = (at: number): CandidateLine => ({
    scores: similarities,
    start: at,
    stride: columns,
    length: images,
  });
  const ofImages = ranksOf(
    'recall',
    columnsOfImage.map((right, image) => [row(image), right] as const),
  );
  const ofColumns = ranksOf(
    'recall',
    imagesOfColumn.map((right, at) => [column(at), right] as const),
  );
  // Captions that read the same are as many queries with one answer.
  const columnOf = Int32Array.from({ length: texts }, (_, t) => columnOfText?.[t] ?? t);
  const spread = (values: Int32Array): Int32Array => columnOf.map((at) => values[at] ?? 0);
  const ofTexts: Ranks = {
    better: spread(ofColumns.better),
    tied: spread(ofColumns.tied),
    right: spread(ofColumns.right),
  };
  const ofImage = { gallery: columns, relevant: columnsOfImage.map((right) => right.length) };
  const ofText = {
    gallery: images,
    relevant: Array.from(columnOf, (at) => imagesOfColumn[at]?.length ?? 1),
  };
  const imageToText = recallsOf(ofImages, { ...ofImage, ks });
  const textToImage = recallsOf(ofTexts, { ...ofText, ks });
  const all = [...imageToText.values(), ...textToImage.values()];
  return Object.freeze({
    textRanks: expectedRanks(ofImages),
    imageRanks: expectedRanks(ofTexts),
    imageToText,
    textToImage,
    ranks: Object.freeze({
      imageToText: { ranks: ofImages, chance: equalRanks(ofImage) },
      textToImage: { ranks: ofTexts, chance: equalRanks(ofText) },
    }),
    mean: all.reduce((sum, { value }) => sum + value, 0) / all.length,
    gallery: Object.freeze({ images, texts, distinctTexts: columns }),
  });
};
