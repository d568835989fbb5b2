/** The installed package of TensorFlow for Node: where it is, and whether its native binding is. */
import { parseJson } from '@polygate/core';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The two packages; the second one is for TensorFlow with CUDA. */
export type TensorflowPackageName = 'tfjs-node' | 'tfjs-node-gpu';

/** An installed package. */
export interface TensorflowPackage {
  /** e.g. `@tensorflow/tfjs-node`. */
  readonly name: string;
  readonly version: string;
  readonly folder: string;
  /** The file that the package loads as its binding, whether or not it is there. */
  readonly binding: string;
  readonly hasBinding: boolean;
}

/** What our build writes beside the binding. */
export interface TensorflowBuildRecord {
  /** Hash of all that the binding was made from. */
  readonly key: string;
  /** e.g. `2.21.0`. */
  readonly version: string;
  /** Folder of the TensorFlow that it was linked with. */
  readonly root: string;
  readonly cuda: boolean;
  readonly compiler: string;
}

/** How a package is got without its download. */
export const installCommand = (name: TensorflowPackageName): string =>
  `npm install @tensorflow/${name} --ignore-scripts`;

/** The command that builds a missing binding. */
export const buildCommand = (name: TensorflowPackageName): string => `npx polygate engines build ${name}`;

interface PackageDocument {
  readonly version: string;
  readonly binary?: { readonly module_path?: string; readonly napi_versions?: readonly number[] };
}

/** Node-API of the binding, as the package's own loader chooses it: the newest that both know. */
const bindingFolder = (document: PackageDocument): string => {
  const here = Number(process.versions.napi);
  const versions = (document.binary?.napi_versions ?? []).filter((version) => version <= here);
  const version = versions.length > 0 ? Math.max(...versions) : 8;
  return (document.binary?.module_path ?? './lib/napi-v{napi_build_version}').replace(
    '{napi_build_version}',
    String(version),
  );
};

const resolveFrom = (folder: string, name: string): string | undefined => {
  try {
    return createRequire(join(folder, 'package.json')).resolve(`${name}/package.json`);
  } catch {
    return undefined;
  }
};

/**
 * The installed package, looked for from each folder in turn as Node looks (NODE_PATH included).
 * @param from folders @default that of this module, then the current one
 * @returns undefined where it is not installed
 */
export const findTensorflowPackage = (
  name: TensorflowPackageName,
  from: readonly string[] = [dirname(fileURLToPath(import.meta.url)), process.cwd()],
): TensorflowPackage | undefined => {
  const full = `@tensorflow/${name}`;
  for (const start of from) {
    const file = resolveFrom(start, full);
    if (file === undefined) continue;
    const document = parseJson(readFileSync(file), `${full}/package.json`) as PackageDocument;
    const folder = dirname(file);
    const binding = join(folder, bindingFolder(document), 'tfjs_binding.node');
    return { name: full, version: document.version, folder, binding, hasBinding: existsSync(binding) };
  }
  return undefined;
};

/** The file beside a binding that says what our build made it from. */
export const buildRecordFile = (installed: TensorflowPackage): string =>
  join(dirname(installed.binding), 'polygate-build.json');

/** What our build wrote, or undefined: a binding that came with the package has no record. */
export const readBuildRecord = (installed: TensorflowPackage): TensorflowBuildRecord | undefined => {
  const file = buildRecordFile(installed);
  if (!existsSync(file)) return undefined;
  return parseJson(readFileSync(file), file, {
    remedy: 'delete it and build again',
  }) as TensorflowBuildRecord;
};
