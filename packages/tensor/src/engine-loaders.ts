/** How each engine of the ladder is loaded; best first. Optional packages are reached by name only, so their absence breaks nothing. */
import { EngineError } from '@polygate/core';
import * as tf from '@tensorflow/tfjs';
import { tensorflowLoader } from '#tensorflow-engine';
import { wasmFolder } from '#wasm-folder';
import type { EngineLoader, LoadedEngine, LoadRequest } from './engine-loader.ts';
import type { EngineName, Precision } from './engine-names.ts';
import type { Workaround } from './trust/examine.ts';
import { withdrawal } from './trust/withdrawal.ts';

interface TorchModule {
  readonly describeTorch: () => {
    readonly available: boolean;
    readonly version?: string;
    readonly source?: string;
    readonly why?: string;
    readonly remedy?: string;
  };
  readonly registerTorchEngine: (options: LoadRequest) => Promise<{
    readonly backendName: string;
    readonly device: string;
    readonly precision: Precision;
    readonly description: string;
    readonly version?: string;
    readonly deterministic?: boolean;
    readonly identity?: string;
    readonly workarounds?: readonly Workaround[];
  }>;
}

interface WasmModule {
  readonly setWasmPaths: (prefix: string) => void;
  readonly version_wasm: string;
}

/**
 * The backend of a name if it has started. `tf.findBackend` would start it, and until an asynchronous start ends no
 * operation runs on any backend.
 */
const startedBackend = (name: string): tf.KernelBackend | undefined => tf.engine().registry[name];

const isMissing = (cause: unknown): boolean => {
  const code = (cause as { code?: unknown } | null)?.code;
  return code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND';
};

/** Imports an optional package. @throws EngineError saying whether it is absent or broken */
const importOptional = async (name: string, remedy: string): Promise<unknown> => {
  try {
    return await import(name);
  } catch (cause) {
    if (cause instanceof EngineError) throw cause;
    const text = cause instanceof Error ? (cause.message.split('\n')[0] ?? '') : String(cause);
    const why =
      isMissing(cause) && text.includes(name) ? `${name} is not installed` : `${name} does not load: ${text}`;
    throw new EngineError(why, { code: 'engine-missing', fields: { remedy }, cause });
  }
};

const torchRemedy =
  'install @polygate/backend-torch and LibTorch: apt-get install libtorch-dev libopenblas0-pthread g++, then `npx polygate engines build torch`';

const importTorch = async (): Promise<TorchModule> => {
  const name = '@polygate/backend-torch';
  const module = (await importOptional(name, torchRemedy)) as Partial<TorchModule>;
  if (typeof module.registerTorchEngine !== 'function' || typeof module.describeTorch !== 'function') {
    throw new EngineError(`${name} is of another version`, {
      fields: { remedy: `install a current ${name}` },
    });
  }
  return module as TorchModule;
};

/** What each torch backend was made for: asked for the same again, it stays, and so do its tensors. */
const torchBackends = new WeakMap<
  tf.KernelBackend,
  { readonly key: string; readonly loaded: LoadedEngine }
>();

const torch: EngineLoader = {
  name: 'torch',
  devices: ['cpu', 'cuda'],
  precisions: ['f32', 'bf16'],
  remedy: torchRemedy,
  async load(request) {
    const module = await importTorch();
    const { device, precision, deterministic, threads } = request;
    const key = JSON.stringify([device, precision, deterministic, threads]);
    const current = startedBackend('torch');
    const cached = current ? torchBackends.get(current) : undefined;
    if (cached?.key === key) return cached.loaded;
    const loaded = {
      deterministic,
      layouts: ['NHWC', 'NCHW'],
      ...(await module.registerTorchEngine(request)),
    };
    torchBackends.set(tf.findBackend('torch'), { key, loaded });
    return loaded;
  },
  async probe() {
    const report = (await importTorch()).describeTorch();
    if (!report.available) {
      throw new EngineError(report.why ?? 'LibTorch does not load', {
        fields: { remedy: report.remedy ?? torchRemedy },
      });
    }
    const from = report.source === undefined ? '' : ` from ${report.source}`;
    return {
      description: `LibTorch ${report.version ?? ''}${from}`,
      ...(report.version === undefined ? {} : { version: report.version }),
    };
  },
};

/** It adds to memory that it did not clear. */
const withoutVolumeGradient = withdrawal('wasm', ['Conv3DBackpropInputV2'], ['volume']);

const wasm: EngineLoader = {
  name: 'wasm',
  devices: ['cpu'],
  precisions: ['f32'],
  remedy:
    'reinstall @tensorflow/tfjs-backend-wasm: its .wasm files are missing or this Node has no WebAssembly; in a browser import it first and call its setWasmPaths',
  async load() {
    const name = '@tensorflow/tfjs-backend-wasm';
    const folder = wasmFolder(name);
    // In a browser a name cannot be imported: there the page has imported the backend and told it its paths.
    const registered = folder === undefined && tf.engine().registryFactory['wasm'] !== undefined;
    const module = registered ? undefined : ((await importOptional(name, wasm.remedy)) as WasmModule);
    if (folder !== undefined && !startedBackend('wasm')) module?.setWasmPaths(folder);
    return {
      backendName: 'wasm',
      device: 'cpu',
      precision: 'f32',
      deterministic: true,
      description: 'WebAssembly with SIMD',
      ...(module ? { version: module.version_wasm } : {}),
      workarounds: [withoutVolumeGradient],
    };
  },
};

const cpu: EngineLoader = {
  name: 'cpu',
  devices: ['cpu'],
  precisions: ['f32'],
  remedy: 'reinstall @tensorflow/tfjs',
  async load() {
    // Its first tensor would print an advertisement for a package that this ladder knows of itself.
    const backend = tf.findBackend('cpu') as tf.KernelBackend & { firstUse?: boolean };
    backend.firstUse = false;
    return {
      backendName: 'cpu',
      device: 'cpu',
      precision: 'f32',
      deterministic: true,
      description: 'plain JavaScript, the reference',
      version: tf.version_core,
    };
  },
};

/** The ladder. */
export const engineLoaders: readonly EngineLoader[] = [
  torch,
  tensorflowLoader('tfjs-node-gpu', 'cuda'),
  tensorflowLoader('tfjs-node', 'cpu'),
  wasm,
  cpu,
];

/** Names of the ladder, best first. */
export const engineNames: readonly EngineName[] = engineLoaders.map((loader) => loader.name);
