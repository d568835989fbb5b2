/** The predict stage: what the model of a run says about pictures and texts, as values. */
import { ConfigError, PolygateError, silentLogger } from '@polygate/core';
import {
  caption,
  classify,
  fill,
  patchesOf,
  readPicture,
  retrieve,
  type CaptionPrediction,
  type LabelPrediction,
  type WordPrediction,
} from '@polygate/generalist';
import { relative } from 'node:path';
import { pictureFiles } from './picture-files.ts';
import { withModel, type PredictContext, type PredictOptions } from './session.ts';

export interface ClassifyOptions extends PredictOptions {
  /** Picture file. */
  readonly image: string;
  /** Any words; two or more tell most. */
  readonly labels: readonly string[];
}

/** Labels of a picture, likeliest first. */
export const predictClass = (
  options: ClassifyOptions,
  context: PredictContext = {},
): Promise<readonly LabelPrediction[]> =>
  withModel(options, context, async ({ model }) => {
    const pixels = await readPicture(options.image, model.image);
    const [labels = []] = await classify(model, patchesOf([pixels], model.image), {
      labels: options.labels,
      task: options.task,
    });
    return labels;
  });

export interface CaptionImageOptions extends PredictOptions {
  /** Picture file. */
  readonly image: string;
  /** @default 3 */
  readonly beam?: number;
  /** Most tokens, end token included. @default 32 */
  readonly maximumTokens?: number;
  /** Power of the length that a sum of log p is divided by. @default 1 */
  readonly lengthPenalty?: number;
}

/** Captions of a picture, best first; at most `beam`. */
export const predictCaption = (
  options: CaptionImageOptions,
  context: PredictContext = {},
): Promise<readonly CaptionPrediction[]> =>
  withModel(options, context, async ({ model }) => {
    const pixels = await readPicture(options.image, model.image);
    const { beam, maximumTokens, lengthPenalty, task } = options;
    const [captions = []] = await caption(model, patchesOf([pixels], model.image), {
      task,
      ...(beam === undefined ? {} : { beam }),
      ...(maximumTokens === undefined ? {} : { maximumTokens }),
      ...(lengthPenalty === undefined ? {} : { lengthPenalty }),
    });
    return captions;
  });

export interface RetrieveOptions extends PredictOptions {
  readonly text: string;
  /** Folder of pictures; its sub-folders are searched too. */
  readonly images: string;
  /** Pictures that are listed. @default 5 */
  readonly count?: number;
}

export interface RetrievedPicture {
  /** Path inside the folder. */
  readonly path: string;
  /** Cosine, -1 to 1. */
  readonly similarity: number;
}

export interface Retrieval {
  /** Best first. */
  readonly pictures: readonly RetrievedPicture[];
  /** Pictures that were compared. */
  readonly searched: number;
  /** Files that are no pictures that can be read, with the reason. */
  readonly skipped: readonly { readonly path: string; readonly reason: string }[];
}

/**
 * The pictures of a folder that go best with a text. A file that can't be decoded is skipped, listed and logged.
 * @throws StateError for an unreadable folder, ConfigError for one without pictures
 */
export const predictRetrieval = (
  options: RetrieveOptions,
  context: PredictContext = {},
): Promise<Retrieval> =>
  withModel(options, context, async ({ model }) => {
    const { images: folder, text, count = 5 } = options;
    const { logger = silentLogger } = context;
    const paths: string[] = [];
    const pictures: Uint8Array[] = [];
    const skipped: { path: string; reason: string }[] = [];
    for (const file of await pictureFiles(folder)) {
      try {
        pictures.push(await readPicture(file, model.image));
        paths.push(relative(folder, file));
      } catch (error) {
        if (!(error instanceof PolygateError)) throw error;
        logger.warn(`skipped: ${error.message}`);
        skipped.push({ path: relative(folder, file), reason: error.message });
      }
    }
    if (pictures.length === 0) {
      throw new ConfigError(
        `retrieve: expected pictures that can be read in ${folder}, got ${skipped.length} that can't; the first: ${skipped[0]?.reason ?? ''}`,
      );
    }
    const matches = await retrieve(model, { text, task: options.task }, patchesOf(pictures, model.image));
    return {
      pictures: matches
        .slice(0, count)
        .map(({ index, similarity }) => ({ path: paths[index] ?? '', similarity })),
      searched: pictures.length,
      skipped,
    };
  });

export interface FillOptions extends PredictOptions {
  /** With one blank `___` or more. */
  readonly text: string;
  /** Words for each blank. @default 5 */
  readonly count?: number;
}

/** Words for each blank of a text, likeliest first. */
export const predictFill = (
  options: FillOptions,
  context: PredictContext = {},
): Promise<readonly (readonly WordPrediction[])[]> =>
  withModel(options, context, ({ model }) =>
    fill(model, options.text, {
      task: options.task,
      ...(options.count === undefined ? {} : { count: options.count }),
    }),
  );
