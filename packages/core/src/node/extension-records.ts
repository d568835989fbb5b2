/**
 * What a run or a model says of the extensions that it was made with: where the module lies, counted from the folder of the
 * record, its SHA-256, and the names that it registered. A folder and its modules may be moved together; a module that was
 * moved alone is named anew (`--extension`), and what is registered already is not looked for.
 */
import { existsSync } from 'node:fs';
import { relative, resolve, sep } from 'node:path';
import { ConfigError } from '../errors.ts';
import { registeredSince } from '../registry.ts';
import {
  addressOfFile,
  askedNamesake,
  isModulePath,
  loadedAs,
  loadedModules,
  loadModule,
  moduleHash,
  packageFile,
  placesOf,
  type ExtensionEntry,
  type LoadedModule,
} from './extension-modules.ts';

/** An extension as a run or model has it in its files. */
export interface ExtensionRecord {
  /** A package, or a path from the working directory, as the recipe or the command line named it. */
  readonly module: string;
  /** Path of the module from the folder of the record. */
  readonly path?: string | undefined;
  /** SHA-256 of the module's own file. @default unknown */
  readonly sha256?: string | undefined;
  /** What it registers. @default unknown */
  readonly records?: readonly ExtensionEntry[] | undefined;
}

/** Records of older versions are the module alone, with its path from the working directory. */
export type StoredExtension = string | ExtensionRecord;

const isText = (value: unknown): value is string => typeof value === 'string';

const entryOf = (value: unknown): readonly ExtensionEntry[] => {
  const { kind, name } = (value ?? {}) as Partial<ExtensionEntry>;
  return isText(kind) && isText(name) ? [{ kind, name }] : [];
};

const recordOf = (value: unknown): readonly StoredExtension[] => {
  if (isText(value)) return value === '' ? [] : [value];
  const { module, path, sha256, records } = (value ?? {}) as Readonly<Record<string, unknown>>;
  if (!isText(module) || module === '') return [];
  return [
    {
      module,
      ...(isText(path) ? { path } : {}),
      ...(isText(sha256) ? { sha256 } : {}),
      ...(Array.isArray(records) ? { records: records.flatMap(entryOf) } : {}),
    },
  ];
};

/** The extensions that a parsed file of a run or model names under `extensions`; what is none of them is left out. */
export const storedExtensions = (content: unknown): readonly StoredExtension[] => {
  const list = (content as { readonly extensions?: unknown } | null | undefined)?.extensions;
  return Array.isArray(list) ? list.flatMap(recordOf) : [];
};

const fromFolder = (folder: string, file: string): string => {
  const path = relative(resolve(folder), file).split(sep).join('/');
  return path.startsWith('.') ? path : `./${path}`;
};

/**
 * What a file in `folder` says of extensions.
 * @param modules as a recipe of this process names them
 */
export const recordExtensions = (modules: readonly string[], folder: string): readonly ExtensionRecord[] =>
  modules.map((module) => {
    const loaded = loadedAs(module);
    const isPath = isModulePath(module);
    const file = loaded?.file ?? (isPath ? resolve(module) : undefined);
    if (file === undefined || (!loaded && !existsSync(file))) return { module };
    const path = fromFolder(folder, file);
    const sha256 = loaded?.sha256 ?? moduleHash(file);
    return {
      module: isPath ? fromFolder(process.cwd(), file) : module,
      path,
      ...(sha256 === undefined ? {} : { sha256 }),
      ...(loaded ? { records: loaded.records } : {}),
    };
  });

/** Who has the records, and where their paths begin. */
export interface RecordedRequest {
  /** Stands in errors: `run runs/toy`. */
  readonly askedBy: string;
  /** Folder of the file that has the records. */
  readonly folder: string;
}

const SHOWN_DIGITS = 12;
const shortHash = (sha256: string | undefined): string => sha256?.slice(0, SHOWN_DIGITS) ?? 'unknown';

const isRegistered = ({ kind, name }: ExtensionEntry): boolean =>
  registeredSince(0).some((each) => each.kind === kind && each.name === name);

/** The loaded modules that registered one of the records. */
const registrarsOf = (records: readonly ExtensionEntry[]): readonly LoadedModule[] =>
  loadedModules().filter((each) =>
    each.records.some(({ kind, name }) =>
      records.some((record) => record.kind === kind && record.name === name),
    ),
  );

const differs = (
  { module, sha256 }: ExtensionRecord,
  got: { readonly file: string | undefined; readonly sha256: string | undefined },
  askedBy: string,
): ConfigError =>
  new ConfigError(
    `extension "${module}" of ${askedBy}: expected the module that it was made with (SHA-256 ${shortHash(sha256)}...), got another (${shortHash(got.sha256)}...) at ${got.file}, which may compute something else; restore the file, or ask for the one that is there: --extension ${got.file}`,
    { code: 'extension-differs', fields: { module, askedBy, expected: sha256, got: got.sha256 } },
  );

/** What stands in for a record: modules whose names are registered. */
const standIn = (record: ExtensionRecord, askedBy: string): { readonly recorded: string } | undefined => {
  const { module, records = [], sha256 } = record;
  if (records.length === 0 || !records.every(isRegistered)) return undefined;
  const registrars = registrarsOf(records);
  const other = registrars.find(
    (each) => !each.isAsked && sha256 !== undefined && each.sha256 !== undefined && each.sha256 !== sha256,
  );
  if (other) throw differs(record, { file: other.file, sha256: other.sha256 }, askedBy);
  return { recorded: registrars[0]?.recorded ?? module };
};

/** Where a recorded module may be, in the order in which it is looked for; each place once. */
const candidates = ({ module, path }: ExtensionRecord, folder: string): readonly string[] => {
  const beside = path === undefined ? [] : placesOf(path, [folder]);
  if (isModulePath(module)) {
    // Paths of older records begin in the working directory, or in the folder.
    const folders = path === undefined ? [folder, process.cwd()] : [process.cwd()];
    return [...new Set([...beside, ...placesOf(module, folders)])];
  }
  const installed = packageFile(module, [folder]);
  return [...new Set([...(installed === undefined ? [] : [installed]), ...beside])];
};

const missing = (
  { module, records = [] }: ExtensionRecord,
  tried: readonly string[],
  askedBy: string,
): ConfigError => {
  const names = records.map(({ kind, name }) => `${kind} ${name}`).join(', ');
  const what = names === '' ? '' : ` (which registers ${names})`;
  const got = tried.length > 0 ? `none at ${tried.join(' or ')}` : 'no package of that name';
  return new ConfigError(
    `extension "${module}" of ${askedBy}: expected its module${what}, got ${got}; put it back, or say where it is now: --extension FILE`,
    { code: 'extension-missing', fields: { module, askedBy, tried } },
  );
};

const loadRecorded = async (
  stored: StoredExtension,
  { askedBy, folder }: RecordedRequest,
): Promise<{ readonly recorded: string }> => {
  const record = isText(stored) ? { module: stored } : stored;
  const { module, sha256 } = record;
  const standing = standIn(record, askedBy);
  if (standing) return standing;
  const tried = candidates(record, folder);
  const present = tried.filter((path) => existsSync(path));
  const digests = present.map((file) => ({ file, sha256: moduleHash(file) }));
  const same = digests.find((each) => each.sha256 === sha256) ?? digests[0];
  if (!same) {
    // Records of older versions have no names: the file's own says what a module that was asked for stands in for.
    const namesake = record.records ? undefined : askedNamesake(module);
    if (namesake) return namesake;
    if (isModulePath(module) || tried.length > 0) throw missing(record, tried, askedBy);
    return loadModule({ address: module, recorded: module }, { module, askedBy, isAsked: false });
  }
  if (sha256 !== undefined && same.sha256 !== sha256) throw differs(record, same, askedBy);
  const at = addressOfFile(same.file);
  const named = isModulePath(module) ? at : { ...at, recorded: module };
  return loadModule(named, { module, askedBy, isAsked: false });
};

/**
 * Loads the extensions that a file of a run or a model names, as far as they are not registered yet.
 * @returns how a recipe of this process names them
 * @throws ConfigError: `extension-missing` names every path that was tried, `extension-differs` both digests; others as
 * `loadExtensions`
 */
export const loadStoredExtensions = async (
  stored: readonly StoredExtension[],
  request: RecordedRequest,
): Promise<readonly string[]> => {
  const modules: string[] = [];
  for (const each of stored) modules.push((await loadRecorded(each, request)).recorded);
  return [...new Set(modules)];
};

/** A stored extension whose records another module registered in this process. */
export interface ChangedExtension {
  readonly module: string;
  readonly expected: string;
  readonly got: string;
  readonly file: string;
}

/** Extensions that are not the modules that a run began with, whoever asked for them. */
export const changedExtensions = (stored: readonly StoredExtension[]): readonly ChangedExtension[] =>
  stored.flatMap((each) => {
    if (isText(each) || each.sha256 === undefined) return [];
    const { module, sha256: expected, records = [] } = each;
    return registrarsOf(records).flatMap(({ file, sha256 }) =>
      file === undefined || sha256 === undefined || sha256 === expected
        ? []
        : [{ module, expected, got: sha256, file }],
    );
  });
