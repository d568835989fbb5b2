/** Modules of extensions: where they lie, what they register, and which of them this process has loaded. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { ConfigError } from '../errors.ts';
import { registeredSince, registrationCount } from '../registry.ts';
import { endingWork } from './ending-work.ts';

/** A record that an extension registered. */
export interface ExtensionEntry {
  readonly kind: string;
  readonly name: string;
}

/** An extension that is loaded. */
export interface LoadedExtension {
  /** As it was asked for. */
  readonly module: string;
  /** How a recipe of this process names it: a package, or a path from the working directory where the file lies inside. */
  readonly recorded: string;
  /** What it registered. */
  readonly records: readonly ExtensionEntry[];
}

/** A module that this process loaded. */
export interface LoadedModule extends LoadedExtension {
  /** Its file; absent of a package that `require` can't find. */
  readonly file?: string;
  /** SHA-256 of the file as it was loaded. */
  readonly sha256?: string;
  /** Whether somebody asked for it by name, and not a run or model that was made with it. */
  readonly isAsked: boolean;
}

/** What was loaded in this process, by the address of the module: a module is imported once. */
const loaded = new Map<string, LoadedModule>();

/** The modules that this process loaded, in order. */
export const loadedModules = (): readonly LoadedModule[] => [...loaded.values()];

/** Whether a name is a path: it begins with a dot or a root, or ends as a module file does. */
export const isModulePath = (module: string): boolean =>
  module.startsWith('.') || isAbsolute(module) || /\.(?:mjs|js|cjs|ts|mts)$/u.test(module);

/** SHA-256 of a module's own file, without what it imports; undefined of one that can't be read, which its import says. */
export const moduleHash = (file: string): string | undefined => {
  try {
    return createHash('sha256').update(readFileSync(file)).digest('hex');
  } catch {
    return undefined;
  }
};

/** A path as recipes of this process say it: from the working directory where the file lies inside. */
const pathFromHere = (file: string): string => {
  const inside = relative(process.cwd(), file);
  return inside.startsWith('..') || isAbsolute(inside) ? file : `./${inside.split(sep).join('/')}`;
};

/** A module that was looked up. */
export interface ModuleAddress {
  readonly address: string;
  readonly recorded: string;
  readonly file?: string;
}

/** The address of a file. */
export const addressOfFile = (file: string): ModuleAddress => ({
  address: pathToFileURL(file).href,
  recorded: pathFromHere(file),
  file,
});

/** The file of a package that is installed for one of the folders; undefined where `require` finds none. */
export const packageFile = (name: string, folders: readonly string[]): string | undefined => {
  for (const folder of [...folders, process.cwd()]) {
    try {
      const file = createRequire(join(resolve(folder), 'package.json')).resolve(name);
      if (isAbsolute(file)) return file;
    } catch {
      // Not there, or without an entry for require: the next folder, and at last the import itself, decide.
    }
  }
  return undefined;
};

/** Where a path may lie, each place once. */
export const placesOf = (module: string, folders: readonly string[]): readonly string[] => [
  ...new Set(folders.map((folder) => resolve(folder, module))),
];

const reasonOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));

/** The package that an import did not find, as Node says it. */
const missingPackage = (cause: unknown): string | undefined =>
  (cause as { readonly code?: unknown } | null)?.code === 'ERR_MODULE_NOT_FOUND'
    ? /^Cannot find package '([^']+)'/u.exec(reasonOf(cause))?.[1]
    : undefined;

const importError = (
  { address, file }: ModuleAddress,
  cause: unknown,
  { module, askedBy }: { readonly module: string; readonly askedBy: string },
): ConfigError => {
  const name = `extension "${module}" of ${askedBy}`;
  const fields = { module, askedBy };
  const lacks = missingPackage(cause);
  if (lacks !== undefined && file === undefined && address === module) {
    return new ConfigError(
      `${name}: expected a package that is installed, got none of that name; install it where you work, or give the path of a module`,
      { code: 'extension-missing', fields, cause },
    );
  }
  if (lacks !== undefined && file !== undefined) {
    const remedy = lacks.startsWith('@polygate/')
      ? `keep the module in the project that Polygate is installed in, or link that project's node_modules into ${dirname(file)}: its records must meet the packages that run here`
      : `install it there: npm install ${lacks}`;
    return new ConfigError(
      `${name}: expected a module whose imports are installed, got no package ${lacks} from ${dirname(file)} upwards; ${remedy}`,
      { code: 'extension-imports', fields: { ...fields, package: lacks }, cause },
    );
  }
  return new ConfigError(
    `${name}: expected a module that can be imported and registers its records, got an error: ${reasonOf(cause)}`,
    { code: 'extension-failed', fields, cause },
  );
};

/** Why a module that registers may have registered nothing here: packages of its own. */
const foreignPackages = (file: string | undefined): string => {
  const itsCore = file === undefined ? undefined : packageFile('@polygate/core', [dirname(file)]);
  const here = packageFile('@polygate/core', [dirname(fileURLToPath(import.meta.url))]);
  return itsCore === undefined || here === undefined || itsCore === here
    ? ''
    : `; it imports a @polygate/core of its own (${itsCore}), which this process does not know: link it to ${here}`;
};

/** Waits for a module. @throws ConfigError (code `extension-unfinished`) for one that nothing can end */
const finished = <T>(
  work: Promise<T>,
  { module, askedBy }: { readonly module: string; readonly askedBy: string },
): Promise<T> =>
  endingWork(
    work,
    () =>
      new ConfigError(
        `extension "${module}" of ${askedBy}: expected a module that is done once it is imported and its register() has ended, got one that waits for what never comes; look for an await in it, or in register(), that nothing ends`,
        { code: 'extension-unfinished', fields: { module, askedBy } },
      ),
  );

/** A module's exports, once it is imported and has registered what it has. */
const registered = async (address: string): Promise<object> => {
  const content = (await import(address)) as { readonly register?: unknown };
  if (typeof content.register === 'function') await (content.register as () => unknown)();
  return content;
};

const importModule = async (
  { module, askedBy }: { readonly module: string; readonly askedBy: string },
  at: ModuleAddress,
): Promise<LoadedExtension['records']> => {
  const before = registrationCount();
  let exported = new Set<unknown>();
  try {
    const content = await finished(registered(at.address), { module, askedBy });
    exported = new Set<unknown>(Object.values(content));
  } catch (cause) {
    if (cause instanceof ConfigError && cause.code === 'extension-unfinished') throw cause;
    throw importError(at, cause, { module, askedBy });
  }
  const fresh = registeredSince(before);
  // A recipe may have imported the module before: then what it registered is known by what it exports.
  const records = fresh.length > 0 ? fresh : registeredSince(0).filter(({ record }) => exported.has(record));
  if (records.length > 0) return records.map(({ kind, name }) => ({ kind, name }));
  throw new ConfigError(
    `extension "${module}" of ${askedBy}: expected a module that registers a task family, modality, reader, condition, model or optimizer when it is imported or by its function register, got one that registers nothing; call a function such as registerTaskFamily in it${foreignPackages(at.file)}`,
    { code: 'extension-empty', fields: { module, askedBy } },
  );
};

/** Imports a module that was looked up, once in a process. @throws ConfigError as `loadExtensions` */
export const loadModule = async (
  at: ModuleAddress,
  {
    module,
    askedBy,
    isAsked,
  }: { readonly module: string; readonly askedBy: string; readonly isAsked: boolean },
): Promise<LoadedModule> => {
  const { address, recorded, file } = at;
  const sha256 = file === undefined ? undefined : moduleHash(file);
  // A copy of a module that is loaded would register the same names anew.
  const earlier =
    loaded.get(address) ?? loadedModules().find((each) => sha256 !== undefined && each.sha256 === sha256);
  const digest = earlier ?? (file === undefined || sha256 === undefined ? {} : { file, sha256 });
  const records = earlier?.records ?? (await importModule({ module, askedBy }, at));
  const extension: LoadedModule = {
    ...digest,
    module,
    recorded,
    records,
    isAsked: isAsked || (earlier?.isAsked ?? false),
  };
  loaded.set(address, extension);
  return extension;
};

/** The loaded module that a recipe of this process names. */
export const loadedAs = (module: string): LoadedModule | undefined => {
  const file = isModulePath(module) ? resolve(module) : undefined;
  return loadedModules().find(
    (each) => each.recorded === module || (file !== undefined && each.file === file),
  );
};

/** A module that was asked for and has the name of a path's file. */
export const askedNamesake = (module: string): LoadedModule | undefined =>
  loadedModules().find(
    ({ isAsked, file }) => isAsked && file !== undefined && basename(file) === basename(module),
  );
