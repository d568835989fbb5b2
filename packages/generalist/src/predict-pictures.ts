/** Predictions about pictures: any class names, and texts that look for pictures. */
import { ConfigError } from '@polygate/core';
import { nameCandidates, segmentRows, type ImagePatches } from '@polygate/tasks';
import { encodeCandidates } from './features.ts';
import type { Generalist } from './generalist.ts';
import { largest, pictureFeatures, scoresOf, softmaxRows } from './similarity.ts';

export interface LabelPrediction {
  readonly label: string;
  /** Of the softmax over the given labels. */
  readonly probability: number;
}

/**
 * Labels of each picture, likeliest first. Any words do: they are encoded as class names.
 * @throws ConfigError for no labels, or two that are the same
 */
export const classify = async (
  model: Generalist,
  images: ImagePatches,
  labels: readonly string[],
): Promise<readonly (readonly LabelPrediction[])[]> => {
  if (labels.length === 0 || new Set(labels).size !== labels.length) {
    throw new ConfigError(
      `classify: expected one or more labels that differ, got ${labels.length === 0 ? 'none' : labels.join(', ')}`,
    );
  }
  const set = nameCandidates('labels', labels, {
    tokenizer: model.tokenizer,
    row: segmentRows.name,
    maximum: model.config.maximumTokens ?? 50,
  });
  const queries = pictureFeatures(model, images);
  try {
    const candidates = model.candidateFeatures(set.whole());
    const scores = await scoresOf(model, { queries, candidates }, 'image-classification');
    const probabilities = softmaxRows(scores, labels.length);
    return Array.from({ length: images.size }, (_, i) => {
      const own = probabilities.subarray(i * labels.length, (i + 1) * labels.length);
      return largest(own, labels.length).map((c) => ({ label: labels[c] ?? '', probability: own[c] ?? 0 }));
    });
  } finally {
    queries.dispose();
  }
};

export interface PictureMatch {
  /** Index of the picture. */
  readonly index: number;
  /** Cosine, -1 to 1. */
  readonly similarity: number;
}

/** Pictures by how well they go with a text, best first. @throws ConfigError for a text without a token */
export const retrieve = async (
  model: Generalist,
  text: string,
  images: ImagePatches,
): Promise<readonly PictureMatch[]> => {
  const set = nameCandidates('query', [text], {
    tokenizer: model.tokenizer,
    row: segmentRows.caption,
    maximum: model.config.maximumTokens ?? 50,
  });
  const queries = pictureFeatures(model, images);
  const candidates = encodeCandidates(model, set.whole().sequences);
  const factor = model.encoder.temperature('image-text-retrieval');
  try {
    const scores = await scoresOf(model, { queries, candidates }, 'image-text-retrieval');
    const [scale = 1] = await factor.data();
    return largest(scores, images.size).map((index) => ({ index, similarity: (scores[index] ?? 0) / scale }));
  } finally {
    queries.dispose();
    candidates.dispose();
    factor.dispose();
  }
};

/** Most texts that are encoded at once. */
const TEXTS_AT_ONCE = 512;

/**
 * The text of a gallery that goes best with each picture, by index.
 * @throws ConfigError for no texts, or one without a token
 */
export const retrieveTexts = async (
  model: Generalist,
  images: ImagePatches,
  texts: readonly string[],
): Promise<Int32Array> => {
  const set = nameCandidates('gallery', texts, {
    tokenizer: model.tokenizer,
    row: segmentRows.caption,
    maximum: model.config.maximumTokens ?? 50,
  });
  const queries = pictureFeatures(model, images);
  const candidates = encodeCandidates(model, set.whole().sequences, { chunk: TEXTS_AT_ONCE });
  try {
    const scores = await scoresOf(model, { queries, candidates }, 'image-text-retrieval');
    return Int32Array.from({ length: images.size }, (_, i) => {
      const own = scores.subarray(i * texts.length, (i + 1) * texts.length);
      return largest(own, 1)[0] ?? 0;
    });
  } finally {
    queries.dispose();
    candidates.dispose();
  }
};
