/**
 * Builds the native binding of an installed @tensorflow/tfjs-node or -node-gpu from the sources that the package
 * carries, against the TensorFlow of a Python: no gyp, no download. The package's own install fetches a library of 2022
 * from a host that many networks don't reach.
 */
import { EngineError, sha256, type Logger } from '@polygate/core';
import { writeFileAtomic } from '@polygate/core/node';
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { findPythonTensorflow, type PythonTensorflow } from './python-tensorflow.ts';
import {
  buildRecordFile,
  findTensorflowPackage,
  installCommand,
  readBuildRecord,
  type TensorflowPackage,
  type TensorflowPackageName,
} from './tensorflow-package.ts';

const run = promisify(execFile);

/** What to build with. */
export interface BindingBuildOptions {
  /** Python whose TensorFlow is taken, such as `venv/bin/python`. @default the variable PYTHON, else python3 */
  readonly python?: string;
  /** Build though nothing has changed. @default false */
  readonly force?: boolean;
  /** Folders from which the installed package is looked for. @default that of this module, then the current one */
  readonly from?: readonly string[];
  readonly logger?: Logger;
}

/** A binding that stands where its package loads it from. */
export interface BuiltBinding {
  /** e.g. `TensorFlow 2.21.0`. */
  readonly library: string;
  /** Folder of that library; the binding needs it as long as it is used. */
  readonly root: string;
  readonly cuda: boolean;
  /** The file. */
  readonly binding: string;
  /** Whether an earlier build still stood for the same sources, library and compiler. */
  readonly upToDate: boolean;
}

const loaderSource = fileURLToPath(new URL('../../../native/tensorflow_loader.cc', import.meta.url));
/** The name that the loader looks for. */
const REAL_BINDING = 'tfjs_binding_tensorflow.so';
/** Oldest first; headers of 2.16 to 2.21 compile with the first. */
const STANDARDS = ['-std=c++17', '-std=c++20'] as const;
const MAX_OUTPUT = 1 << 26;

const findCompiler = async (): Promise<{ command: string; version: string }> => {
  const candidates = [process.env['CXX'], 'g++', 'c++', 'clang++'].filter(Boolean) as string[];
  for (const command of candidates) {
    try {
      const { stdout } = await run(command, ['--version']);
      return { command, version: stdout.split('\n')[0] ?? '' };
    } catch {
      // Not installed under this name.
    }
  }
  const remedy = 'install one (Debian/Ubuntu: apt-get install g++) or name one by CXX';
  throw new EngineError(`expected a C++ compiler, got none of ${candidates.join(', ')}; ${remedy}`, {
    code: 'compiler-missing',
    fields: { remedy },
  });
};

const sourcesOf = (installed: TensorflowPackage, name: TensorflowPackageName): string[] => {
  const folder = join(installed.folder, 'binding');
  const names = existsSync(folder) ? readdirSync(folder) : [];
  const sources = names.filter((name) => name.endsWith('.cc')).map((name) => join(folder, name));
  if (sources.length > 0) return sources.sort();
  const remedy = `install it again: ${installCommand(name)}`;
  throw new EngineError(
    `${installed.name} ${installed.version}: expected the sources of its binding in ${folder}, got none; ${remedy}`,
    {
      code: 'binding-sources-missing',
      fields: { remedy },
    },
  );
};

interface Plan {
  readonly compiler: string;
  readonly sources: readonly string[];
  readonly flags: readonly string[];
  readonly links: readonly string[];
}

/** Compiles and links in one call; with the first standard that does. @throws the compiler's failure with the last one */
const compile = async ({ compiler, sources, flags, links }: Plan, output: string): Promise<void> => {
  for (const standard of STANDARDS) {
    try {
      await run(compiler, [standard, ...flags, ...sources, ...links, '-o', output], {
        maxBuffer: MAX_OUTPUT,
      });
      return;
    } catch (cause) {
      if (standard === STANDARDS.at(-1)) throw cause;
    }
  }
};

const compileFailure = (
  cause: unknown,
  { tensorflow, compiler }: { tensorflow: PythonTensorflow; compiler: { command: string; version: string } },
): EngineError => {
  const text = String((cause as { stderr?: string }).stderr || (cause as Error).message);
  const first = text.split('\n').find((line) => /error/iu.test(line)) ?? text.split('\n')[0] ?? '';
  const remedy = 'try another TensorFlow (2.16 to 2.21 are known to work) or another compiler by CXX';
  return new EngineError(
    `expected the binding to compile against TensorFlow ${tensorflow.version} (${tensorflow.root}) by ${compiler.command} (${compiler.version}) with ${STANDARDS.join(', then ')}, got: ${first.trim()}; ${remedy}`,
    { code: 'compile-failed', fields: { output: text, remedy }, cause },
  );
};

const keyOf = (sources: readonly string[], rest: unknown): string =>
  sha256(JSON.stringify([sources.map((file) => [file, sha256(readFileSync(file))]), rest]));

/**
 * Builds the binding, some ten to thirty seconds. A second call with the same sources, TensorFlow and compiler does
 * nothing.
 * @throws EngineError saying what was expected, what came and the remedy: no package, no TensorFlow or one of another
 * version, no compiler, sources that don't compile, a folder that can't be written
 */
export const buildTensorflowBinding = async (
  name: TensorflowPackageName,
  options: BindingBuildOptions = {},
): Promise<BuiltBinding> => {
  if (process.platform !== 'linux') {
    const remedy = `let the package fetch its own: npm rebuild @tensorflow/${name}`;
    throw new EngineError(`${name}: expected Linux, got ${process.platform}; ${remedy}`, {
      code: 'platform',
      fields: { remedy },
    });
  }
  const installed = findTensorflowPackage(name, options.from);
  if (!installed) {
    const remedy = `${installCommand(name)}, then build again`;
    throw new EngineError(`expected @tensorflow/${name} to be installed, got no such package; ${remedy}`, {
      code: 'engine-missing',
      fields: { remedy },
    });
  }
  const sources = sourcesOf(installed, name);
  const tensorflow = await findPythonTensorflow(options.python ?? process.env['PYTHON'], {
    cuda: name === 'tfjs-node-gpu',
  });
  const compiler = await findCompiler();
  const headers = createRequire(import.meta.url)('node-api-headers') as { readonly include_dir: string };
  const flags = ['-O2', '-shared', '-fPIC', '-DNAPI_VERSION=8', `-I${headers.include_dir}`];
  const { root, version, cuda } = tensorflow;
  const real: Plan = {
    compiler: compiler.command,
    sources,
    flags: [...flags, `-I${installed.folder}`, `-isystem${tensorflow.include}`],
    links: [`-L${root}`, ...tensorflow.libraries.map((file) => `-l:${file}`), `-Wl,-rpath,${root}`],
  };
  const key = keyOf([...sources, loaderSource], [version, root, compiler, real.flags, real.links]);
  const built = { library: `TensorFlow ${version}`, root, cuda, binding: installed.binding };
  const folder = dirname(installed.binding);
  if (
    !options.force &&
    installed.hasBinding &&
    existsSync(join(folder, REAL_BINDING)) &&
    readBuildRecord(installed)?.key === key
  ) {
    return { ...built, upToDate: true };
  }
  options.logger?.info(
    `building the binding of ${installed.name} ${installed.version} against TensorFlow ${version} in ${root}`,
  );
  let work: string;
  try {
    mkdirSync(folder, { recursive: true });
    work = mkdtempSync(join(folder, 'building-'));
  } catch (cause) {
    const remedy = 'run as the user who installed the package';
    throw new EngineError(
      `expected to write the binding to ${folder}, got: ${(cause as Error).message}; ${remedy}`,
      {
        code: 'not-writable',
        fields: { remedy },
        cause,
      },
    );
  }
  try {
    const loader = { ...real, sources: [loaderSource], flags, links: ['-ldl'] };
    await Promise.all([
      compile(real, join(work, REAL_BINDING)),
      compile(loader, join(work, 'tfjs_binding.node')),
    ]).catch((cause: unknown) => {
      throw compileFailure(cause, { tensorflow, compiler });
    });
    // The loader last: from then on the package is seen as having its binding.
    renameSync(join(work, REAL_BINDING), join(folder, REAL_BINDING));
    const record = { key, version, root, cuda, compiler: compiler.version };
    await writeFileAtomic(buildRecordFile(installed), `${JSON.stringify(record, undefined, 2)}\n`);
    renameSync(join(work, 'tfjs_binding.node'), installed.binding);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return { ...built, upToDate: false };
};
