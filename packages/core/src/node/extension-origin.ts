/** Where in an extension an error was thrown: its module and line, and the record, as far as they are known. */
import { realpathSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { originOf } from '../record-guard.ts';
import { loadedModules, type LoadedModule } from './extension-modules.ts';

/** The extension that an error came from. */
export interface ExtensionOrigin {
  /** As a recipe of this process names it. */
  readonly module: string;
  /** Line of the module's file, from 1; absent where none of its code was at work, such as after what it gave. */
  readonly line?: number;
  /** The record, or all that the module registers: `task family "toy-verdict"`. */
  readonly records: string;
}

/** What a module may be called in a stack: its address or its path, also where links lead to. */
const addressesOf = (file: string): readonly string[] => {
  const paths = [file];
  try {
    paths.push(realpathSync(file));
  } catch {
    // It is gone by now; its path still stands in the stack.
  }
  return [...new Set(paths.flatMap((path) => [pathToFileURL(path).href, path]))];
};

/** Line of the innermost frame of a module in the stack of an error or of one that caused it. */
const lineIn = (error: unknown, { file }: LoadedModule): number | undefined => {
  if (!(error instanceof Error) || file === undefined) return undefined;
  for (const frame of (error.stack ?? '').split('\n')) {
    for (const address of addressesOf(file)) {
      const at = frame.indexOf(`${address}:`);
      const line = at < 0 ? NaN : Number.parseInt(frame.slice(at + address.length + 1), 10);
      if (line > 0) return line;
    }
  }
  return lineIn(error.cause, { file } as LoadedModule);
};

const textOf = ({ kind, name }: { readonly kind: string; readonly name: string }): string =>
  `${kind} "${name}"`;

/** The extension in whose code, or after whose answer, an error was thrown; undefined for one of ours. */
export const extensionOrigin = (error: unknown): ExtensionOrigin | undefined => {
  const record = originOf(error);
  for (const each of loadedModules()) {
    const line = lineIn(error, each);
    const isOf =
      record && each.records.some(({ kind, name }) => kind === record.kind && name === record.name);
    if (line === undefined && !isOf) continue;
    return {
      module: each.recorded,
      ...(line === undefined ? {} : { line }),
      records: isOf ? textOf(record) : each.records.map(textOf).join(', '),
    };
  }
  return undefined;
};
