/** Where the images lie that a table or manifest names. */
import { isImageName } from '../files/paths.ts';
import type { PathSurvey } from './path-survey.ts';

/** The folder of named images. */
export interface NamedImages {
  /** Id of the folder; empty for the surveyed one. */
  readonly folder: string;
  /** Of the names that were looked for, those that are there. */
  readonly count: number;
  /** Suffix that names lack, such as `.jpg`. */
  readonly suffix?: string;
}

const MAX_NAMES = 20;

const plain = (name: string): string =>
  name
    .normalize('NFC')
    .replace(/\\/gu, '/')
    .replace(/^(?:\.\/)+/u, '');

/**
 * The folder below which most of the names are files. Names may lack their suffix, one for all of them.
 * @returns undefined where none of them is there
 */
export const namedImages = (survey: PathSurvey, names: readonly string[]): NamedImages | undefined => {
  const wanted = [...new Set(names.map(plain))].slice(0, MAX_NAMES);
  const images = survey.neighbours.filter(({ name }) => isImageName(name));
  const ids = new Set(images.map(({ id }) => id.normalize('NFC')));
  const suffixes = [...new Set(images.map(({ name }) => name.slice(name.lastIndexOf('.'))))].slice(0, 8);
  // Folders that hold images, and those above them: a name may begin with folders of its own.
  const folders = new Set(['']);
  for (const { folder } of images) {
    for (let id = folder; id !== ''; id = id.slice(0, Math.max(0, id.lastIndexOf('/')))) folders.add(id);
  }
  let best: NamedImages | undefined;
  for (const folder of folders) {
    const path = (name: string): string => (folder === '' ? name : `${folder}/${name}`);
    for (const suffix of ['', ...suffixes]) {
      const present = wanted.filter((name) => ids.has(path(`${name}${suffix}`))).length;
      if (present > (best?.count ?? 0))
        best = { folder, count: present, ...(suffix === '' ? {} : { suffix }) };
    }
  }
  return best;
};
