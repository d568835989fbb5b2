/**
 * What a family answers when a model is asked: a verb with what it is given, its options, and the form of its answer. The
 * command line and `openPredictor` are made of these.
 */
import type { Logger } from '@polygate/core';
import type { TaskModel } from '../model.ts';
import type { ImagePatches } from '@polygate/modalities';

/** An option of a verb. */
export interface PredictOption {
  /** Key in the record of options. */
  readonly name: string;
  /** As on the command line, without dashes. @default the name */
  readonly flag?: string;
  /** `count` is a whole number above 0, `number` one of 0 or more, `words` a list of texts separated by commas. */
  readonly type: 'count' | 'number' | 'words' | 'text' | 'choice';
  /** One line for `--help`. */
  readonly summary: string;
  /** Largest count. @default 2 ** 20 */
  readonly most?: number;
  /** What a `choice` is between. */
  readonly choices?: readonly string[];
}

/**
 * Options of a call, by name; `task` is the task of the model that is asked, `first` the place of the first sample among
 * all that are asked about, which draws are keyed by.
 */
export type PredictOptions = {
  readonly task?: string | undefined;
  readonly first?: number | undefined;
} & Readonly<Record<string, unknown>>;

/** Options of a call as a family types its own. */
export type Asked<Options extends object> = PredictOptions & Options;

interface PredictorFacts<Verb extends string> {
  /** Word of the command line. */
  readonly verb: Verb;
  /** One line for `--help`. */
  readonly summary: string;
  readonly options?: readonly PredictOption[];
  /** Key of the answers in JSON. */
  readonly key: string;
}

/** Answers about each of many images. */
export interface ImagePredictor<
  Answer = unknown,
  Options extends object = object,
  Verb extends string = string,
> extends PredictorFacts<Verb> {
  readonly input: 'images';
  /** @returns answers of each image, best first */
  predict(
    model: TaskModel,
    images: ImagePatches,
    options: Asked<Options>,
  ): Promise<readonly (readonly Answer[])[]>;
  /** The answers of one image as text. */
  format(answers: readonly Answer[]): string;
}

/** Answers about each of many texts. */
export interface TextPredictor<
  Answer = unknown,
  Options extends object = object,
  Verb extends string = string,
> extends PredictorFacts<Verb> {
  readonly input: 'texts';
  /** @returns answers of each text, best first */
  predict(
    model: TaskModel,
    texts: readonly string[],
    options: Asked<Options>,
  ): Promise<readonly (readonly Answer[])[]>;
  /** The answers of one text as text. */
  format(answers: readonly Answer[], text: string): string;
}

/** How files are read for a model: as the suite that it was trained on was prepared. */
export interface FileReading {
  /** How a frame becomes a square. @default 'contain' */
  readonly fit?: 'contain' | 'cover';
  /** Colour under transparent parts and beside the frame. @default '#ffffff' */
  readonly background?: string;
  readonly logger?: Logger;
}

/** Items of a gallery that the family finds and reads itself, such as clips. */
export interface GalleryItems {
  /** What one of them is, in one word, such as `clip`; the option that names their folder is `--clips`. */
  readonly item: string;
  /** Paths of those below a folder, in a fixed order. @throws where the folder can't be read */
  find(folder: string): Promise<readonly string[]>;
  /**
   * One of them, as `predict` takes it: as many rows of patches for each.
   * @throws StateError for a path that can't be read, FormatError for one that is none of the family's
   */
  read(
    model: TaskModel,
    path: string,
    options: PredictOptions & { readonly reading: FileReading },
  ): Promise<ImagePatches>;
}

/** Images, or what else stands in a gallery, that go with a text. */
export interface GalleryPredictor<
  Options extends object = object,
  Verb extends string = string,
> extends PredictorFacts<Verb> {
  readonly input: 'gallery';
  /** @default images, one row of patches each */
  readonly items?: GalleryItems;
  /** @returns indices of items with their similarity, best first */
  predict(
    model: TaskModel,
    query: { readonly text: string; readonly images: ImagePatches },
    options: Asked<Options>,
  ): Promise<readonly { readonly index: number; readonly similarity: number }[]>;
}

/** The answers about a row of a table, best first, or why there are none. */
export type RowAnswers<Answer> =
  | { readonly row: string; readonly answers: readonly Answer[] }
  | { readonly row: string; readonly reason: string };

/** Answers about a file or a folder that the family reads itself: a clip, a recording, a series of numbers. */
export interface FilePredictor<
  Answer = unknown,
  Options extends object = object,
  Verb extends string = string,
> extends PredictorFacts<Verb> {
  readonly input: 'files';
  /** What one argument of the command line is, in one word, such as `clip`. */
  readonly argument: string;
  /**
   * @returns answers about `path`, best first
   * @throws StateError for a path that can't be read, FormatError for one that is none of the family's
   */
  predict(
    model: TaskModel,
    path: string,
    options: Asked<Options> & { readonly reading: FileReading },
  ): Promise<readonly Answer[]>;
  /**
   * Answers about each row of a table, in the order of the rows.
   * @throws ConfigError for a table that has none of the inputs
   * @default the family reads no tables
   */
  predictTable?(
    model: TaskModel,
    table: string,
    options: Asked<Options> & { readonly reading: FileReading },
  ): AsyncIterable<RowAnswers<Answer>>;
  /** The answers about one file as text. */
  format(answers: readonly Answer[]): string;
}

/** A family's verb, by what it is given. */
export type FamilyPredictor = ImagePredictor | TextPredictor | GalleryPredictor | FilePredictor;
