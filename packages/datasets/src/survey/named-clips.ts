/** Whether the clips that a list names lie at a surveyed path. */
import { isClipName } from '../video/clip-names.ts';
import type { PathSurvey } from './path-survey.ts';

const plain = (name: string): string => {
  const last = name.slice(name.lastIndexOf('/') + 1).normalize('NFC');
  return isClipName(last) ? last.slice(0, last.lastIndexOf('.')) : last;
};

/** The folder to look for the clips in, as a recipe names it; undefined where none of the names is one of a clip below it. */
export const clipFolder = (survey: PathSurvey, names: readonly string[]): string | undefined => {
  const wanted = new Set(names.map(plain));
  const isThere =
    survey.neighbours.some(({ name }) => isClipName(name) && wanted.has(plain(name))) ||
    // Clips as folders of frames.
    survey.folders.some((folder) => wanted.has(plain(folder)));
  return isThere ? survey.at('') : undefined;
};
