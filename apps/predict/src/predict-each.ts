/** One prediction for each of many images in one start: read, decoded and predicted in pieces that bound the memory. */
import { PolygateError, silentLogger, type Logger } from '@polygate/core';
import { readImage, type Generalist } from '@polygate/generalist';
import { patchesOf } from '@polygate/tasks';

/** Images that are decoded and predicted at once. */
const AT_ONCE = 64;

/** What is said of one image. */
export interface ImagePrediction<A> {
  /** Path of the file. */
  readonly image: string;
  /** Best first. */
  readonly predictions: readonly A[];
}

/** A file that can't be read as an image. */
export interface SkippedImage {
  readonly path: string;
  readonly reason: string;
}

/** What is said of many images. */
export interface ImagePredictions<A> {
  /** In the order in which the files were given. */
  readonly images: readonly ImagePrediction<A>[];
  readonly skipped: readonly SkippedImage[];
}

export interface EachOptions<A> {
  /** @param first place of the first image among all files */
  readonly predict: (
    images: ReturnType<typeof patchesOf>,
    first: number,
  ) => Promise<readonly (readonly A[])[]>;
  /** What is done with files that can't be read: they are listed, or the first one ends the work. @default 'skip' */
  readonly bad?: 'skip' | 'throw';
  readonly logger?: Logger;
}

/** Decodes images as the model's suite was prepared; files that can't be read are logged and handed to `skip`. */
export const readImages = async (
  model: Generalist,
  paths: readonly string[],
  options: { readonly skip?: (skipped: SkippedImage) => void; readonly logger?: Logger } = {},
): Promise<readonly { readonly path: string; readonly pixels: Uint8Array }[]> => {
  const { skip, logger = silentLogger } = options;
  const { fit, background } = model.config.image;
  const read: { path: string; pixels: Uint8Array }[] = [];
  for (const path of paths) {
    try {
      const pixels = await readImage(path, model.image, {
        logger,
        ...(fit === undefined ? {} : { fit }),
        ...(background === undefined ? {} : { background }),
      });
      read.push({ path, pixels });
    } catch (error) {
      if (!skip || !(error instanceof PolygateError)) throw error;
      logger.warn(`skipped: ${error.message}`);
      skip({ path, reason: error.message });
    }
  }
  return read;
};

/** Predicts for each of `paths`. @throws what reading an image throws, where bad files are not skipped */
export const predictEach = async <A>(
  model: Generalist,
  paths: readonly string[],
  options: EachOptions<A>,
): Promise<ImagePredictions<A>> => {
  const { predict, bad = 'skip', logger = silentLogger } = options;
  const images: ImagePrediction<A>[] = [];
  const skipped: SkippedImage[] = [];
  for (let start = 0; start < paths.length; start += AT_ONCE) {
    const read = await readImages(model, paths.slice(start, start + AT_ONCE), {
      logger,
      ...(bad === 'skip' ? { skip: (one: SkippedImage) => void skipped.push(one) } : {}),
    });
    if (read.length === 0) continue;
    const answers = await predict(
      patchesOf(
        read.map(({ pixels }) => pixels),
        model.image,
      ),
      images.length,
    );
    read.forEach(({ path }, i) => images.push({ image: path, predictions: answers[i] ?? [] }));
  }
  return { images, skipped };
};
