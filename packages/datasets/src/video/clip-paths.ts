/** All clips below a folder, for predictions about what somebody has. */
import { dirname } from 'node:path';
import { walkFolder } from '../files/folder-listing.ts';
import { isClipName, isVideoName } from './clip-names.ts';
import { isImageName } from '../files/paths.ts';
import { animationFrames } from './clip-decode.ts';

/**
 * Paths of the clips below a folder, in a fixed order: video files, animated images, and folders whose images are stills,
 * which are frames. What images of a folder are is told by the first of them.
 */
export const clipPaths = async (folder: string): Promise<readonly string[]> => {
  const clips: string[] = [];
  const images = new Map<string, string[]>();
  for await (const { name, path, kind } of walkFolder(folder, { links: 'follow' })) {
    if (kind !== 'file') continue;
    if (isVideoName(name)) clips.push(path);
    else if (isImageName(name)) images.set(dirname(path), [...(images.get(dirname(path)) ?? []), path]);
  }
  for (const [parent, paths] of images) {
    const [first = ''] = paths;
    // One that can't be read fails where it is decoded.
    const frames = await animationFrames(first).catch(() => 1);
    if (frames > 1 || parent === folder) clips.push(...paths.filter(isClipName));
    else if (paths.length > 1) clips.push(parent);
  }
  return clips.sort();
};
