/** Whether a folder is one of class folders with images. */
import { ConfigError } from '@polygate/core';
import type { LinkOptions } from '../files/folder-listing.ts';
import { isImageName } from '../files/paths.ts';
import { animatedText, countOf, lookForAnimations } from '../survey/animated-images.ts';
import type { PathSurvey } from '../survey/path-survey.ts';
import { someOf } from '../survey/split-sources.ts';
import { isVideoName } from '../video/clip-names.ts';
import { readClassFolders } from './class-folders.ts';
import type { ReaderFit } from './dataset-reader.ts';

const remedy =
  'put images into folders named after their classes (cat/1.jpg, dog/2.jpg) and give the folder of these';

/** Images without folders, which say no classes; of other files beside them other readers know. */
const looseImages = (survey: PathSurvey, images: number): ReaderFit | undefined => {
  if (images < survey.files.length) return undefined;
  const got = survey.kind === 'file' ? 'one image' : `${images} images right in the folder`;
  return { fit: 'nearly', reason: `${got}, without classes or captions: ${remedy}` };
};

/** Its reading of the folder, with links out of it or without. @throws ConfigError where it refuses it */
const fitOf = async (survey: PathSurvey, options: LinkOptions): Promise<ReaderFit | undefined> => {
  const { folders } = await readClassFolders({ ...options, path: survey.path });
  const held = folders.filter(({ id }) => survey.filesIn(id).some(({ name }) => isImageName(name)));
  const classes = [...new Set(held.map(({ name }) => name))];
  const splits = [...new Set(held.flatMap(({ split }) => split ?? []))];
  if (classes.length === 0) return undefined;
  if (classes.length < 2) {
    return {
      fit: 'nearly',
      reason: `one folder of images alone (${someOf(classes)}): classes are two folders or more`,
    };
  }
  const inClasses = folders.flatMap(({ id }) => survey.filesIn(id));
  const videos = inClasses.filter(({ name }) => isVideoName(name)).length;
  const deeper = folders.flatMap(({ id }) => survey.foldersIn(id)).length;
  const animations = await lookForAnimations(
    survey,
    inClasses.filter(({ name }) => isImageName(name)),
  );
  const below = splits.length > 0 ? ` in the splits ${someOf(splits)}` : '';
  const left = [
    ...(videos > 0 ? [countOf(videos, 'video file')] : []),
    ...(deeper > 0 ? [`${countOf(deeper, 'folder')} inside of classes`] : []),
  ];
  const lost = [
    ...(animations.animated > 0 ? [`the first frames alone are read of ${animatedText(animations)}`] : []),
    ...(left.length > 0 ? [`left out are ${left.join(' and ')}`] : []),
  ];
  return {
    // Clips beside images, or animations alone, are another reader's first.
    fit: left.length > 0 || animations.all ? 'likely' : 'sure',
    reason: [
      `${classes.length} folders of images named after classes (${someOf(classes)})${below}`,
      ...lost,
    ].join('; '),
    sources: [{ path: survey.path }],
  };
};

/** Its reading of the folder, or why it refuses it. */
export const classFoldersFit = async (survey: PathSurvey): Promise<ReaderFit | undefined> => {
  const images = survey.files.filter(({ name }) => isImageName(name));
  if (images.length === 0) return undefined;
  if (survey.kind === 'file' || survey.folders.length === 0) return looseImages(survey, images.length);
  const refusal = (error: unknown): ReaderFit => {
    if (!(error instanceof ConfigError)) throw error;
    return { fit: 'nearly', reason: error.message };
  };
  try {
    return await fitOf(survey, {});
  } catch (error) {
    if (!(error instanceof ConfigError) || error.code !== 'link-outside') return refusal(error);
    // Only a person can say whether what lies elsewhere is meant.
    const followed = await fitOf(survey, { links: 'follow' }).catch(refusal);
    return followed?.sources && followed.fit !== 'nearly'
      ? { fit: 'nearly', reason: error.message, sources: followed.sources, asks: ['links=follow'] }
      : followed;
  }
};
