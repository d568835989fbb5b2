/** The recipe beside a suite that `prepare --from` writes: it is the user's from then on, and never written over. */
import { readFile, writeFile } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import { ConfigError, excerpt, FormatError, parseJson } from '@polygate/core';

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Paths of the settings in which two recipes differ. */
const differences = (a: unknown, b: unknown, path = ''): string[] => {
  if (isDeepStrictEqual(a, b)) return [];
  if (!isObject(a) || !isObject(b)) return [path];
  const names = [...new Set([...Object.keys(a), ...Object.keys(b)])];
  return names.flatMap((name) => differences(a[name], b[name], path === '' ? name : `${path}.${name}`));
};

const contentOf = (text: string, file: string): unknown => {
  try {
    return parseJson(text, file);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return undefined;
  }
};

/**
 * Whether the recipe that is to be written is there already.
 * @param from path that the recipe was made of
 * @throws ConfigError (code `recipe-differs`) where the file holds another one
 */
export const isRecipeThere = async (file: string, recipe: object, from: string): Promise<boolean> => {
  const text = await readFile(file, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return undefined;
    throw cause;
  });
  if (text === undefined) return false;
  const there = contentOf(text, file);
  const differing = isObject(there) ? differences(there, parseJson(JSON.stringify(recipe), 'recipe')) : [];
  if (isObject(there) && differing.length === 0) return true;
  const { name } = recipe as { name?: string };
  throw new ConfigError(
    `prepare --from ${from}: expected no other recipe of this name, got ${file}, which ${differing.length > 0 ? `differs in ${excerpt(differing.join(', '), 200)}` : 'is no recipe'}: edited, or of another source; prepare it as it stands by --recipe ${file}, or make a suite of its own by --set name=${name ?? 'suite'}-2 (or remove the file)`,
    { code: 'recipe-differs', fields: { file, differing } },
  );
};

/** Writes the recipe, unless a file is there. */
export const writeRecipeFile = async (file: string, recipe: object): Promise<void> => {
  await writeFile(file, `${JSON.stringify(recipe, null, 2)}\n`, { flag: 'wx' });
};
