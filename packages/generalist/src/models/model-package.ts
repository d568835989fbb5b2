/** Models that npm packages ship: the package.json of such a package says where its model folder is. */
import { ConfigError, parseJson } from '@polygate/core';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/** What npm takes for a name. */
const PACKAGE_NAME = /^(?:@[a-z0-9~-][a-z0-9._~-]*\/)?[a-z0-9~-][a-z0-9._~-]*$/u;

const manifestOf = (name: string): string | undefined => {
  for (const from of [join(process.cwd(), 'package.json'), import.meta.url]) {
    try {
      return createRequire(from).resolve(`${name}/package.json`);
    } catch {
      // Not installed for this one.
    }
  }
  return undefined;
};

/**
 * The model folder of an installed package, which its package.json names as `polygate.model`, relative to itself. What is
 * there as a folder or file is not looked up.
 * @param name of the package, such as `@polygate/mini`
 * @returns undefined where there is no such package
 * @throws ConfigError for a package that names no model
 */
export const packagedModel = async (name: string): Promise<string | undefined> => {
  if (!PACKAGE_NAME.test(name) || existsSync(name)) return undefined;
  const path = manifestOf(name);
  if (path === undefined) return undefined;
  const manifest = parseJson(await readFile(path), `package ${path}`) as {
    readonly polygate?: { readonly model?: unknown } | null;
  } | null;
  const model = manifest?.polygate?.model;
  if (typeof model === 'string' && model !== '') return join(dirname(path), model);
  throw new ConfigError(
    `model: expected a package whose package.json names a model folder as polygate.model, got ${name} (${dirname(path)}) without; give the folder of a run or of a model`,
    { code: 'package-without-model', fields: { name, path } },
  );
};
