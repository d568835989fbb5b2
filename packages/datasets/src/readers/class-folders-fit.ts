/** Whether a folder is one of class folders with images. */
import { ConfigError } from '@polygate/core';
import { isImageName } from '../files/paths.ts';
import type { PathSurvey } from '../survey/path-survey.ts';
import { someOf } from '../survey/split-sources.ts';
import { readClassFolders } from './class-folders.ts';
import type { ReaderFit } from './dataset-reader.ts';

/** Its reading of the folder, or why it refuses it. */
export const classFoldersFit = async (survey: PathSurvey): Promise<ReaderFit | undefined> => {
  const images = survey.files.filter(({ name }) => isImageName(name));
  if (survey.kind === 'file' || images.length === 0 || survey.folders.length === 0) return undefined;
  try {
    const { folders } = await readClassFolders({ path: survey.path });
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
    const below = splits.length > 0 ? ` in the splits ${someOf(splits)}` : '';
    return {
      fit: 'sure',
      reason: `${classes.length} folders of images named after classes (${someOf(classes)})${below}`,
      sources: [{ path: survey.path }],
    };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { fit: 'nearly', reason: error.message };
  }
};
