/** The predict stage: what the model of a run says about pictures and texts, as values. */
import { ConfigError } from '@polygate/core';
import {
  caption,
  classify,
  fill,
  patchesOf,
  retrieve,
  type CaptionPrediction,
  type LabelPrediction,
  type WordPrediction,
} from '@polygate/generalist';
import { relative } from 'node:path';
import { pictureFiles, pictureFilesOf } from './picture-files.ts';
import { predictEach, readPictures, type PicturePredictions, type SkippedPicture } from './predict-each.ts';
import { warnUntrained, withModel, type PredictContext, type PredictOptions } from './session.ts';

/** Pictures that are asked about. */
export interface PicturesOptions extends PredictOptions {
  /** Files, folders (searched with their sub-folders) and patterns such as `photos/*.jpg`. */
  readonly images: readonly string[];
  /** What is done with a file that can't be read: it is listed, or ends the work. @default 'skip' */
  readonly bad?: 'skip' | 'throw';
}

export interface ClassifyManyOptions extends PicturesOptions {
  /** Any words; two or more tell most. @default the names of the classes of the task that is asked */
  readonly labels?: readonly string[] | undefined;
}

/**
 * Labels of each picture, likeliest first. A file that can't be read is skipped, listed and logged.
 * @throws ConfigError where there is no picture, and for labels that repeat
 */
export const predictClasses = (
  options: ClassifyManyOptions,
  context: PredictContext = {},
): Promise<PicturePredictions<LabelPrediction>> =>
  withModel(options, context, async ({ model }) => {
    const { images, labels, task, bad } = options;
    return predictEach(model, await pictureFilesOf(images), {
      predict: (patches) => classify(model, patches, { labels, task }),
      ...(bad === undefined ? {} : { bad }),
      ...context,
    });
  });

export interface ClassifyOptions extends PredictOptions {
  /** Picture file. */
  readonly image: string;
  /** Any words; two or more tell most. @default the names of the classes of the task that is asked */
  readonly labels?: readonly string[] | undefined;
}

/**
 * Labels of one picture, likeliest first.
 * @throws StateError for a missing or unreadable file, FormatError for one that is no picture
 */
export const predictClass = async (
  options: ClassifyOptions,
  context: PredictContext = {},
): Promise<readonly LabelPrediction[]> =>
  withModel(options, context, async ({ model }) => {
    const { image, labels, task } = options;
    const { pictures } = await predictEach(model, [image], {
      predict: (patches) => classify(model, patches, { labels, task }),
      bad: 'throw',
      ...context,
    });
    return pictures[0]?.predictions ?? [];
  });

/** Settings of the search for captions. */
export interface CaptionSearch {
  /** @default 3 */
  readonly beam?: number;
  /** Most tokens, end token included. @default 32 */
  readonly maximumTokens?: number;
  /** Power of the length that a sum of log p is divided by. @default 1 */
  readonly lengthPenalty?: number;
}

const searchOf = ({ beam, maximumTokens, lengthPenalty }: CaptionSearch): CaptionSearch => ({
  ...(beam === undefined ? {} : { beam }),
  ...(maximumTokens === undefined ? {} : { maximumTokens }),
  ...(lengthPenalty === undefined ? {} : { lengthPenalty }),
});

export interface CaptionManyOptions extends PicturesOptions, CaptionSearch {}

/** Captions of each picture, best first; files that can't be read as in {@link predictClasses}. */
export const predictCaptions = (
  options: CaptionManyOptions,
  context: PredictContext = {},
): Promise<PicturePredictions<CaptionPrediction>> =>
  withModel(options, context, async ({ model }) => {
    const { images, task, bad } = options;
    warnUntrained(model, 'image-captioning', context);
    return predictEach(model, await pictureFilesOf(images), {
      predict: (patches) => caption(model, patches, { task, ...searchOf(options) }),
      ...(bad === undefined ? {} : { bad }),
      ...context,
    });
  });

export interface CaptionImageOptions extends PredictOptions, CaptionSearch {
  /** Picture file. */
  readonly image: string;
}

/** Captions of one picture, best first; at most `beam`. @throws as {@link predictClass} */
export const predictCaption = async (
  options: CaptionImageOptions,
  context: PredictContext = {},
): Promise<readonly CaptionPrediction[]> =>
  withModel(options, context, async ({ model }) => {
    const { image, task } = options;
    warnUntrained(model, 'image-captioning', context);
    const { pictures } = await predictEach(model, [image], {
      predict: (patches) => caption(model, patches, { task, ...searchOf(options) }),
      bad: 'throw',
      ...context,
    });
    return pictures[0]?.predictions ?? [];
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
  readonly skipped: readonly SkippedPicture[];
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
    warnUntrained(model, 'image-text-retrieval', context);
    const skipped: SkippedPicture[] = [];
    const read = await readPictures(model, await pictureFiles(folder), {
      skip: ({ path, reason }) => void skipped.push({ path: relative(folder, path), reason }),
      ...context,
    });
    if (read.length === 0) {
      throw new ConfigError(
        `retrieve: expected pictures that can be read in ${folder}, got ${skipped.length} that can't; the first: ${skipped[0]?.reason ?? ''}`,
      );
    }
    const pixels = read.map((each) => each.pixels);
    const matches = await retrieve(model, { text, task: options.task }, patchesOf(pixels, model.image));
    return {
      pictures: matches
        .slice(0, count)
        .map(({ index, similarity }) => ({ path: relative(folder, read[index]?.path ?? ''), similarity })),
      searched: read.length,
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
  withModel(options, context, ({ model }) => {
    warnUntrained(model, 'masked-language-modelling', context);
    return fill(model, options.text, {
      task: options.task,
      ...(options.count === undefined ? {} : { count: options.count }),
    });
  });
