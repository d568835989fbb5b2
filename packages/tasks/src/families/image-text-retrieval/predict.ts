/** Texts that look for images, and images that look for texts. */
import { nameCandidates } from '../../candidates.ts';
import type { TaskModel } from '../../model.ts';
import { topIndices } from '../../scores.ts';
import { imageSequences, type ImagePatches } from '@polygate/modalities';
import { servingTask } from '../../serving.ts';
import { segmentRows } from '../../signatures.ts';
import type { TaskTargets } from '../../task.ts';
import type { GalleryPredictor } from '../predictor.ts';
import { RETRIEVAL_TEMPERATURE } from './collate.ts';

const RETRIEVAL = 'image-text-retrieval';

/** A text that looks for images. */
export interface TextQuery {
  readonly text: string;
  /** Retrieval task of the model that is asked. @default its first of the family */
  readonly task?: string | undefined;
  /** Family of the task. @default 'image-text-retrieval' */
  readonly family?: string;
  /** Rows of patches that are views of one sample, whose similarities are averaged. @default 1 */
  readonly views?: number;
}

/** Texts to choose from. */
export interface TextChoice {
  readonly texts: readonly string[];
  /** Retrieval task of the model that is asked. @default its first */
  readonly task?: string | undefined;
}

export interface ImageMatch {
  /** Index of the image. */
  readonly index: number;
  /** Cosine, -1 to 1. */
  readonly similarity: number;
}

/** Texts as targets that are encoded anew at each call: they are a user's. @throws ConfigError for one without a token */
const textTargets = (model: TaskModel, key: string, texts: readonly string[]): TaskTargets => ({
  ...nameCandidates(key, texts, {
    tokenizer: model.tokenizer,
    row: segmentRows.caption,
    maximum: model.maximumTokens,
  }).whole(),
  whole: false,
});

/** Means of the cosines of the views of each sample. */
const overViews = (cosines: Float32Array, views: number): Float32Array => {
  if (views === 1) return cosines;
  return Float32Array.from({ length: cosines.length / views }, (_, i) =>
    cosines.subarray(i * views, (i + 1) * views).reduce((sum, cosine) => sum + cosine / views, 0),
  );
};

/** Images, or clips, by how well they go with a text, best first. @throws ConfigError for a text without a token */
export const retrieve = async (
  model: TaskModel,
  query: string | TextQuery,
  images: ImagePatches,
): Promise<readonly ImageMatch[]> => {
  const {
    text,
    views = 1,
    family = RETRIEVAL,
    ...asked
  }: TextQuery = typeof query === 'string' ? { text: query } : query;
  const task = servingTask(model, family, asked);
  const all = await model.scores(
    {
      inputs: imageSequences(images, segmentRows.image),
      queries: 'prefix',
      targets: textTargets(model, 'query', [text]),
      temperature: RETRIEVAL_TEMPERATURE,
    },
    { task, scaled: false },
  );
  const cosines = overViews(all, views);
  return topIndices(cosines, cosines.length).map((index) => ({ index, similarity: cosines[index] ?? 0 }));
};

/**
 * The text of a gallery that goes best with each image, by index.
 * @throws ConfigError for no texts, or one without a token
 */
export const retrieveTexts = async (
  model: TaskModel,
  images: ImagePatches,
  choice: readonly string[] | TextChoice,
): Promise<Int32Array> => {
  const { texts, task: asked } = 'texts' in choice ? choice : { texts: choice, task: undefined };
  const task = servingTask(model, RETRIEVAL, { task: asked });
  const scores = await model.scores(
    {
      inputs: imageSequences(images, segmentRows.image),
      queries: 'prefix',
      targets: textTargets(model, 'gallery', texts),
      temperature: RETRIEVAL_TEMPERATURE,
    },
    { task },
  );
  return Int32Array.from({ length: images.size }, (_, i) => {
    const row = scores.subarray(i * texts.length, (i + 1) * texts.length);
    return topIndices(row, 1)[0] ?? 0;
  });
};

/** `predict retrieve`. */
export const imagePredictor: GalleryPredictor<object, 'retrieve'> = {
  verb: 'retrieve',
  summary: 'images of a folder that go best with a text',
  input: 'gallery',
  key: 'images',
  predict: (model, { text, images }, { task }) => retrieve(model, { text, task }, images),
};
