/** Whether tar archives are those of WebDataset. */
import { PolygateError } from '@polygate/core';
import { readBytes } from '../archives/byte-source.ts';
import { readTar } from '../archives/tar.ts';
import { isJunk } from '../files/junk.ts';
import { isImageName } from '../files/paths.ts';
import type { PathSurvey } from '../survey/path-survey.ts';
import { someOf } from '../survey/split-sources.ts';
import type { ReaderFit } from './dataset-reader.ts';

/** Members that are looked at. */
const MAX_MEMBERS = 24;

const firstMembers = async (path: string): Promise<readonly string[] | undefined> => {
  const members: string[] = [];
  try {
    for await (const entry of readTar(readBytes(path), { name: path, maxEntryBytes: 0, onNote: () => {} })) {
      if (!isJunk(entry.path)) members.push(entry.path);
      if (members.length >= MAX_MEMBERS) break;
    }
  } catch (error) {
    if (error instanceof PolygateError) return undefined;
    throw error;
  }
  return members;
};

/** Its reading of the archives among the files. */
export const webDatasetFit = async (survey: PathSurvey): Promise<ReaderFit | undefined> => {
  const archives = survey.files.filter(({ name }) => /\.(?:tar|tar\.gz|tgz)$/iu.test(name));
  const [first] = archives;
  if (!first) return undefined;
  const members = await firstMembers(survey.at(first.id));
  if (!members) return { fit: 'nearly', reason: `${first.id} is not an archive that can be read` };
  const shown = someOf(members);
  const keys = new Set(members.map((path) => path.replace(/\.[^/]*$/u, '')));
  if (!members.some(isImageName) || keys.size === members.length) {
    return {
      fit: 'nearly',
      reason: `${first.id} holds ${shown || 'nothing'}: expected an image and its text or class under one key, side by side`,
    };
  }
  const has = (ending: RegExp): boolean => members.some((path) => ending.test(path));
  const isLabelled = has(/\.cls$/iu);
  const kind = isLabelled ? 'labelled-image' : 'captioned-image';
  const also =
    isLabelled && has(/\.(?:txt|caption)$/iu)
      ? ', read by their classes; their texts are read by kind captioned-image'
      : '';
  return {
    fit: 'sure',
    reason: `${archives.length === 1 ? first.id : `${archives.length} archives`} with members such as ${shown}${also}`,
    sources: [{ files: archives.map(({ id }) => survey.at(id)), kind }],
  };
};
