/** Builds the native part of an engine on this machine: one call for all that have one. */
import { EngineError, parseJson, unknownName } from '@polygate/core';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import {
  buildTensorflowBinding,
  type BindingBuildOptions,
  type BuiltBinding,
} from './tensorflow/build-binding.ts';

const run = promisify(execFile);

/** What to build with. */
export type EngineBuildOptions = BindingBuildOptions;

/** What was built. */
export type BuiltEngine = BuiltBinding;

type Build = (options: EngineBuildOptions) => Promise<BuiltEngine>;

/** What the package's script leaves behind when it has built. */
interface TorchStatus {
  readonly source: string;
  readonly root: string;
  readonly cuda: boolean;
}

const findTorchPackage = (from: readonly string[]): string => {
  for (const folder of from) {
    try {
      return dirname(
        createRequire(join(folder, 'package.json')).resolve('@polygate/backend-torch/package.json'),
      );
    } catch {
      // Not installed here.
    }
  }
  const remedy = 'npm install @polygate/backend-torch, then build again';
  throw new EngineError(`expected @polygate/backend-torch to be installed, got no such package; ${remedy}`, {
    code: 'engine-missing',
    fields: { remedy },
  });
};

/** The package's own script builds it, as its install does. */
const buildTorch: Build = async ({ python, force, logger, from }) => {
  const folder = findTorchPackage(from ?? [dirname(fileURLToPath(import.meta.url)), process.cwd()]);
  logger?.info('building the torch engine, which takes a minute or two');
  const options = [...(python ? ['--python', python] : []), ...(force ? ['--force'] : [])];
  const { stdout } = await run(process.execPath, [join(folder, 'native/build.mjs'), ...options], {
    env: { ...process.env, POLYGATE_BUILD_STRICT: '' },
    maxBuffer: 1 << 26,
  });
  const refusal = /^torch engine: not built: (.*)$/mu.exec(stdout)?.[1];
  if (refusal !== undefined) {
    throw new EngineError(`expected the torch engine to build, got: ${refusal}`, { code: 'build-failed' });
  }
  const status = parseJson(
    readFileSync(join(folder, 'build/status.json')),
    'build/status.json',
  ) as TorchStatus;
  return {
    library: `LibTorch (${status.source})`,
    root: status.root,
    cuda: status.cuda,
    binding: join(folder, 'build/polygate_torch.node'),
    upToDate: stdout.includes('up to date'),
  };
};

/** Engines with a native part, and how each is built. */
const builds: ReadonlyMap<string, Build> = new Map([
  ['torch', buildTorch],
  ['tfjs-node', (options) => buildTensorflowBinding('tfjs-node', options)],
  ['tfjs-node-gpu', (options) => buildTensorflowBinding('tfjs-node-gpu', options)],
]);

/** Names that {@link buildEngine} takes. */
export const buildableEngines: readonly string[] = [...builds.keys()];

/**
 * Builds the native part of an engine with the C++ compiler of this machine: `torch` against LibTorch, `tfjs-node` and
 * `tfjs-node-gpu` against the TensorFlow of a Python. Nothing is downloaded; what already stands is left as it is.
 * @throws ConfigError for an unknown name; EngineError saying what was expected, what came and the remedy
 */
export const buildEngine = async (name: string, options: EngineBuildOptions = {}): Promise<BuiltEngine> => {
  const build = builds.get(name);
  if (!build) throw unknownName('engine to build', name, buildableEngines);
  return build(options);
};
