/** Makes the torch engine available to tfjs, and says what this machine's LibTorch can do. */
import { ConfigError, EngineError } from '@polygate/core';
import { codeFingerprint } from '@polygate/core/node';
import * as tf from '@tensorflow/tfjs';
import { availableParallelism } from 'node:os';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TorchBackend } from './backend.ts';
import { registerFusedKernels } from './fused/index.ts';
import { registerHostKernels } from './host-kernels.ts';
import { BACKEND_NAME } from './kernel-registration.ts';
import { registerStandardKernels } from './kernels/index.ts';
import { systemBlas } from './native/blas-kernels.ts';
import { chosenBlasKernels, loadBinding } from './native/binding.ts';
import { readBuildStatus } from './native/build-status.ts';
import { Dispatcher } from './native/dispatcher.ts';
import { FaultyDispatcher, hasFaults } from './native/faults.ts';
import { precisionPolicy } from './precision.ts';
import type { PrecisionName } from './precision.ts';
import { resetSwitches, workaroundsOf, type TorchWorkaround } from './switches.ts';

export interface TorchEngineOptions {
  /** `cpu`, `cuda` or `cuda:N`. @default 'cpu' */
  readonly device?: string;
  /** @default 'f32' */
  readonly precision?: PrecisionName;
  /** Threads inside an operator. @default the processors this process may use */
  readonly threads?: number;
  /**
   * Equal runs give equal bits. On the CPU they do anyway as long as the thread count is the same; on CUDA
   * this selects slower deterministic algorithms and fails where there is none. @default false
   */
  readonly deterministic?: boolean;
  /** Bytes of CPU tensors that may be alive at once; more is an EngineError. @default no limit */
  readonly memoryLimit?: number;
}

export interface TorchEngine {
  readonly backendName: 'torch';
  readonly device: string;
  readonly precision: PrecisionName;
  /** One line: library, version, device, threads. */
  readonly description: string;
  /** What its answers to known questions depend on beside the processor: library, build of the binding, settings. */
  readonly identity: string;
  /** Other ways of computing for where the usual one is wrong, the cheapest first. */
  readonly workarounds: readonly TorchWorkaround[];
}

let dispatcher: Dispatcher | undefined;

/** One dispatcher per process: operators are looked up once, whatever engine uses them. */
const sharedDispatcher = (): Dispatcher => {
  dispatcher ??= hasFaults() ? new FaultyDispatcher(loadBinding()) : new Dispatcher(loadBinding());
  return dispatcher;
};

const checkDevice = (device: string, cudaDevices: number): void => {
  const match = /^(?:cpu|cuda(?::(\d+))?)$/.exec(device);
  if (match === null) throw new ConfigError(`device: expected cpu, cuda or cuda:N, got "${device}"`);
  if (device === 'cpu') return;
  if (cudaDevices === 0) {
    const remedy = 'use --device cpu, or point POLYGATE_LIBTORCH at a LibTorch with CUDA and rebuild';
    throw new EngineError(
      `torch: ${device} was asked for, but this LibTorch sees no CUDA device; ${remedy}`,
      {
        code: 'no-device',
        fields: { device, cudaDevices, remedy },
      },
    );
  }
  if (Number(match[1] ?? 0) >= cudaDevices) {
    throw new EngineError(
      `torch: ${device} was asked for, but there are ${cudaDevices}: cuda:0 to cuda:${cudaDevices - 1}`,
      {
        code: 'no-device',
        fields: { device, cudaDevices },
      },
    );
  }
};

let kernelsRegistered = false;

/**
 * Registers the backend "torch" and its kernels with tfjs and makes it current.
 * Calling it again replaces the backend: its tensors are gone.
 * @throws EngineError with `fields.remedy` when LibTorch or the device is missing.
 */
export const registerTorchEngine = async (options: TorchEngineOptions = {}): Promise<TorchEngine> => {
  const precision = precisionPolicy(options.precision ?? 'f32');
  const device = options.device ?? 'cpu';
  // cuBLAS reads this when it starts; without it its split sums are not deterministic.
  if (options.deterministic === true) process.env['CUBLAS_WORKSPACE_CONFIG'] ??= ':4096:8';
  const torch = sharedDispatcher();
  const library = torch.library();
  checkDevice(device, library.cudaDevices);
  const threads = options.threads ?? availableParallelism();
  if (!Number.isInteger(threads) || threads < 1) {
    throw new ConfigError(`threads: expected a whole number of at least 1, got ${threads}`);
  }
  torch.native.threads(threads);
  torch.native.deterministic(options.deterministic ?? false);
  torch.native.allowTf32(precision.name === 'bf16');
  torch.native.limitMemory(options.memoryLimit ?? 0, -1);
  if (!kernelsRegistered) {
    registerStandardKernels();
    registerHostKernels();
    registerFusedKernels();
    kernelsRegistered = true;
  }
  if (tf.engine().registryFactory[BACKEND_NAME] !== undefined) tf.removeBackend(BACKEND_NAME);
  tf.registerBackend(BACKEND_NAME, () => new TorchBackend(torch, { device, precision }), 4);
  await tf.setBackend(BACKEND_NAME);
  resetSwitches(torch);
  const inFloat32 =
    precision.name === 'bf16' && device === 'cpu' && torch.value('polygate::has_wide_products') === 1;
  return Object.freeze({
    backendName: BACKEND_NAME,
    device,
    precision: precision.name,
    description: `LibTorch ${library.version} on ${device}, ${threads} threads, ${precision.name}${inFloat32 ? ' with products in float32' : ''}`,
    identity: [
      library.configuration,
      readBuildStatus().key ?? '',
      codeFingerprint(dirname(fileURLToPath(import.meta.url))),
      `threads ${threads}`,
      `deterministic ${options.deterministic ?? false}`,
      systemBlas() ?? '',
      `OpenBLAS ${chosenBlasKernels() ?? process.env['OPENBLAS_CORETYPE'] ?? 'as it is'}`,
    ].join('\n'),
    workarounds: workaroundsOf(torch),
  });
};

export interface TorchReport {
  readonly available: boolean;
  /** e.g. "1.13.0"; undefined when not available. */
  readonly version?: string;
  /** Where LibTorch was found when the binding was built. */
  readonly source?: string;
  readonly why?: string;
  readonly remedy?: string;
  readonly threads?: number;
  readonly cudaDevices?: number;
  /** oneDNN: fast convolutions and bf16 products. */
  readonly oneDnn?: boolean;
  /** Kernels that OpenBLAS was told to take, by what the processor can do; absent where it or the user chose. */
  readonly blasKernels?: string;
  /** BLAS library, compiler and instruction set, as LibTorch prints them. */
  readonly configuration?: string;
  readonly parallelism?: string;
}

/** What `doctor` prints: never throws. */
export const describeTorch = (): TorchReport => {
  const status = readBuildStatus();
  try {
    const torch = sharedDispatcher();
    const library = torch.library();
    return Object.freeze({
      available: true,
      version: library.version,
      ...(status.source === undefined ? {} : { source: status.source }),
      threads: torch.native.threads(),
      cudaDevices: library.cudaDevices,
      oneDnn: library.mkldnn,
      ...(chosenBlasKernels() === undefined ? {} : { blasKernels: chosenBlasKernels() as string }),
      configuration: library.configuration,
      parallelism: library.parallelism,
    });
  } catch (error) {
    const fields = error instanceof EngineError ? error.fields : {};
    return Object.freeze({
      available: false,
      why: String(fields['why'] ?? (error instanceof Error ? error.message : error)),
      remedy: String(fields['remedy'] ?? 'run `node native/build.mjs` in the package'),
    });
  }
};
