import { stat } from 'node:fs/promises';
import { extname, isAbsolute, relative, resolve, sep } from 'node:path';
import { ConfigError } from '@polygate/core';
import { isVideoName } from '../video/clip-names.ts';

/** File name extensions that the decoder reads, in lower case. */
export const imageExtensions: readonly string[] = [
  '.png',
  '.apng',
  '.jpg',
  '.jpeg',
  '.jpe',
  '.jfif',
  '.webp',
  '.gif',
  '.avif',
  '.tif',
  '.tiff',
  '.svg',
  '.svgz',
];

/** Extensions of images in other formats, in lower case. */
const otherImageExtensions: ReadonlySet<string> = new Set(
  ['bmp', 'dib', 'heic', 'heif', 'jxl', 'jp2', 'ppm', 'pgm', 'tga', 'ico', 'psd', 'dng', 'nef', 'cr2'].map(
    (extension) => `.${extension}`,
  ),
);

/** Why a file in a place of images is none that can be read. */
export const notAnImage = (name: string): { readonly code: string; readonly reason: string } => {
  const extension = extname(name).toLowerCase();
  if (isVideoName(name))
    return {
      code: 'video-file',
      reason: `expected an image, got a video (${extension}); clips in folders named after classes are read by video-folder`,
    };
  return otherImageExtensions.has(extension)
    ? {
        code: 'image-format',
        reason: `expected an image as PNG, JPEG, WebP, GIF, AVIF, TIFF or SVG, got ${extension}; convert it (Pillow: Image.open(a).save(b))`,
      }
    : { code: 'not-an-image', reason: 'expected an image, got another kind of file' };
};

/** Whether the name looks like an image that can be decoded. */
export const isImageName = (name: string): boolean => imageExtensions.includes(extname(name).toLowerCase());

/**
 * The path of `name` under `root`, or undefined where it would leave it: names come from files that others wrote,
 * so `../../etc/passwd` must not be read.
 */
export const resolveInside = (root: string, name: string): string | undefined => {
  const path = resolve(root, name);
  const way = relative(resolve(root), path);
  if (way === '' || way === '..' || way.startsWith(`..${sep}`) || isAbsolute(way)) return undefined;
  return path;
};

/** Checks that a folder is there. @throws ConfigError naming the option that gave it */
export const requireFolder = async (path: string, option: string): Promise<void> => {
  const stats = await stat(path).catch(() => undefined);
  if (stats?.isDirectory()) return;
  throw new ConfigError(
    `${option}: expected a folder, got ${stats ? 'a file' : 'nothing'} at ${path}; give the path of an existing folder`,
    { code: 'missing-folder', fields: { path } },
  );
};

/** Checks that a file is there and not longer than `limit` bytes. @throws ConfigError naming the option that gave it */
export const requireFile = async (path: string, option: string, limit = Infinity): Promise<void> => {
  const stats = await stat(path).catch(() => undefined);
  if (!stats?.isFile()) {
    throw new ConfigError(
      `${option}: expected a file, got ${stats ? 'a folder' : 'nothing'} at ${path}; give the path of an existing file`,
      { code: 'missing-file', fields: { path } },
    );
  }
  if (stats.size > limit) {
    throw new ConfigError(
      `${option}: expected at most ${limit} bytes, got ${stats.size} in ${path}; split the file`,
      { code: 'file-too-large', fields: { path, size: stats.size, limit } },
    );
  }
};
