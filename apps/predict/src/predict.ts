/** The predict stage: what the model of a run says about images and texts, as values. The verbs are the task families'. */
import { ConfigError, FormatError, silentLogger, StateError, unknownName } from '@polygate/core';
import { warnUntrained, type Generalist } from '@polygate/generalist';
import {
  joinPatches,
  patchesOf,
  taskPredictors,
  type FamilyPredictor,
  type FileReading,
  type GalleryItems,
  type RowAnswers,
  type TaskFamily,
} from '@polygate/tasks';
import { relative } from 'node:path';
import { imageFiles, imageFilesOf } from './image-files.ts';
import {
  predictEach,
  readImages,
  type ImagePrediction,
  type ImagePredictions,
  type SkippedImage,
} from './predict-each.ts';
import { withModel, type PredictContext, type PredictOptions } from './session.ts';

type ImagePatches = ReturnType<typeof patchesOf>;
type Input = FamilyPredictor['input'];
type PredictorOf<I extends Input> = Extract<FamilyPredictor, { readonly input: I }>;

/** What a verb of an input is asked with, beside that input: options of the family by name. */
export type VerbOptions = PredictOptions & Readonly<Record<string, unknown>>;

/** The predictor of a verb. @throws ConfigError listing the verbs that are given such an input */
const verbOf = <I extends Input>(
  verb: string,
  input: I,
): { readonly family: TaskFamily; readonly predictor: PredictorOf<I> } => {
  const fitting = taskPredictors().filter(({ predictor }) => predictor.input === input);
  const chosen = fitting.find(({ predictor }) => predictor.verb === verb);
  if (chosen) return chosen as { readonly family: TaskFamily; readonly predictor: PredictorOf<I> };
  throw unknownName(
    `verb about ${input}`,
    verb,
    fitting.map(({ predictor }) => predictor.verb),
  );
};

/** What the family is told: its own options that are given, and the task. */
const askedOf = ({ options = [] }: FamilyPredictor, given: VerbOptions) => ({
  task: given.task,
  ...Object.fromEntries(
    options.flatMap(({ name }) => (given[name] === undefined ? [] : [[name, given[name]] as const])),
  ),
});

/** Images that are asked about. */
export interface ImagesOptions extends VerbOptions {
  /** Files, folders (searched with their sub-folders) and patterns such as `photos/*.jpg`. */
  readonly images: readonly string[];
  /** What is done with a file that can't be read: it is listed, or ends the work. @default 'skip' */
  readonly bad?: 'skip' | 'throw';
}

/**
 * Answers about each of many images, best first. A file that can't be read is skipped, listed and logged.
 * @param verb such as `classify` or `caption`
 * @throws ConfigError where there is no image, and for options that the verb refuses
 */
export const predictImages = <Answer>(
  verb: string,
  options: ImagesOptions,
  context: PredictContext = {},
): Promise<ImagePredictions<Answer>> => {
  const { family, predictor } = verbOf(verb, 'images');
  return withModel(options, context, async ({ model }) => {
    const { images, bad } = options;
    warnUntrained(model, family.name, context.logger ?? silentLogger);
    const answers = await predictEach(model, await imageFilesOf(images), {
      predict: (patches, first) =>
        predictor.predict(model, patches, { ...askedOf(predictor, options), first }),
      ...(bad === undefined ? {} : { bad }),
      ...context,
    });
    return answers as ImagePredictions<Answer>;
  });
};

export interface ImageOptions extends VerbOptions {
  /** Image file. */
  readonly image: string;
}

/**
 * Answers about one image, best first.
 * @throws StateError for a missing or unreadable file, FormatError for one that is no image
 */
export const predictImage = async <Answer>(
  verb: string,
  options: ImageOptions,
  context: PredictContext = {},
): Promise<readonly Answer[]> => {
  const { image, ...rest } = options;
  const { images } = await predictImages<Answer>(verb, { ...rest, images: [image], bad: 'throw' }, context);
  return images[0]?.predictions ?? [];
};

/** How the family reads files itself. */
const readingOf = ({ config }: Generalist, { logger = silentLogger }: PredictContext): FileReading => {
  const { fit, background } = config.image;
  return {
    logger,
    ...(fit === undefined ? {} : { fit }),
    ...(background === undefined ? {} : { background }),
  };
};

/** Codes of errors that say of a model's numbers that they are not finite. */
const NOT_FINITE: ReadonlySet<string> = new Set(['nan-score', 'logits-not-finite']);

/** Whether an error says of a file that it can't be read, so that others may be. */
const isOfFile = (error: unknown): error is FormatError | StateError =>
  error instanceof FormatError || (error instanceof StateError && !NOT_FINITE.has(error.code));

/** Files or folders that the family reads itself, such as clips. */
export interface FilesOptions extends VerbOptions {
  readonly paths: readonly string[];
  /** What is done with a path that can't be read: it is listed, or ends the work. @default 'skip' */
  readonly bad?: 'skip' | 'throw';
}

/**
 * Answers about each of many files, best first. One that can't be read is skipped, listed and logged.
 * @param verb such as `watch`
 */
export const predictFiles = <Answer>(
  verb: string,
  options: FilesOptions,
  context: PredictContext = {},
): Promise<ImagePredictions<Answer>> => {
  const { family, predictor } = verbOf(verb, 'files');
  return withModel(options, context, async ({ model }) => {
    const { paths, bad = 'skip' } = options;
    const { logger = silentLogger } = context;
    warnUntrained(model, family.name, context.logger ?? silentLogger);
    const reading = readingOf(model, context);
    const images: ImagePrediction<Answer>[] = [];
    const skipped: SkippedImage[] = [];
    for (const path of paths) {
      try {
        const asked = { ...askedOf(predictor, options), reading, first: images.length };
        const answers = await predictor.predict(model, path, asked);
        images.push({ image: path, predictions: answers as readonly Answer[] });
      } catch (error) {
        if (bad === 'throw' || !isOfFile(error)) throw error;
        logger.warn(`skipped: ${error.message}`);
        skipped.push({ path, reason: error.message });
      }
    }
    return { images, skipped };
  });
};

/** A table whose rows are asked about. */
export interface TableOptions<Answer> extends VerbOptions {
  /** CSV, JSON lines or Parquet, with the columns that the model was trained on. */
  readonly table: string;
  /** Told of each row in its order: its answers, or why there are none. */
  readonly onRow: (row: RowAnswers<Answer>) => void;
}

/**
 * Answers about each row of a table, best first, as they come. Rows that can't be read have a reason in their place.
 * @param verb such as `classify-sample`
 * @returns rows that were answered, and those that were not
 * @throws ConfigError for a verb that reads no tables, and a table without the model's columns
 */
export const predictTable = <Answer>(
  verb: string,
  options: TableOptions<Answer>,
  context: PredictContext = {},
): Promise<{ readonly answered: number; readonly left: number }> => {
  const { family, predictor } = verbOf(verb, 'files');
  if (!predictor.predictTable)
    throw new ConfigError(
      `predict ${verb}: expected a verb that answers for rows of tables, got one that reads files alone`,
      { code: 'no-tables' },
    );
  const { table, onRow, ...others } = options;
  return withModel(others, context, async ({ model }) => {
    warnUntrained(model, family.name, context.logger ?? silentLogger);
    const asked = { ...askedOf(predictor, others), reading: readingOf(model, context) };
    let [answered, left] = [0, 0];
    for await (const row of predictor.predictTable?.(model, table, asked) ?? []) {
      if ('reason' in row) left += 1;
      else answered += 1;
      onRow(row as RowAnswers<Answer>);
    }
    return { answered, left };
  });
};

export interface TextsOptions extends VerbOptions {
  readonly texts: readonly string[];
}

/** Answers about each of some texts, best first. @param verb such as `fill` */
export const predictTexts = <Answer>(
  verb: string,
  options: TextsOptions,
  context: PredictContext = {},
): Promise<readonly (readonly Answer[])[]> => {
  const { family, predictor } = verbOf(verb, 'texts');
  return withModel(options, context, async ({ model }) => {
    warnUntrained(model, family.name, context.logger ?? silentLogger);
    const answers = await predictor.predict(model, options.texts, askedOf(predictor, options));
    return answers as readonly (readonly Answer[])[];
  });
};

export interface GalleryOptions extends VerbOptions {
  readonly text: string;
  /** Folder of images; its sub-folders are searched too. */
  readonly images: string;
  /** Images that are listed. @default 5 */
  readonly count?: number;
}

export interface RetrievedImage {
  /** Path inside the folder. */
  readonly path: string;
  /** Cosine, -1 to 1. */
  readonly similarity: number;
}

export interface Retrieval {
  /** Best first. */
  readonly images: readonly RetrievedImage[];
  /** Images that were compared. */
  readonly searched: number;
  /** Files that are no images that can be read, with the reason. */
  readonly skipped: readonly SkippedImage[];
}

/** A gallery that was read: a path for each item, and their patches; none where nothing could be read. */
interface ReadGallery {
  readonly paths: readonly string[];
  readonly patches?: ImagePatches;
}

interface ReadOptions extends PredictContext {
  readonly skip: (skipped: SkippedImage) => void;
}

const readGallery = async (model: Generalist, folder: string, options: ReadOptions): Promise<ReadGallery> => {
  const read = await readImages(model, await imageFiles(folder), options);
  const pixels = read.map((each) => each.pixels);
  return {
    paths: read.map(({ path }) => path),
    ...(read.length > 0 ? { patches: patchesOf(pixels, model.image) } : {}),
  };
};

const readItems = async (
  model: Generalist,
  folder: string,
  options: ReadOptions & {
    readonly items: GalleryItems;
    readonly asked: { readonly task?: string | undefined };
  },
): Promise<ReadGallery> => {
  const { items, asked, skip, logger = silentLogger } = options;
  const names = await items.find(folder);
  if (names.length === 0) {
    throw new ConfigError(`predict: expected ${items.item}s in ${folder}, got none; give another folder`, {
      fields: { folder },
    });
  }
  const paths: string[] = [];
  const parts: ImagePatches[] = [];
  for (const path of names) {
    try {
      parts.push(await items.read(model, path, { ...asked, reading: readingOf(model, options) }));
      paths.push(path);
    } catch (error) {
      if (!isOfFile(error)) throw error;
      logger.warn(`skipped: ${error.message}`);
      skip({ path, reason: error.message });
    }
  }
  return { paths, ...(parts.length > 0 ? { patches: joinPatches(parts) } : {}) };
};

/**
 * The images of a folder, or what else the family finds there, that go best with a text. A file that can't be decoded is skipped, listed and logged.
 * @param verb such as `retrieve`
 * @throws StateError for an unreadable folder, ConfigError for one without images
 */
export const predictGallery = (
  verb: string,
  options: GalleryOptions,
  context: PredictContext = {},
): Promise<Retrieval> => {
  const { family, predictor } = verbOf(verb, 'gallery');
  return withModel(options, context, async ({ model }) => {
    const { images: folder, text, count = 5 } = options;
    warnUntrained(model, family.name, context.logger ?? silentLogger);
    const skipped: SkippedImage[] = [];
    const skip = ({ path, reason }: SkippedImage): void =>
      void skipped.push({ path: relative(folder, path), reason });
    const asked = askedOf(predictor, options);
    const { items } = predictor;
    const read = items
      ? await readItems(model, folder, { items, asked, skip, ...context })
      : await readGallery(model, folder, { skip, ...context });
    if (!read.patches) {
      const item = items?.item ?? 'image';
      throw new ConfigError(
        `${verb}: expected ${item}s that can be read in ${folder}, got ${skipped.length} that can't; the first: ${skipped[0]?.reason ?? ''}`,
      );
    }
    const query = { text, images: read.patches };
    const matches = await predictor.predict(model, query, asked);
    return {
      images: matches
        .slice(0, count)
        .map(({ index, similarity }) => ({ path: relative(folder, read.paths[index] ?? ''), similarity })),
      searched: read.paths.length,
      skipped,
    };
  });
};
