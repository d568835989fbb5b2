/** The images below a folder, as a person sees them there: links followed, what systems leave behind passed over. */
import { stat } from 'node:fs/promises';
import { relative } from 'node:path';
import { ConfigError, StateError } from '@polygate/core';
import { isImageName, walkFolder } from '@polygate/datasets';

/**
 * Paths of all images of a folder and its sub-folders, in a fixed order. A link that leads nowhere is among them and
 * fails when it is read.
 * @throws StateError for an unreadable folder, ConfigError for one without images
 */
export const imageFiles = async (folder: string): Promise<readonly string[]> => {
  const files: string[] = [];
  const others: string[] = [];
  try {
    for await (const { name, path, kind } of walkFolder(folder, { links: 'follow' })) {
      if (isImageName(name) && (kind === 'file' || kind === 'broken')) files.push(path);
      else others.push(relative(folder, path));
    }
  } catch (cause) {
    throw new StateError(`images: expected a readable folder of images, got ${folder}; check the path`, {
      code: 'missing-folder',
      fields: { folder },
      cause,
    });
  }
  if (files.length > 0) return files.sort();
  const got = others.length === 0 ? 'none' : `none among ${others.length} files such as ${others[0] ?? ''}`;
  throw new ConfigError(
    `predict: expected images (PNG, JPEG, WebP, GIF, AVIF, TIFF or SVG) in ${folder}, got ${got}; give another folder`,
    { fields: { folder } },
  );
};

/** Signs of a pattern: any text but "/", any text, one sign. */
const wildcard = /[*?]/u;

const patternOf = (pattern: string): RegExp => {
  const source = pattern.replace(/\*\*\/|\*\*|\*|\?|[.+^${}()|[\]\\]/gu, (sign) => {
    if (sign === '**/') return '(?:.*/)?';
    if (sign === '**') return '.*';
    if (sign === '*') return '[^/]*';
    return sign === '?' ? '[^/]' : `\\${sign}`;
  });
  return new RegExp(`^${source}$`, 'u');
};

/** Files below the part of a pattern that has no wildcard. */
const matching = async (pattern: string): Promise<readonly string[]> => {
  const parts = pattern.split('/');
  const fixed = parts.slice(
    0,
    parts.findIndex((part) => wildcard.test(part)),
  );
  const root = fixed.join('/') || (pattern.startsWith('/') ? '/' : '.');
  const wanted = patternOf(parts.slice(fixed.length).join('/'));
  const files: string[] = [];
  for await (const { path, kind } of walkFolder(root, { links: 'follow' })) {
    if (kind !== 'folder' && wanted.test(relative(root, path).replaceAll('\\', '/'))) files.push(path);
  }
  return files.sort();
};

/**
 * Images of files, folders and patterns (`*`, `**`, `?`), in the order in which they were given, each once. A file that
 * is named is taken whatever its name says; one that is missing fails when it is read.
 * @throws ConfigError where nothing is named or a folder or pattern has no image; StateError for an unreadable folder
 */
export const imageFilesOf = async (named: readonly string[]): Promise<readonly string[]> => {
  const paths = new Set<string>();
  for (const name of named) {
    const stats = await stat(name).catch(() => undefined);
    if (stats?.isDirectory()) for (const path of await imageFiles(name)) paths.add(path);
    else if (stats || !wildcard.test(name)) paths.add(name);
    else {
      const files = await matching(name).catch(() => []);
      if (files.length === 0) {
        throw new ConfigError(
          `images: expected files that ${name} stands for, got none; check the pattern, or give a folder`,
          { fields: { pattern: name } },
        );
      }
      for (const path of files) paths.add(path);
    }
  }
  if (paths.size > 0) return [...paths];
  throw new ConfigError('images: expected one file, folder or pattern or more, got none; name an image');
};
