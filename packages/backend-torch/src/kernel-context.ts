/**
 * What kernels work with: which LibTorch tensor is behind which DataId, and for how long.
 *
 * A DataId's tensor is stored with the shape it was made with; a TensorInfo may show the same elements in
 * another shape (reshape shares the DataId), so kernels get at it through `tensorOf`. A float32 DataId may be
 * stored in bf16. Strings stay on the host.
 *
 * A tensor may share its storage with others (a transpose is a view), so nothing may be written in place
 * unless `isExclusive` says so.
 */
import { StateError } from '@polygate/core';
import type * as tf from '@tensorflow/tfjs';
import type { BackendValues, DataId, DataType, TensorInfo } from '@tensorflow/tfjs';
import type { Handle, HostArray, TensorDescription } from './native/binding.ts';
import type { Dispatcher } from './native/dispatcher.ts';
import type { Argument } from './native/encoding.ts';
import { ScalarType, storageTypeOf } from './native/scalar-types.ts';
import type { PrecisionPolicy } from './precision.ts';

export interface KernelContextOptions {
  /** `cpu`, `cuda` or `cuda:N`. */
  readonly device: string;
  readonly precision: PrecisionPolicy;
}

/** What is behind one DataId. */
export interface Stored {
  readonly dtype: DataType;
  refCount: number;
  /** 0 for strings. */
  handle: Handle;
  shape: readonly number[];
  type: ScalarType | undefined;
  /** The same values in other types, made on demand and dropped when the tensor is replaced. */
  casts: Map<ScalarType, Handle> | undefined;
  readonly strings: BackendValues | undefined;
}

const sameShape = (a: readonly number[], b: readonly number[]): boolean => {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i += 1) if (a[i] !== b[i]) return false;
  return true;
};

/** tfjs hands over typed arrays and, from moves, plain arrays of numbers. */
const toHostArray = (values: BackendValues, dtype: DataType): HostArray => {
  if (dtype !== 'bool' && (values instanceof Float32Array || values instanceof Int32Array)) return values;
  if (values instanceof Uint8Array) return values;
  const numbers = values as unknown as ArrayLike<number>;
  if (dtype === 'bool') return Uint8Array.from(numbers);
  return dtype === 'int32' ? Int32Array.from(numbers) : Float32Array.from(numbers);
};

export class KernelContext {
  readonly dispatcher: Dispatcher;
  readonly device: string;
  readonly precision: PrecisionPolicy;
  readonly #data: tf.DataStorage<Stored>;
  /** Everything stored, to be freed when the backend is removed. */
  readonly #all = new Set<Stored>();
  /** Outputs of the kernels under way: undone when a kernel throws. */
  readonly #pending: DataId[] = [];
  #depth = 0;
  #closed = false;

  /** @param data moves tensors here that were made on another backend */
  constructor(dispatcher: Dispatcher, data: tf.DataStorage<Stored>, options: KernelContextOptions) {
    this.dispatcher = dispatcher;
    this.device = options.device;
    this.precision = options.precision;
    this.#data = data;
  }

  /** Calls an operator that gives one tensor; see Dispatcher.one. */
  aten(name: string, ...given: readonly Argument[]): Handle {
    return this.dispatcher.one(name, ...given);
  }

  /** Calls an operator that gives several tensors; see Dispatcher.all. */
  atenAll(name: string, ...given: readonly Argument[]): Handle[] {
    return this.dispatcher.all(name, ...given);
  }

  /**
   * Runs a kernel's body: frees what it created except its outputs, and its outputs too when it throws.
   */
  runKernel<T>(body: () => T): T {
    const before = this.#pending.length;
    this.#depth += 1;
    try {
      return this.dispatcher.scope(body);
    } catch (error) {
      for (const dataId of this.#pending.slice(before)) this.remove(dataId, true);
      throw error;
    } finally {
      this.#depth -= 1;
      this.#pending.length = before;
    }
  }

  /**
   * The tensor behind `info`, in its shape. Borrowed: valid until the kernel ends, not to be written.
   * @param type element type wanted. @default that of info.dtype: a bf16 storage is widened to float32
   */
  tensorOf(info: TensorInfo, type?: ScalarType): Handle {
    const stored = this.#get(info.dataId);
    const wanted = type ?? storageTypeOf(stored.dtype);
    let handle = stored.handle;
    if (stored.type !== wanted) handle = stored.casts?.get(wanted) ?? this.aten('to.dtype', handle, wanted);
    return sameShape(stored.shape, info.shape) ? handle : this.aten('reshape', handle, info.shape);
  }

  /** Like `tensorOf`, in the type in which the tensor is stored. */
  storedTensorOf(info: TensorInfo): Handle {
    const stored = this.#get(info.dataId);
    return sameShape(stored.shape, info.shape)
      ? stored.handle
      : this.aten('reshape', stored.handle, info.shape);
  }

  /** The element type in which `info` is stored. */
  typeOf(info: TensorInfo): ScalarType {
    return this.#get(info.dataId).type ?? storageTypeOf(info.dtype);
  }

  /**
   * `tensorOf(info, type)` remembered with the tensor, for weights that many kernels read in bf16.
   * The copy lives until the tensor is disposed of or `replaced`, and is counted in `tf.memory()`.
   */
  castOf(info: TensorInfo, type: ScalarType): Handle {
    const stored = this.#get(info.dataId);
    if (stored.type !== type && stored.casts?.has(type) !== true) {
      this.setCast(info, this.aten('to.dtype', stored.handle, type));
    }
    return this.tensorOf(info, type);
  }

  /** Hands over a ready copy of `info` in another type: an optimizer that writes both at once. */
  setCast(info: TensorInfo, handle: Handle): void {
    const stored = this.#get(info.dataId);
    const type = this.dispatcher.dtypeOf(handle);
    const kept = this.dispatcher.keep(handle);
    const previous = stored.casts?.get(type);
    if (previous !== undefined) this.dispatcher.drop(previous);
    stored.casts ??= new Map();
    stored.casts.set(type, kept);
  }

  /** Must be called after writing a tensor in place: forgets its copies in other types. */
  replaced(info: TensorInfo): void {
    const stored = this.#get(info.dataId);
    this.#dropCasts(stored);
  }

  /** True when nobody else sees this storage: no clone, reshape or view; it may be written in place. */
  isExclusive(info: TensorInfo): boolean {
    const stored = this.#get(info.dataId);
    return stored.refCount === 1 && this.dispatcher.describe(stored.handle).storageUses === 1;
  }

  /**
   * Makes a tensor an output of the running kernel: it leaves the scope and gets a DataId.
   * @param handle its elements must fill `shape`; its type must be one that stores `dtype`
   * @param dtype @default 'float32'
   */
  output(handle: Handle, shape: readonly number[], dtype: DataType = 'float32'): TensorInfo {
    const { type, sameShape } = this.dispatcher.inspect(handle, shape);
    const allowed = storageTypeOf(dtype);
    let stored = handle;
    let storedType: ScalarType = type;
    if (type !== allowed && !(dtype === 'float32' && type === ScalarType.bfloat16)) {
      stored = this.aten('to.dtype', stored, allowed);
      storedType = allowed;
    }
    if (!sameShape) stored = this.aten('reshape', stored, shape);
    return this.#store({ handle: this.dispatcher.keep(stored), shape, type: storedType, dtype });
  }

  /** An output that shows `info`'s elements in another shape without copying. */
  share(info: TensorInfo, shape: readonly number[]): TensorInfo {
    this.#get(info.dataId).refCount += 1;
    return { dataId: info.dataId, shape: [...shape], dtype: info.dtype };
  }

  /** An output from host values. */
  outputFrom(values: BackendValues, shape: readonly number[], dtype: DataType): TensorInfo {
    const dataId: DataId = {};
    this.put(dataId, values, { shape, dtype, refCount: 1 });
    return { dataId, shape: [...shape], dtype };
  }

  /** A small host array as a tensor of this scope: index tables, interpolation weights. */
  constant(values: HostArray, shape: readonly number[]): Handle {
    const dtype = values instanceof Int32Array ? ScalarType.int32 : ScalarType.float32;
    return this.dispatcher.create(values, { dtype, shape, device: this.device });
  }

  /** Whether the elements lie in memory in order, so that another shape can share them. */
  isContiguous(info: TensorInfo): boolean {
    return this.dispatcher.isContiguous(this.#get(info.dataId).handle);
  }

  /** The values of `info` on the host, in the array type that tfjs uses for its dtype. */
  valuesOf(info: TensorInfo): BackendValues {
    return this.read(info.dataId);
  }

  describe(info: TensorInfo): TensorDescription {
    return this.dispatcher.describe(this.#get(info.dataId).handle);
  }

  // ---- DataIds, for the backend -------------------------------------------------------------------

  /** Stores host values under a DataId. */
  put(
    dataId: DataId,
    values: BackendValues,
    options: { shape: readonly number[]; dtype: DataType; refCount: number },
  ): void {
    if (this.#closed) throw new StateError('torch: the engine was removed; register it again');
    const { shape, dtype, refCount } = options;
    if (dtype === 'string') {
      this.#register(dataId, {
        dtype,
        refCount,
        handle: 0 as Handle,
        shape: [...shape],
        type: undefined,
        casts: undefined,
        strings: values,
      });
      return;
    }
    const type = storageTypeOf(dtype);
    const host = toHostArray(values, dtype);
    const handle = this.dispatcher.scope(() =>
      this.dispatcher.keep(this.dispatcher.create(host, { dtype: type, shape, device: this.device })),
    );
    this.#register(dataId, {
      dtype,
      refCount,
      handle,
      shape: [...shape],
      type,
      casts: undefined,
      strings: undefined,
    });
  }

  /** Copies a tensor's values to the host. */
  read(dataId: DataId): BackendValues {
    const stored = this.#get(dataId);
    if (stored.strings !== undefined) return stored.strings;
    return this.dispatcher.read(stored.handle, this.#hostArrayFor(stored));
  }

  /** `read` that waits for a CUDA device on another thread; on the CPU the values are there already. */
  async readAsync(dataId: DataId): Promise<BackendValues> {
    const stored = this.#get(dataId);
    if (stored.strings !== undefined) return stored.strings;
    const target = this.#hostArrayFor(stored);
    if (this.device === 'cpu') return this.dispatcher.read(stored.handle, target);
    return this.dispatcher.readAsync(stored.handle, target);
  }

  refCount(dataId: DataId): number {
    return this.#data.has(dataId) ? this.#get(dataId).refCount : 0;
  }

  addReference(dataId: DataId): void {
    this.#get(dataId).refCount += 1;
  }

  dropReference(dataId: DataId): void {
    if (this.#data.has(dataId)) this.#get(dataId).refCount -= 1;
  }

  /** Gives up one reference, or all; true when nothing is stored under the DataId any more. */
  remove(dataId: DataId, force: boolean): boolean {
    if (!this.#data.has(dataId)) return true;
    const stored = this.#get(dataId);
    stored.refCount -= 1;
    if (!force && stored.refCount > 0) return false;
    this.#free(stored);
    this.#data.delete(dataId);
    return true;
  }

  /** Frees everything; the context can't be used afterwards. */
  close(): void {
    this.#closed = true;
    for (const stored of this.#all) this.#free(stored);
  }

  #hostArrayFor(stored: Stored): Float32Array | Int32Array | Uint8Array {
    const size = stored.shape.reduce((product, extent) => product * extent, 1);
    if (stored.dtype === 'int32') return new Int32Array(size);
    if (stored.dtype === 'bool') return new Uint8Array(size);
    return new Float32Array(stored.dtype === 'complex64' ? 2 * size : size);
  }

  #store(content: { handle: Handle; shape: readonly number[]; type: ScalarType; dtype: DataType }): TensorInfo {
    const dataId: DataId = {};
    this.#register(dataId, {
      ...content,
      shape: [...content.shape],
      refCount: 1,
      casts: undefined,
      strings: undefined,
    });
    return { dataId, shape: [...content.shape], dtype: content.dtype };
  }

  #register(dataId: DataId, stored: Stored): void {
    this.#data.set(dataId, stored);
    this.#all.add(stored);
    if (this.#depth > 0) this.#pending.push(dataId);
  }

  /** Also moves a tensor here that was made on another backend. */
  #get(dataId: DataId): Stored {
    const stored = this.#data.get(dataId);
    if (stored === undefined) {
      throw new StateError('torch: the tensor is not on this engine: it was disposed of');
    }
    return stored;
  }

  #dropCasts(stored: Stored): void {
    if (stored.casts === undefined) return;
    for (const handle of stored.casts.values()) this.dispatcher.drop(handle);
    stored.casts = undefined;
  }

  #free(stored: Stored): void {
    this.#dropCasts(stored);
    if (stored.handle !== 0) this.dispatcher.drop(stored.handle);
    stored.handle = 0 as Handle;
    this.#all.delete(stored);
  }
}
