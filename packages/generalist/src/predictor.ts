/** A model that is kept and asked again and again: what a server or a script of another team needs of us. */
import { silentLogger, unknownName, type Logger } from '@polygate/core';
import {
  joinPatches,
  patchesOf,
  taskPredictors,
  type FamilyPredictor,
  type FilePredictor,
  type GalleryItems,
  type GalleryPredictor,
  type ImageMatch,
  type ImagePredictor,
  type NamedPredictor,
  type PredictOptions,
  type TextPredictor,
  type TextQuery,
} from '@polygate/tasks';
import type { ImagePatches } from '@polygate/modalities';
import type { Generalist } from './models/model.ts';
import { readImage, type ImageSource } from './images.ts';

/** Settings of {@link predictorOf}. */
export interface PredictorOptions {
  /** Images that are encoded at once. @default 32 */
  readonly batch?: number;
  /** Adapters on the model by name, which it takes over. @default none */
  readonly adapters?: ReadonlyMap<string, Generalist>;
  /** @default silent */
  readonly logger?: Logger;
}

/** One image or several: paths, the bytes of files, or pixels. */
export type ImageSources = ImageSource | readonly ImageSource[];

/** The method of a verb, by what its predictor is given. */
type VerbMethod<P> =
  P extends ImagePredictor<infer Answer, infer Options, infer _Verb>
    ? (images: ImageSources, options?: AskedOf<Options>) => Promise<readonly (readonly Answer[])[]>
    : P extends TextPredictor<infer Answer, infer Options, infer _Verb>
      ? OneOrMany<Answer, Options>
      : P extends FilePredictor<infer Answer, infer Options, infer _Verb>
        ? OneOrMany<Answer, Options>
        : P extends GalleryPredictor<infer Options, infer _Verb>
          ? (
              query: string | TextQuery,
              gallery: ImageSources,
              options?: AskedOf<Options>,
            ) => Promise<readonly ImageMatch[]>
          : never;

/** Options of a verb, and the task of the model that is asked. */
type AskedOf<Options> = Options & { readonly task?: string | undefined };

/** Texts or paths: one gives its answers, a list those of each. */
interface OneOrMany<Answer, Options> {
  (one: string, options?: AskedOf<Options>): Promise<readonly Answer[]>;
  (many: readonly string[], options?: AskedOf<Options>): Promise<readonly (readonly Answer[])[]>;
}

/**
 * One method for each verb of the task families, by its name: `predictor.classify(images)`,
 * `predictor['classify-text'](texts, { labels })`. Answers are best first, options are those of the verb's function
 * (`classify`, `caption`, `fill`, ... of @polygate/tasks), and what it throws comes with FormatError for bytes that are no
 * image and StateError for files that can't be read. Families of other packages have theirs once they are merged into
 * `NamedTaskFamilies` of @polygate/tasks.
 */
export type PredictorVerbs = {
  readonly [P in NamedPredictor as P['verb']]: VerbMethod<P>;
};

/** A loaded model. Calls may overlap: they are served one after the other. `dispose` frees the model. */
export interface Predictor extends PredictorVerbs, Disposable {
  /** For what this record doesn't do. */
  readonly model: Generalist;
  /** Names of the classes of each classification task, as far as the model says them. */
  readonly classes: ReadonlyMap<string, readonly string[]>;
  /** Names of its adapters. */
  readonly adapters: readonly string[];
  /**
   * The same model with one of its adapters. Freed with this one.
   * @throws ConfigError listing the adapters
   */
  adapter(name: string): Predictor;
  dispose(): void;
}

const listOf = (images: ImageSources): readonly ImageSource[] =>
  Array.isArray(images) ? (images as readonly ImageSource[]) : [images as ImageSource];

/** A function that runs what it is given one after the other. */
const oneByOne = (): (<A>(work: () => Promise<A>) => Promise<A>) => {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const next = last.then(work);
    last = next.catch(() => undefined);
    return next;
  };
};

/** A predictor whose work waits for that of others in a queue, as models that share weights do. */
const predictorOn = (
  model: Generalist,
  { batch = 32, logger = silentLogger, adapters = new Map() }: PredictorOptions,
  queue: ReturnType<typeof oneByOne>,
): Predictor => {
  const { fit, background } = model.config.image;
  const reading = {
    logger,
    ...(fit === undefined ? {} : { fit }),
    ...(background === undefined ? {} : { background }),
  };
  const read = async (images: readonly ImageSource[], first: number): Promise<ImagePatches> => {
    const pixels = await Promise.all(
      images.map((image, at) =>
        readImage(image, model.image, {
          ...reading,
          name: `number ${first + at}`,
        }),
      ),
    );
    return patchesOf(pixels, model.image);
  };
  const each = async <A>(
    images: ImageSources,
    predict: (images: ImagePatches, first: number) => Promise<readonly A[]>,
  ): Promise<readonly A[]> => {
    const all = listOf(images);
    const answers: A[] = [];
    for (let start = 0; start < all.length; start += batch) {
      const few = await read(all.slice(start, start + batch), start);
      answers.push(...(await queue(() => predict(few, start))));
    }
    return answers;
  };
  const readItems = async (
    items: GalleryItems,
    paths: readonly string[],
    options: Parameters<GalleryItems['read']>[2],
  ): Promise<ImagePatches> => {
    const parts: ImagePatches[] = [];
    for (const path of paths) parts.push(await items.read(model, path, options));
    return joinPatches(parts);
  };
  /** The method of a verb: its first argument is what it is given, the last its options. */
  const methodOf = (predictor: FamilyPredictor) => {
    if (predictor.input === 'images') {
      return (images: ImageSources, options: PredictOptions = {}) =>
        each(images, (few, first) => predictor.predict(model, few, { ...options, first }));
    }
    if (predictor.input === 'texts') {
      return async (texts: string | readonly string[], options: PredictOptions = {}) => {
        const all = typeof texts === 'string' ? [texts] : texts;
        const answers = await queue(() => predictor.predict(model, all, options));
        return typeof texts === 'string' ? answers[0] : answers;
      };
    }
    if (predictor.input === 'files') {
      return async (paths: string | readonly string[], options: PredictOptions = {}) => {
        const all = typeof paths === 'string' ? [paths] : paths;
        const answers: (readonly unknown[])[] = [];
        for (const path of all) {
          const first = answers.length;
          answers.push(await queue(() => predictor.predict(model, path, { ...options, reading, first })));
        }
        return typeof paths === 'string' ? answers[0] : answers;
      };
    }
    return async (query: string | TextQuery, images: ImageSources, options: PredictOptions = {}) => {
      const { text, task = options.task } = typeof query === 'string' ? { text: query } : query;
      const { items } = predictor;
      const patches = items
        ? await readItems(items, listOf(images) as readonly string[], { ...options, task, reading })
        : await read(listOf(images), 0);
      return queue(() => predictor.predict(model, { text, images: patches }, { ...options, task }));
    };
  };
  const verbs = Object.fromEntries(
    taskPredictors().map(({ predictor }) => [predictor.verb, methodOf(predictor)]),
  ) as unknown as PredictorVerbs;
  const classes = new Map(
    model.tasks.flatMap(({ name, classes: names }) => (names ? [[name, names] as const] : [])),
  );
  const adapted = new Map(
    [...adapters].map(([name, each]) => [name, predictorOn(each, { batch, logger }, queue)] as const),
  );
  const names = [...adapted.keys()];
  const dispose = (): void => {
    for (const each of adapted.values()) each.dispose();
    model.dispose();
  };
  return {
    ...verbs,
    model,
    classes,
    adapters: names,
    adapter(name) {
      const opened = adapted.get(name);
      if (opened) return opened;
      throw unknownName('adapter', name, names);
    },
    dispose,
    [Symbol.dispose]: dispose,
  };
};

/** A predictor around a model, which it takes over. */
export const predictorOf = (model: Generalist, options: PredictorOptions = {}): Predictor =>
  predictorOn(model, options, oneByOne());
