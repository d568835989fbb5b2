/** Predictions about pictures: any class names, and texts that look for pictures. */
import { ConfigError, excerpt } from '@polygate/core';
import { namesAlike } from '@polygate/datasets';
import type { ImagePatches } from '@polygate/modalities';
import { nameCandidates, segmentRows } from '@polygate/tasks';
import { encodeCandidates } from './models/uni-perceiver/features.ts';
import type { Generalist } from './models/uni-perceiver/uni-perceiver-model.ts';
import { servingTask } from './serving.ts';
import { largest, pictureFeatures, scoresOf, softmaxRows } from './similarity.ts';

export interface LabelPrediction {
  readonly label: string;
  /** Of the softmax over the given labels. */
  readonly probability: number;
}

/** Labels to choose from. */
export interface LabelChoice {
  /** Any words that differ. @default the names of the classes of the task that is asked */
  readonly labels?: readonly string[] | undefined;
  /** Classification task of the model that is asked. @default its first */
  readonly task?: string | undefined;
}

/** A text that looks for pictures. */
export interface TextQuery {
  readonly text: string;
  /** Retrieval task of the model that is asked. @default its first */
  readonly task?: string | undefined;
}

/** Texts to choose from. */
export interface TextChoice {
  readonly texts: readonly string[];
  /** Retrieval task of the model that is asked. @default its first */
  readonly task?: string | undefined;
}

const isWords = (choice: readonly string[] | LabelChoice): choice is readonly string[] =>
  Array.isArray(choice);

/** Names of the classes that a task of a model was trained on. @throws ConfigError where the model doesn't say */
const classesOf = ({ config }: Generalist, task: string | undefined): readonly string[] => {
  const classes = config.tasks?.find(({ name }) => name === task)?.classes;
  if (classes) return classes;
  throw new ConfigError(
    `classify: expected labels, since the model does not say the names of ${task === undefined ? 'any classes' : `the classes of "${task}"`}; give words to choose from`,
    { code: 'no-classes', fields: { task } },
  );
};

/**
 * Labels of each picture, likeliest first. Any words do: they are encoded as class names.
 * @throws ConfigError for no labels, or two that are the same, and where the model doesn't know the names of its classes
 */
export const classify = async (
  model: Generalist,
  images: ImagePatches,
  choice: readonly string[] | LabelChoice = {},
): Promise<readonly (readonly LabelPrediction[])[]> => {
  const { labels: given, task: asked }: LabelChoice = isWords(choice) ? { labels: choice } : choice;
  const task = servingTask(model.config, 'image-classification', { task: asked });
  const labels = given ?? classesOf(model, task);
  if (labels.length === 0 || new Set(labels).size !== labels.length) {
    throw new ConfigError(
      `classify: expected one or more labels that differ, got ${labels.length === 0 ? 'none' : labels.join(', ')}`,
    );
  }
  const alike = given && namesAlike(given);
  if (alike) {
    throw new ConfigError(
      `classify: expected labels that differ in letters or digits, got ${excerpt(alike[0])} and ${excerpt(alike[1])}, which read the same; leave one out, or give another name`,
      { code: 'labels-alike', fields: { labels: alike } },
    );
  }
  const set = nameCandidates('labels', labels, {
    tokenizer: model.tokenizer,
    row: segmentRows.name,
    maximum: model.config.maximumTokens ?? 50,
  });
  const queries = pictureFeatures(model, images, task);
  try {
    const candidates = model.candidateFeatures(set.whole(), task);
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
  query: string | TextQuery,
  images: ImagePatches,
): Promise<readonly PictureMatch[]> => {
  const { text, task: asked } = typeof query === 'string' ? { text: query, task: undefined } : query;
  const task = servingTask(model.config, 'image-text-retrieval', { task: asked });
  const set = nameCandidates('query', [text], {
    tokenizer: model.tokenizer,
    row: segmentRows.caption,
    maximum: model.config.maximumTokens ?? 50,
  });
  const queries = pictureFeatures(model, images, task);
  const candidates = encodeCandidates(model, set.whole().sequences, { task });
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
  choice: readonly string[] | TextChoice,
): Promise<Int32Array> => {
  const { texts, task: asked } = 'texts' in choice ? choice : { texts: choice, task: undefined };
  const task = servingTask(model.config, 'image-text-retrieval', { task: asked });
  const set = nameCandidates('gallery', texts, {
    tokenizer: model.tokenizer,
    row: segmentRows.caption,
    maximum: model.config.maximumTokens ?? 50,
  });
  const queries = pictureFeatures(model, images, task);
  const candidates = encodeCandidates(model, set.whole().sequences, { chunk: TEXTS_AT_ONCE, task });
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
