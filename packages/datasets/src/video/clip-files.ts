/** The clips below a folder, found by what lists call them. */
import { walkFolder, type LinkOptions } from '../files/folder-listing.ts';
import { isImageName } from '../files/paths.ts';
import type { SampleContent } from '../samples/sample.ts';
import { framePaths } from './clip-content.ts';
import { isClipName, isVideoName } from './clip-names.ts';

/** A clip: its path below the folder, with `/`, and where it lies. */
export interface ListedClip {
  readonly id: string;
  readonly path: string;
  readonly kind: 'file' | 'frames';
}

/** Clips by name. */
export interface ClipFiles {
  readonly size: number;
  /** Whether ffmpeg is needed. */
  readonly hasVideos: boolean;
  /** The clip of a name: with or without folders, and with or without ending. Several of one name are none. */
  find(name: string): ListedClip | undefined;
}

const fold = (name: string): string =>
  name
    .normalize('NFC')
    .replace(/\\/gu, '/')
    .replace(/^(?:\.\/)+/u, '');
const stemOf = (name: string): string => (isClipName(name) ? name.slice(0, name.lastIndexOf('.')) : name);
const lastOf = (name: string): string => name.slice(name.lastIndexOf('/') + 1);

/**
 * Lists the clips below a folder: video files, animated images, and folders of two images or more that are numbered
 * frames.
 */
export const listClips = async (root: string, options: LinkOptions = {}): Promise<ClipFiles> => {
  const files: ListedClip[] = [];
  const images = new Map<string, { readonly path: string; count: number }>();
  for await (const { id, name, path, kind } of walkFolder(root, options)) {
    if (kind !== 'file') continue;
    if (isClipName(name)) files.push({ id, path, kind: 'file' });
    const folder = id.slice(0, Math.max(0, id.length - name.length - 1));
    if (!isImageName(name) || folder === '') continue;
    const seen = images.get(folder) ?? { path: path.slice(0, -name.length - 1), count: 0 };
    seen.count += 1;
    images.set(folder, seen);
  }
  const frames = [...images].filter(([, { count }]) => count > 1);
  const byName = new Map<string, ListedClip | null>();
  const put = (name: string, clip: ListedClip): void => {
    const sameName = byName.get(name);
    byName.set(name, sameName === undefined || sameName === clip ? clip : null);
  };
  const clips: ListedClip[] = [
    ...files,
    ...frames.map(([id, { path }]): ListedClip => ({ id, path, kind: 'frames' })),
  ];
  for (const clip of clips) {
    const name = fold(clip.id);
    for (const each of new Set([name, stemOf(name), lastOf(name), stemOf(lastOf(name))])) put(each, clip);
  }
  return {
    size: clips.length,
    hasVideos: files.some(({ id }) => isVideoName(id)),
    find: (given) => {
      const name = fold(given);
      return byName.get(name) ?? byName.get(stemOf(name)) ?? undefined;
    },
  };
};

/** Where the frames of a listed clip are. */
export const listedContent = async (
  { path, kind }: ListedClip,
  root: string,
  options: LinkOptions = {},
): Promise<SampleContent> =>
  kind === 'file' ? { kind: 'path', path } : { kind: 'paths', paths: await framePaths(path, root, options) };
