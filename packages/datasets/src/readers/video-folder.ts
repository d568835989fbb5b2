/** Folders of clips named after classes: video files, animated images, or one folder of frames for each clip. */
import { basename } from 'node:path';
import { ConfigError, excerpt } from '@polygate/core';
import { listFolder, type FolderEntry, type LinkOptions } from '../files/folder-listing.ts';
import { isImageName, requireFolder } from '../files/paths.ts';
import { CLIP } from '../kinds/clip-rows.ts';
import { fault, type Reader, type ReaderItem, type SampleContent } from '../samples/sample.ts';
import { orderSplits, splitInName } from '../splits/split-names.ts';
import { animatedText, countOf, lookForAnimations } from '../survey/animated-images.ts';
import type { PathSurvey } from '../survey/path-survey.ts';
import { someOf } from '../survey/split-sources.ts';
import { framePaths } from '../video/clip-content.ts';
import { animatedExtensions, isClipName, isVideoName } from '../video/clip-names.ts';
import { requireFfmpeg, videoExtensions, type VideoPrograms } from '../video/ffmpeg.ts';
import { defineReader, type ReaderFit } from './dataset-reader.ts';
import { classNamesSetting, linksSetting, textSetting } from './reader-settings.ts';

export interface VideoFolderOptions extends LinkOptions {
  /** Folder that holds one folder per class, or one per split with these in it. */
  readonly path: string;
  /** Words for folder names; folders of one word are one class. @default the folder name with `_` and `-` as spaces */
  readonly classNames?: Readonly<Record<string, string>>;
  readonly programs?: VideoPrograms;
}

interface ClassFolder {
  readonly entry: FolderEntry;
  /** Path below the root, with `/`. */
  readonly id: string;
  readonly name: string;
  readonly split?: string;
}

/** Whether a file is a clip by its name, not a frame of one: PNG is either. */
const isMovingName = (name: string): boolean => isClipName(name) && !/\.png$/iu.test(name);

/**
 * A folder that is called as a split is one where what is in it are folders of clips, not clips: no folder of frames has
 * videos, animations or folders in it.
 * @returns those of splits; none where the folders are classes
 * @throws ConfigError for folders of splits beside others that hold something
 */
const splitFolders = async (
  path: string,
  {
    top,
    named,
    list,
  }: {
    readonly top: readonly FolderEntry[];
    readonly named: readonly FolderEntry[];
    readonly list: (folder: string) => Promise<FolderEntry[]>;
  },
): Promise<readonly FolderEntry[]> => {
  if (named.length === 0 || named.length === top.length) return named;
  const inner = new Map<FolderEntry, readonly FolderEntry[]>();
  for (const folder of top) inner.set(folder, await list(folder.path));
  const foldersOf = (folder: FolderEntry): readonly FolderEntry[] =>
    (inner.get(folder) ?? []).filter(({ kind }) => kind === 'folder');
  const holdsClips = async ({ path: folder }: FolderEntry): Promise<boolean> =>
    (await list(folder)).some(
      ({ kind, name }) => kind === 'folder' || isVideoName(name) || isMovingName(name),
    );
  const splits: FolderEntry[] = [];
  for (const folder of named) {
    for (const entry of foldersOf(folder)) {
      if (!(await holdsClips(entry))) continue;
      splits.push(folder);
      break;
    }
  }
  const others = top.filter((folder) => !splits.includes(folder) && (inner.get(folder) ?? []).length > 0);
  if (splits.length === 0 || others.length === 0) return splits;
  const words = (folders: readonly FolderEntry[]): string => someOf(folders.map(({ name }) => name));
  throw new ConfigError(
    `video folder ${path}: expected one folder per class with clips in it, or one per split with these in it, got the splits ${words(splits)} beside the folders ${words(others)}; give the folder of the splits alone, or one source for each split (path, split and the same dataset), or name classes that are called as splits are with classNames`,
    { code: 'no-classes', fields: { path } },
  );
};

/** @throws ConfigError where no folder could be a class, or folders of splits lie beside others */
const readFolders = async (options: VideoFolderOptions): Promise<readonly ClassFolder[]> => {
  const { path } = options;
  const given = new Map(
    Object.entries(options.classNames ?? {}).map(([folder, name]) => [folder.normalize('NFC'), name]),
  );
  const foldersIn = async (folder: string): Promise<FolderEntry[]> =>
    (await listFolder(folder, path, options)).filter(({ kind }) => kind === 'folder');
  const classFolder = (entry: FolderEntry, id: string): ClassFolder => {
    const key = entry.name.normalize('NFC');
    return { entry, id, name: given.get(key) ?? key.replace(/[_-]+/gu, ' ').trim() };
  };
  const top = await foldersIn(path);
  const named = top.filter(
    ({ name }) => !given.has(name.normalize('NFC')) && splitInName(name) !== undefined,
  );
  const splits = await splitFolders(path, {
    top,
    named,
    list: (folder) => listFolder(folder, path, options),
  });
  if (splits.length > 0) {
    const out: ClassFolder[] = [];
    for (const folder of splits) {
      const split = splitInName(folder.name) ?? '';
      for (const entry of await foldersIn(folder.path))
        out.push({ ...classFolder(entry, `${folder.name}/${entry.name}`), split });
    }
    if (out.length > 0) return out;
  } else if (top.length > 0) return top.map((entry) => classFolder(entry, entry.name));
  throw new ConfigError(
    `video folder ${path}: expected one folder per class with clips in it, or one per split with these in it, got ${top.length === 0 ? 'no folder' : `the splits ${excerpt(named.map(({ name }) => name))} without class folders`}; move the clips into folders named after their classes`,
    { code: 'no-classes', fields: { path } },
  );
};

/** The clip of an entry of a class folder, or why it is none. */
const clipOf = async (
  entry: FolderEntry,
  id: string,
  options: VideoFolderOptions,
): Promise<SampleContent | ReaderItem> => {
  if (entry.kind === 'broken')
    return fault(id, 'broken-link', 'expected a clip, got a link that leads nowhere');
  if (entry.kind === 'folder') {
    const paths = await framePaths(entry.path, options.path, options);
    if (paths.length === 0)
      return fault(id, 'no-frames', 'expected a folder of frames, got one without images');
    return { kind: 'paths', paths };
  }
  if (entry.kind === 'other' || !isClipName(entry.name)) {
    const extensions = [...animatedExtensions, ...videoExtensions].join(' ');
    return fault(id, 'not-a-clip', `expected a clip (${extensions}) or a folder of frames, got another file`);
  }
  return { kind: 'path', path: entry.path };
};

/**
 * Reads `PATH/CLASS/CLIP` or `PATH/SPLIT/CLASS/CLIP`, where a clip is a video file, an animated WebP, GIF or PNG, or a
 * folder of frames, whose order is that of the numbers in their names.
 * @throws ConfigError where the folder is missing or holds no class folder, and for video files without ffmpeg
 */
export const openVideoFolder = async (options: VideoFolderOptions): Promise<Reader> => {
  await requireFolder(options.path, 'video folder');
  const folders = await readFolders(options);
  const classes = [...new Set(folders.map(({ name }) => name))].sort();
  const splits = orderSplits(folders.flatMap(({ split }) => split ?? []));
  for (const { entry } of folders) {
    const entries = await listFolder(entry.path, options.path, options);
    if (!entries.some(({ kind, name }) => kind === 'file' && isVideoName(name))) continue;
    await requireFfmpeg(options.programs);
    break;
  }
  return {
    name: basename(options.path),
    classes,
    ...(splits.length > 0 ? { splits } : {}),
    async *read(): AsyncGenerator<ReaderItem> {
      for (const { entry: folder, id: folderId, name, split } of folders) {
        for (const entry of await listFolder(folder.path, options.path, options)) {
          const id = `${folderId}/${entry.name}`;
          const clip = await clipOf(entry, id, options);
          if (clip.kind === 'fault' || clip.kind === 'sample') yield clip;
          else {
            const label = classes.indexOf(name);
            yield { kind: 'sample', id, contents: { [CLIP]: clip }, label, ...(split ? { split } : {}) };
          }
        }
      }
    },
  };
};

const clipRemedy =
  'put clips into folders named after their classes (jump/1.gif, run/2.mp4) and give the folder of these';

/** Its reading of class folders with clips. */
const fitOfFolders = async (
  survey: PathSurvey,
  folders: readonly ClassFolder[],
): Promise<ReaderFit | undefined> => {
  const clipsOf = ({ id }: ClassFolder) => {
    const files = survey.filesIn(id);
    return {
      videos: files.filter(({ name }) => isVideoName(name)),
      images: files.filter(({ name }) => isImageName(name)),
      framed: survey
        .foldersIn(id)
        .filter((folder) => survey.filesIn(folder).filter(({ name }) => isImageName(name)).length > 1),
    };
  };
  const held = folders.map((folder) => ({ folder, ...clipsOf(folder) }));
  const videos = held.flatMap((each) => each.videos);
  const framed = held.flatMap((each) => each.framed);
  const animations = await lookForAnimations(
    survey,
    held.flatMap((each) => each.images),
  );
  if (videos.length + framed.length + animations.animated === 0) return undefined;
  const classes = [
    ...new Set(
      held
        .filter((each) => each.videos.length + each.framed.length + each.images.length > 0)
        .map(({ folder }) => folder.name),
    ),
  ];
  const seen = [
    ...(videos.length > 0 ? [countOf(videos.length, 'video file')] : []),
    ...(framed.length > 0 ? [`${countOf(framed.length, 'folder')} of frames`] : []),
    ...(animations.animated > 0 ? [animatedText(animations)] : []),
  ].join(' and ');
  if (classes.length < 2)
    return {
      fit: 'nearly',
      reason: `${seen} in one folder alone (${someOf(classes)}): classes are two folders or more`,
    };
  const inClips = new Set(framed);
  const apart = survey.files.filter(({ name, folder }) => isImageName(name) && !inClips.has(folder)).length;
  if (videos.length + animations.animated === 0 && apart > 0)
    return {
      fit: 'nearly',
      reason: `${seen} beside ${countOf(apart, 'image')} that ${apart === 1 ? 'is' : 'are'} in none: folders of photos, it seems; ${clipRemedy}`,
    };
  const some = videos.length + framed.length === 0 && !animations.all;
  return {
    fit: some ? 'likely' : 'sure',
    reason: `${seen} in ${classes.length} folders named after classes (${someOf(classes)})${some ? '; stills are clips of one frame' : ''}`,
    sources: [{ path: survey.path }],
  };
};

/** Whether a path is one of class folders with clips, or why not. */
const videoFolderFit = async (survey: PathSurvey): Promise<ReaderFit | undefined> => {
  const videos = survey.files.filter(({ name }) => isVideoName(name));
  if (survey.kind === 'file') {
    const { animated } = await lookForAnimations(survey, survey.files);
    return videos.length + animated > 0
      ? { fit: 'nearly', reason: `one clip alone: ${clipRemedy}` }
      : undefined;
  }
  try {
    return await fitOfFolders(survey, await readFolders({ path: survey.path }));
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return videos.length > 0 ? { fit: 'nearly', reason: error.message } : undefined;
  }
};

export const videoFolderReader = defineReader({
  name: 'video-folder',
  summary: 'folders of clips named after classes: video files, animated images, or folders of frames',
  needs:
    'a folder with one folder per class, or one per split with these in it, and clips or folders of frames in them',
  settings: { path: textSetting, classNames: classNamesSetting, links: linksSetting },
  kinds: ['labelled-video'],
  paths: { path: 'all' },
  open: async (settings, { within }) => ({
    reader: await openVideoFolder({ ...settings, within }),
    kind: 'labelled-video',
  }),
  detect: videoFolderFit,
});
