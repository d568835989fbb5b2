import { ConfigError, excerpt, parseJson } from '@polygate/core';
import { readFile } from 'node:fs/promises';
import { basename, extname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

/**
 * A recipe's name as it is, or the content of a recipe file: JSON, or a module whose default export is the recipe.
 * @throws ConfigError for a file that can't be read or holds no recipe
 */
export const readRecipeFile = async (nameOrFile: string): Promise<string | object> => {
  const ending = extname(nameOrFile);
  if (!['.json', '.js', '.mjs', '.ts', '.mts'].includes(ending)) return nameOrFile;
  const path = resolve(nameOrFile);
  let content: unknown;
  try {
    content =
      ending === '.json'
        ? parseJson(await readFile(path), basename(path))
        : ((await import(pathToFileURL(path).href)) as { default?: unknown }).default;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const hint = ending.endsWith('ts')
      ? '; TypeScript recipes need Node 22.18 or later, JSON works on any'
      : '';
    throw new ConfigError(`recipe ${nameOrFile}: expected a readable recipe file, got: ${reason}${hint}`, {
      cause,
    });
  }
  if (typeof content !== 'object' || content === null || Array.isArray(content)) {
    const remedy =
      ending === '.json'
        ? 'write the settings as {"key": value}'
        : 'export it as default: export default { ... }';
    throw new ConfigError(
      `recipe ${nameOrFile}: expected a record of settings, got ${excerpt(content)}; ${remedy}`,
    );
  }
  return content;
};
