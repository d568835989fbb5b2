/**
 * Extensions: modules that register task families, modalities, readers, conditions or models, imported before anything
 * that uses their names is checked.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { isAbsolute, join, relative, resolve, sep } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ConfigError } from '../errors.ts';
import { excerpt, parseJson } from '../json.ts';
import { registeredSince, registrationCount } from '../registry.ts';

/** Who asks for extensions, and where their paths begin. */
export interface ExtensionRequest {
  /** Stands in errors: `recipe toy.json`, `--extension`, `run runs/toy`. */
  readonly askedBy: string;
  /** Folders that paths are relative to, the first that has the file. @default the working directory */
  readonly folders?: readonly string[];
}

/** An extension that is loaded. */
export interface LoadedExtension {
  /** As it was asked for. */
  readonly module: string;
  /** As a record of a run names it: a package, or a path from the working directory where the file lies inside. */
  readonly recorded: string;
  /** What it registered. */
  readonly records: readonly { readonly kind: string; readonly name: string }[];
}

/** What was loaded in this process, by the address of the module: a module is imported once. */
const loaded = new Map<string, LoadedExtension['records']>();

/** Whether a name is a path: it begins with a dot or a root, or ends as a module file does. */
const isPath = (module: string): boolean =>
  module.startsWith('.') || isAbsolute(module) || /\.(?:mjs|js|cjs|ts|mts)$/u.test(module);

/** Address of a module, and the form in which it is recorded. */
const addressOf = (
  module: string,
  { askedBy, folders = [process.cwd()] }: ExtensionRequest,
): { readonly address: string; readonly recorded: string } => {
  if (isPath(module)) {
    const places = folders.map((folder) => resolve(folder, module));
    const path = places.find((place) => existsSync(place));
    if (path === undefined) {
      throw new ConfigError(
        `extension "${module}" of ${askedBy}: expected a module file, got none at ${places.join(' or ')}; correct the path, which is relative to the recipe's folder or the working directory`,
        { code: 'extension-missing', fields: { module, askedBy } },
      );
    }
    const inside = relative(process.cwd(), path);
    const isOutside = inside.startsWith('..') || isAbsolute(inside);
    const recorded = isOutside ? path : `./${inside.split(sep).join('/')}`;
    return { address: pathToFileURL(path).href, recorded };
  }
  for (const folder of [...folders, process.cwd()]) {
    try {
      const path = createRequire(join(resolve(folder), 'package.json')).resolve(module);
      return { address: pathToFileURL(path).href, recorded: module };
    } catch {
      // Not there, or without an entry for require: the next folder, and at last the import itself, decide.
    }
  }
  return { address: module, recorded: module };
};

const reasonOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));

const importExtension = async (
  address: string,
  module: string,
  { askedBy }: ExtensionRequest,
): Promise<LoadedExtension['records']> => {
  const before = registrationCount();
  let exported = new Set<unknown>();
  try {
    const content = (await import(address)) as { readonly register?: unknown };
    if (typeof content.register === 'function') await (content.register as () => unknown)();
    exported = new Set<unknown>(Object.values(content));
  } catch (cause) {
    const isMissing =
      address === module && (cause as { readonly code?: unknown }).code === 'ERR_MODULE_NOT_FOUND';
    throw isMissing
      ? new ConfigError(
          `extension "${module}" of ${askedBy}: expected a package that is installed, got none of that name; install it where you work, or give the path of a module`,
          { code: 'extension-missing', fields: { module, askedBy }, cause },
        )
      : new ConfigError(
          `extension "${module}" of ${askedBy}: expected a module that can be imported and registers its records, got an error: ${reasonOf(cause)}`,
          { code: 'extension-failed', fields: { module, askedBy }, cause },
        );
  }
  const fresh = registeredSince(before);
  // A recipe may have imported the module before: then what it registered is known by what it exports.
  const records = fresh.length > 0 ? fresh : registeredSince(0).filter(({ record }) => exported.has(record));
  if (records.length > 0) return records.map(({ kind, name }) => ({ kind, name }));
  throw new ConfigError(
    `extension "${module}" of ${askedBy}: expected a module that registers a task family, modality, reader, condition or model when it is imported or by its function register, got one that registers nothing; call a function such as registerTaskFamily in it`,
    { code: 'extension-empty', fields: { module, askedBy } },
  );
};

/**
 * Imports extensions in their order, each once in a process: a module registers its records when it is imported, or by a
 * function `register` that it exports.
 * @param modules names of packages, or paths
 * @throws ConfigError (codes `extension-missing`, `extension-failed`, `extension-empty`) that names the module and who
 * asked for it
 */
export const loadExtensions = async (
  modules: readonly string[],
  request: ExtensionRequest,
): Promise<readonly LoadedExtension[]> => {
  const extensions: LoadedExtension[] = [];
  for (const module of modules) {
    const { address, recorded } = addressOf(module, request);
    const records = loaded.get(address) ?? (await importExtension(address, module, request));
    loaded.set(address, records);
    extensions.push({ module, recorded, records });
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
