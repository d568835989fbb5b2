/**
 * Extensions: modules that register task families, modalities, readers, conditions, models or optimizers, imported before
 * anything that uses their names is checked.
 *
 * Who asks for one by its name (a recipe, `--extension`) gets what stands there now. A run or model that was made with one
 * has a record of it (extension-records.ts): it opens with the module that it was made with, wherever that lies now, and
 * with another one only where somebody asks for that.
 */
import { existsSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { ConfigError } from '../errors.ts';
import { excerpt, parseJson } from '../json.ts';
import {
  addressOfFile,
  askedNamesake,
  isModulePath,
  loadModule,
  packageFile,
  placesOf,
  type LoadedExtension,
  type ModuleAddress,
} from './extension-modules.ts';

/** Who asks for extensions, and where their paths begin. */
export interface ExtensionRequest {
  /** Stands in errors: `recipe toy.json`, `--extension`, `run runs/toy`. */
  readonly askedBy: string;
  /** Folders that paths are relative to, the first that has the file. @default the working directory */
  readonly folders?: readonly string[];
}

const addressOf = (
  module: string,
  { askedBy, folders = [process.cwd()] }: ExtensionRequest,
): ModuleAddress => {
  if (!isModulePath(module)) {
    const file = packageFile(module, folders);
    return file === undefined
      ? { address: module, recorded: module }
      : { address: pathToFileURL(file).href, recorded: module, file };
  }
  const places = placesOf(module, folders);
  const path = places.find((candidate) => existsSync(candidate));
  const file = path ?? askedNamesake(module)?.file;
  if (file !== undefined) return addressOfFile(file);
  throw new ConfigError(
    `extension "${module}" of ${askedBy}: expected a module file, got none at ${places.join(' or ')}; correct the path, which is relative to the recipe's folder or the working directory`,
    { code: 'extension-missing', fields: { module, askedBy } },
  );
};

/**
 * Imports extensions in their order, each once in a process: a module registers its records when it is imported, or by a
 * function `register` that it exports.
 * @param modules names of packages, or paths
 * @throws ConfigError (codes `extension-missing`, `extension-imports`, `extension-failed`, `extension-empty`,
 * `extension-unfinished`) that names the module and who asked for it
 */
export const loadExtensions = async (
  modules: readonly string[],
  request: ExtensionRequest,
): Promise<readonly LoadedExtension[]> => {
  const extensions: LoadedExtension[] = [];
  const { askedBy } = request;
  for (const module of modules) {
    if (module.trim() === '') {
      throw new ConfigError(
        `extension "${module}" of ${askedBy}: expected a package or the path of a module, got no name; name one, or leave the option out`,
        { code: 'extension-missing', fields: { module, askedBy } },
      );
    }
    extensions.push(await loadModule(addressOf(module, request), { module, askedBy, isAsked: true }));
  }
  return extensions;
};

/** The extensions that a parsed JSON record names under `extensions`; none where it names no list of texts. */
export const extensionsOf = (record: unknown): readonly string[] => {
  const list = (record as { readonly extensions?: unknown } | null | undefined)?.extensions;
  return Array.isArray(list) ? list.filter((name): name is string => typeof name === 'string') : [];
};

/** Extensions of a recipe and of the settings that are laid over it. */
export interface LaidExtensions {
  readonly extensions: readonly string[];
  /** Whether a setting names them. */
  readonly isSet: boolean;
  /** The settings that say something else. */
  readonly others: readonly string[];
}

const settingPattern = /^\s*extensions\s*(\.[^=]*)?=(.*)$/su;

/** The list that a setting of `extensions` names: JSON, or one module as it stands. @throws ConfigError for anything else */
const listOf = (setting: string): readonly string[] | undefined => {
  const match = settingPattern.exec(setting);
  if (!match) return undefined;
  const text = (match[2] ?? '').trim();
  const isList = text.startsWith('[');
  let list: unknown;
  try {
    list = isList ? parseJson(text, '--set extensions') : [text];
  } catch {
    list = undefined;
  }
  const names = extensionsOf({ extensions: list });
  const fits = Array.isArray(list) && names.length === list.length && !names.includes('');
  if (fits && match[1] === undefined) return names;
  throw new ConfigError(
    `--set ${excerpt(setting).slice(1, -1)}: expected the whole list of modules, such as extensions=["./ours.mjs"]; --extension MODULE adds one`,
    { code: 'setting', fields: { path: 'extensions', value: text } },
  );
};

/**
 * The extensions that a recipe names once settings such as `extensions=["./ours.mjs"]` are laid over it. The recipe's
 * schema knows what extensions register, so it can't be asked before they are loaded.
 * @throws ConfigError for a setting of `extensions` that names no list of modules
 */
export const layExtensions = (recipe: unknown, settings: readonly string[]): LaidExtensions => {
  const lists = settings.flatMap((setting) => {
    const list = listOf(setting);
    return list ? [list] : [];
  });
  return {
    extensions: lists.at(-1) ?? extensionsOf(recipe),
    isSet: lists.length > 0,
    others: settings.filter((setting) => !settingPattern.test(setting)),
  };
};
