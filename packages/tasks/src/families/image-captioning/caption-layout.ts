/**
 * The captioning layout of Uni-Perceiver: [SPE][visual][w1 .. wL][s1 .. sL]. Every s_i is the query token <|spe|> with the
 * position of w_i; it sees the image, the words before w_i and itself, and predicts w_i (w_L is the end token). One pass
 * trains all positions.
 *
 * B captions · N patches · L words with the end token, of the longest · T = 1 + N + 2L
 */
import type { AttributeRow } from '@polygate/attributes';
import { ShapeError } from '@polygate/core';
import { textSegment, visualSegment, type ImagePatches, type SequenceBatch } from '@polygate/modalities';

export interface CaptionLayoutOptions {
  readonly imageRow: AttributeRow;
  readonly textRow: AttributeRow;
  /** <|spe|> */
  readonly queryToken: number;
  /** Fills short captions; never seen. */
  readonly padding: number;
}

/**
 * [T * T] visibility of the layout: prefix and image see themselves; w_i sees the image and w_1..w_i; s_i sees the
 * image, w_1..w_(i-1) and itself.
 */
export const captionVisibility = (patchCount: number, words: number): Uint8Array => {
  const head = 1 + patchCount;
  const total = head + 2 * words;
  const visibility = new Uint8Array(total * total);
  for (let query = 0; query < total; query += 1) {
    visibility.fill(1, query * total, query * total + head);
    if (query < head) continue;
    const isWord = query < head + words;
    const i = isWord ? query - head : query - head - words;
    visibility.fill(1, query * total + head, query * total + head + (isWord ? i + 1 : i));
    if (!isWord) visibility[query * total + query] = 1;
  }
  return visibility;
};

export interface CaptionLayout {
  readonly sequences: SequenceBatch;
  /** Flat positions in [B * T] of the s_i of real words, row by row. */
  readonly queries: Int32Array;
  /** The word that each query predicts. */
  readonly labels: Int32Array;
}

/**
 * Lays out images with their ended captions, one each.
 * @throws ShapeError when the counts differ or a caption is empty
 */
export const captionLayout = (
  images: ImagePatches,
  captions: readonly Int32Array[],
  options: CaptionLayoutOptions,
): CaptionLayout => {
  const { imageRow, textRow, queryToken, padding } = options;
  if (captions.length !== images.size || captions.some((caption) => caption.length === 0)) {
    throw new ShapeError(
      `captionLayout: expected ${images.size} captions of one token or more, got ${captions.length} of lengths ${captions
        .map((caption) => caption.length)
        .join(', ')}`,
    );
  }
  const size = images.size;
  const words = captions.reduce((most, caption) => Math.max(most, caption.length), 0);
  const head = 1 + images.patchCount;
  const total = head + 2 * words;
  const ids = new Int32Array(size * 2 * words).fill(padding);
  const keyPadding = new Uint8Array(size * total);
  const queries: number[] = [];
  const labels: number[] = [];
  captions.forEach((caption, b) => {
    ids.set(caption, b * 2 * words);
    ids.fill(queryToken, (2 * b + 1) * words, (2 * b + 1) * words + caption.length);
    keyPadding.fill(1, b * total + head + caption.length, b * total + head + words);
    keyPadding.fill(1, b * total + head + words + caption.length, (b + 1) * total);
    caption.forEach((word, i) => {
      queries.push(b * total + head + words + i);
      labels.push(word);
    });
  });
  const positions = Int32Array.from({ length: 2 * words }, (_, i) => i % words);
  return {
    sequences: {
      size,
      segments: [
        visualSegment(images, imageRow),
        textSegment({ ids, length: 2 * words, positions }, textRow),
      ],
      length: total,
      ...(keyPadding.includes(1) ? { keyPadding } : {}),
      visibility: captionVisibility(images.patchCount, words),
    },
    queries: Int32Array.from(queries),
    labels: Int32Array.from(labels),
  };
};
