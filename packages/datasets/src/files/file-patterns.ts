/** Files by path, folder or pattern: `data/*.parquet`, `**\/train-[0-9]*.tar`. Names come in one fixed order. */
import { stat } from 'node:fs/promises';
import { dirname, isAbsolute, relative, resolve, sep } from 'node:path';
import { ConfigError, excerpt } from '@polygate/core';
import { type LinkOptions, walkFolder } from './folder-listing.ts';

export interface FilePatternOptions extends LinkOptions {
  /** Stands in errors: `Parquet`. */
  readonly what: string;
  /** Endings of the names that are taken of a folder, in lower case, such as `.parquet`. */
  readonly extensions: readonly string[];
}

/** A file that was asked for. */
export interface PatternFile {
  readonly path: string;
  /** Its path with `/` below the folder that holds all of them; of one file, its name. */
  readonly id: string;
}

/** Whether a text is a pattern: a `*`, a `?` or a list of characters in brackets. */
const isPattern = (text: string): boolean => /[*?]|\[[^\]]+\]/u.test(text);

const escape = (text: string): string => text.replace(/[.+^${}()|\\]/gu, '\\$&');

/** One part of a path between `/`. */
const partExpression = (part: string): string =>
  part
    .split(/(\*+|\?|\[[^\]]+\])/u)
    .map((piece) => {
      if (/^\*+$/u.test(piece)) return '[^/]*';
      if (piece === '?') return '[^/]';
      if (!/^\[.+\]$/u.test(piece)) return escape(piece).replace(/[[\]]/gu, '\\$&');
      const inner = piece.slice(1, -1);
      const negated = /^[!^]/u.test(inner);
      return `[${negated ? '^/' : ''}${(negated ? inner.slice(1) : inner).replace(/[\\\]^[]/gu, '\\$&')}]`;
    })
    .join('');

/** Whether paths with `/` match: `*` within a name, `**` over folders. */
export const patternMatcher = (pattern: string): ((path: string) => boolean) => {
  const parts = pattern.split('/');
  const body = parts.map((part, index) => {
    const last = index === parts.length - 1;
    if (part === '**') return last ? '.*' : '(?:[^/]+/)*';
    return `${partExpression(part)}${last ? '' : '/'}`;
  });
  const expression = new RegExp(`^${body.join('')}$`, 'u');
  return (path) => expression.test(path);
};

/** The folder in front of a pattern, and the pattern below it. */
const splitPattern = (text: string): { readonly folder: string; readonly pattern: string } => {
  const parts = text.split(/[\\/]/u);
  const first = parts.findIndex(isPattern);
  const folder = parts.slice(0, first).join('/');
  return {
    folder: folder === '' ? (text.startsWith('/') ? '/' : '.') : folder,
    pattern: parts.slice(first).join('/'),
  };
};

const filesOf = async (text: string, options: FilePatternOptions): Promise<string[]> => {
  const { what, extensions } = options;
  const stats = await stat(text).catch(() => undefined);
  if (stats?.isFile()) return [text];
  const paths: string[] = [];
  if (!stats && !isPattern(text)) {
    throw new ConfigError(
      `${what}: expected a file, a folder or a pattern such as data/*${extensions[0] ?? ''}, got nothing at ${text}; give an existing path`,
      { code: 'missing-file', fields: { path: text } },
    );
  }
  const { folder, pattern } = stats ? { folder: text, pattern: '' } : splitPattern(text);
  const fits =
    pattern === ''
      ? (id: string): boolean => extensions.some((extension) => id.toLowerCase().endsWith(extension))
      : patternMatcher(pattern);
  if ((await stat(folder).catch(() => undefined))?.isDirectory())
    for await (const file of walkFolder(folder, options))
      if (file.kind === 'file' && fits(file.id)) paths.push(file.path);
  if (paths.length > 0) return paths;
  const wanted =
    pattern === '' ? `files ${extensions.join(' or ')} in ${text}` : `files that match ${excerpt(text)}`;
  throw new ConfigError(`${what}: expected ${wanted}, got none; give another path or pattern`, {
    code: 'no-files',
    fields: { path: text },
  });
};

/** The deepest folder that holds all paths. */
const commonFolder = (paths: readonly string[]): string => {
  let common = dirname(paths[0] ?? '.');
  for (const path of paths) {
    for (;;) {
      const way = relative(common, path);
      if (way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way)) break;
      common = dirname(common);
    }
  }
  return common;
};

/**
 * The files that paths, folders and patterns stand for, each once, in the order of the list and of names in a folder.
 * @throws ConfigError where one of them stands for no file
 */
export const expandFiles = async (
  texts: string | readonly string[],
  options: FilePatternOptions,
): Promise<readonly PatternFile[]> => {
  const paths = new Map<string, string>();
  for (const text of typeof texts === 'string' ? [texts] : texts)
    for (const path of await filesOf(text, options))
      if (!paths.has(resolve(path))) paths.set(resolve(path), path);
  if (paths.size === 0)
    throw new ConfigError(`${options.what}: expected at least one file, got an empty list; name one`, {
      code: 'no-files',
    });
  const common = commonFolder([...paths.keys()]);
  return [...paths].map(([absolute, path]) => ({
    path,
    id: relative(common, absolute).split(sep).join('/'),
  }));
};

/** Paths whose state decides what {@link expandFiles} gives: the folder of a pattern stands for all that it may match. */
export const inputsOfFiles = (texts: string | readonly string[]): readonly { readonly path: string }[] =>
  (typeof texts === 'string' ? [texts] : texts).map((text) => ({
    path: isPattern(text) ? splitPattern(text).folder : text,
  }));
