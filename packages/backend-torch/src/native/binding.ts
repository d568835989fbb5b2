/**
 * The compiled binding: what it offers and how it is found. Everything here is a thin typed view of
 * native/binding.cc; the rest of the package talks to it through the dispatcher only.
 */
import { EngineError } from '@polygate/core';
import { createRequire } from 'node:module';
import { blasKernelsToSet } from './blas-kernels.ts';
import { addonDamage, packagePath, readBuildStatus, rebuildCommand } from './build-status.ts';
import type { ScalarType } from './scalar-types.ts';

/** A live LibTorch tensor: an integer into the binding's table. Zero means "no tensor". */
export type Handle = number & { readonly torchTensor: true };

/** Typed arrays that tensors are created from and read into. */
export type HostArray =
  Float32Array | Float64Array | Int32Array | Int16Array | Int8Array | Uint8Array | BigInt64Array;

export interface TensorDescription {
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  readonly dtype: ScalarType;
  readonly device: string;
  readonly bytes: number;
  /** Bytes of the whole storage, of which the tensor may be a view. */
  readonly storageBytes: number;
  readonly contiguous: boolean;
  /** Tensors that share the storage, this one included. */
  readonly storageUses: number;
}

export interface NativeMemory {
  readonly handles: number;
  /** Bytes of the distinct storages behind the handles. */
  readonly tensorBytes: number;
  /** Bytes that the device's allocator holds for live tensors, temporaries included. */
  readonly held: number;
  /** Greatest `held`; on CUDA before LibTorch 2.9 the greatest `tensorBytes` that was asked about. */
  readonly peak: number;
  /** Freed bytes kept for reuse. */
  readonly cached: number;
  /** CPU bytes that may be held; 0 is no limit. */
  readonly limit: number;
}

export interface LibraryDescription {
  readonly version: string;
  readonly configuration: string;
  readonly parallelism: string;
  readonly mkldnn: boolean;
  readonly lapack: boolean;
  readonly cuda: boolean;
  readonly cudaDevices: number;
}

/** A recording that the binding holds. */
export interface NativeRecording {
  readonly id: number;
  /** Calls of operators. */
  readonly calls: number;
  /** Handles of tensors from before that it reads or writes. */
  readonly captured: readonly Handle[];
}

export interface NativeBinding {
  attach(block: Float64Array, results: Float64Array, arena: Int32Array): void;
  find(name: string, overload: string): { id: number; arguments: { name: string; kind: number }[] };
  call(operator: number, strings?: readonly string[]): number;
  lastError(): string;
  release(mark: number): void;
  drop(handle: Handle): void;
  create(values: HostArray, dtype: ScalarType, shape: readonly number[], device: string): Handle;
  read(handle: Handle, target: HostArray): void;
  readAsync<T extends HostArray>(handle: Handle, target: T): Promise<T>;
  alias(handle: Handle): Handle;
  describe(handle: Handle): TensorDescription;
  /**
   * Element type in the low byte, 256 when contiguous, 512 when the sizes are the block's, 1024 when no other tensor
   * shares the storage; -1 when not alive.
   */
  traits(handle: Handle, rank: number): number;
  memory(device: string): NativeMemory;
  resetPeak(): void;
  trim(): void;
  limitMemory(live: number, kept: number): void;
  threads(count?: number): number;
  seed(seed: number): void;
  deterministic(on: boolean): void;
  allowTf32(on: boolean): void;
  /** Whether ATen's operators may use oneDNN from now on; without an argument, whether they do. */
  oneDnn(on?: boolean): boolean;
  synchronize(device: string): void;
  library(): LibraryDescription;
  /** Every call from now on is recorded as one of a function of these tensors. */
  startRecording(inputs: readonly Handle[]): void;
  /** While recording: a tensor of host values is a further input, or a constant. */
  recordGiven(handle: Handle, isInput: boolean): void;
  /** What was recorded, or why there is no recording; nothing without `results`. */
  stopRecording(results?: readonly Handle[]): NativeRecording | string | undefined;
  /** Handles of the results, owned by the innermost scope; or why the recording does not hold any more. */
  replay(recording: number, inputs: readonly Handle[]): Handle[] | string;
  forgetRecording(recording: number): void;
}

/**
 * GNU OpenMP lets threads that wait spin for milliseconds, which slows everybody down on a machine that does
 * anything else. A short spin covers the gaps between the operators of one step. It reads this when it is
 * loaded; whoever sets OMP_WAIT_POLICY or GOMP_SPINCOUNT is left alone.
 */
const limitSpinning = (): void => {
  if (process.env['OMP_WAIT_POLICY'] !== undefined) return;
  process.env['GOMP_SPINCOUNT'] ??= '5000';
};

let chosenKernels: string | undefined;

/** OpenBLAS's kernels that this process chose for it; undefined where it or the user did. */
export const chosenBlasKernels = (): string | undefined => chosenKernels;

/**
 * Loads the library with the kernels of OpenBLAS that fit the processor. Processes that are started later choose for
 * themselves.
 */
const withBlasKernels = <T>(root: string | undefined, load: () => T): T => {
  chosenKernels = blasKernelsToSet(root);
  if (chosenKernels === undefined) return load();
  process.env['OPENBLAS_CORETYPE'] = chosenKernels;
  try {
    return load();
  } finally {
    delete process.env['OPENBLAS_CORETYPE'];
  }
};

let loaded: NativeBinding | undefined;

/**
 * Loads the compiled binding, once per process.
 * @throws EngineError with code `torch-unavailable`, whose text and `fields.remedy` say what to install.
 */
export const loadBinding = (): NativeBinding => {
  if (loaded !== undefined) return loaded;
  const status = readBuildStatus();
  const addon = packagePath('build/polygate_torch.node');
  const damage = status.state === 'built' ? addonDamage(addon, status.sha256) : undefined;
  if (status.state !== 'built' || damage !== undefined) {
    const why = damage ?? status.why ?? 'it was not built';
    const remedy = status.remedy ?? `run \`${rebuildCommand()}\``;
    throw new EngineError(`the torch engine is not available: ${why}; ${remedy}`, {
      code: 'torch-unavailable',
      fields: { why, remedy },
    });
  }
  limitSpinning();
  try {
    loaded = withBlasKernels(status.root, () => createRequire(import.meta.url)(addon) as NativeBinding);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    const remedy = `LibTorch was at ${status.root ?? 'an unknown place'} when the binding was built; install it again there, or run \`${rebuildCommand()}\``;
    throw new EngineError(`the torch engine is not available: ${why}; ${remedy}`, {
      code: 'torch-unavailable',
      fields: { why, remedy },
      cause,
    });
  }
  // The newest function that this package calls: an older build has it not.
  if (typeof (loaded as Partial<NativeBinding>).replay !== 'function') {
    loaded = undefined;
    const why = 'the binding was built from an older version of this package';
    const remedy = `run \`node ${packagePath('native/build.mjs')}\``;
    throw new EngineError(`the torch engine is not available: ${why}; ${remedy}`, {
      code: 'torch-unavailable',
      fields: { why, remedy },
    });
  }
  return loaded;
};
