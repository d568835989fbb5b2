/** The pictures below a folder, as a person sees them there: links followed, what systems leave behind passed over. */
import { relative } from 'node:path';
import { ConfigError, StateError } from '@polygate/core';
import { isImageName, walkFolder } from '@polygate/datasets';

/**
 * Paths of all pictures of a folder and its sub-folders, in a fixed order. A link that leads nowhere is among them and
 * fails when it is read.
 * @throws StateError for an unreadable folder, ConfigError for one without pictures
 */
export const pictureFiles = async (folder: string): Promise<readonly string[]> => {
  const files: string[] = [];
  const others: string[] = [];
  try {
    for await (const { name, path, kind } of walkFolder(folder, { links: 'follow' })) {
      if (isImageName(name) && (kind === 'file' || kind === 'broken')) files.push(path);
      else others.push(relative(folder, path));
    }
  } catch (cause) {
    throw new StateError(`retrieve: expected a readable folder of pictures, got ${folder}; check the path`, {
      code: 'missing-folder',
      fields: { folder },
      cause,
    });
  }
  if (files.length > 0) return files.sort();
  const got = others.length === 0 ? 'none' : `none among ${others.length} files such as ${others[0] ?? ''}`;
  throw new ConfigError(
    `retrieve: expected pictures (PNG, JPEG, WebP, GIF, AVIF, TIFF or SVG) in ${folder}, got ${got}; give another folder`,
    { fields: { folder } },
  );
};
