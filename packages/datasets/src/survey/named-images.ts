/** Where the images and other files lie that a table or manifest names. */
import { isImageName } from '../files/paths.ts';
import type { PathSurvey, SurveyedFile } from './path-survey.ts';

/** The folder of named files. */
export interface NamedFiles {
  /** Id of the folder; empty for the surveyed one. */
  readonly folder: string;
  /** Of the names that were looked for, those that are there. */
  readonly count: number;
  /** Names that were looked for. */
  readonly of: number;
  /** Suffix that names lack, such as `.jpg`. */
  readonly suffix?: string;
  /** What names have in front of their path here: they were written where the files lay in another folder. */
  readonly prefix?: string;
}

const MAX_NAMES = 20;

const plain = (name: string): string =>
  name
    .normalize('NFC')
    .replace(/\\/gu, '/')
    .replace(/^(?:\.\/)+/u, '');

/** The folder below which most of the names are files as they stand. */
const filesAsNamed = (
  survey: PathSurvey,
  names: readonly string[],
  isWanted: (file: SurveyedFile) => boolean,
): NamedFiles | undefined => {
  const wanted = [...new Set(names.map(plain))].slice(0, MAX_NAMES);
  const files = survey.neighbours.filter(isWanted);
  const ids = new Set(files.map(({ id }) => id.normalize('NFC')));
  const suffixes = [...new Set(files.map(({ name }) => name.slice(name.lastIndexOf('.'))))].slice(0, 8);
  // Folders that hold files, and those above them: a name may begin with folders of its own.
  const folders = new Set(['']);
  for (const { folder } of files) {
    for (let id = folder; id !== ''; id = id.slice(0, Math.max(0, id.lastIndexOf('/')))) folders.add(id);
  }
  let best: NamedFiles | undefined;
  for (const folder of folders) {
    const path = (name: string): string => (folder === '' ? name : `${folder}/${name}`);
    for (const suffix of ['', ...suffixes]) {
      const present = wanted.filter((name) => ids.has(path(`${name}${suffix}`))).length;
      if (present > (best?.count ?? 0))
        best = { folder, count: present, of: wanted.length, ...(suffix === '' ? {} : { suffix }) };
    }
  }
  return best;
};

/** Names without what they have in front, of those that are absolute in another place: the least that makes them files here. */
const filesElsewhere = (
  survey: PathSurvey,
  names: readonly string[],
  isWanted: (file: SurveyedFile) => boolean,
): NamedFiles | undefined => {
  const [first = ''] = names;
  if (!/^(?:[a-z]:[\\/]|[\\/])/iu.test(first)) return undefined;
  for (let end = first.search(/[\\/]/u); end >= 0;) {
    const prefix = first.slice(0, end + 1);
    const named = names.map((name) => (name.startsWith(prefix) ? name.slice(prefix.length) : name));
    const found = filesAsNamed(survey, named, isWanted);
    if (found && found.count * 2 >= found.of) return { ...found, prefix };
    const next = first.slice(end + 1).search(/[\\/]/u);
    end = next < 0 ? -1 : end + 1 + next;
  }
  return undefined;
};

/**
 * The folder below which most of the names are files. Names may lack their suffix, one for all of them, or be absolute
 * paths of another machine.
 * @returns undefined where none of them is there
 */
export const namedFiles = (
  survey: PathSurvey,
  names: readonly string[],
  isWanted: (file: SurveyedFile) => boolean,
): NamedFiles | undefined => filesAsNamed(survey, names, isWanted) ?? filesElsewhere(survey, names, isWanted);

/** The folder below which most of the names are images; undefined where none of them is there. */
export const namedImages = (survey: PathSurvey, names: readonly string[]): NamedFiles | undefined =>
  namedFiles(survey, names, ({ name }) => isImageName(name));
