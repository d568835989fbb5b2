/**
 * What a kernel works with: operators, the tensors behind its inputs, and a way to make outputs.
 *
 * A tensor may share its storage with others (a transpose is a view, a reshape shares the DataId), so nothing
 * may be written in place unless `isExclusive` says so.
 */
import type { BackendValues, DataId, DataType, TensorInfo } from '@tensorflow/tfjs';
import type { Handle, HostArray, TensorDescription } from './native/binding.ts';
import type { Dispatcher } from './native/dispatcher.ts';
import type { Argument } from './native/encoding.ts';
import { ScalarType, storageTypeOf } from './native/scalar-types.ts';
import type { PrecisionPolicy } from './precision.ts';
import type { TensorStore } from './tensor-store.ts';

export interface KernelContextOptions {
  /** `cpu`, `cuda` or `cuda:N`. */
  readonly device: string;
  readonly precision: PrecisionPolicy;
}

const sameShape = (a: readonly number[], b: readonly number[]): boolean => {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i += 1) if (a[i] !== b[i]) return false;
  return true;
};

export class KernelContext {
  readonly dispatcher: Dispatcher;
  readonly device: string;
  readonly precision: PrecisionPolicy;
  /** Weights of products whose copies in the product type are remembered with them; see fused/product-weights.ts. */
  readonly productWeights = new WeakSet<DataId>();
  /** Whether ATen's operators are composed even where the engine has its own: the twin, for tests. */
  composesAlways = false;
  readonly #store: TensorStore;
  /** Outputs of the kernels under way: undone when a kernel throws. */
  readonly #pending: DataId[] = [];

  constructor(dispatcher: Dispatcher, store: TensorStore, options: KernelContextOptions) {
    this.dispatcher = dispatcher;
    this.device = options.device;
    this.precision = options.precision;
    this.#store = store;
  }

  /** Calls an operator that gives one tensor; see Dispatcher.one. */
  aten(name: string, ...given: readonly Argument[]): Handle {
    return this.dispatcher.one(name, ...given);
  }

  /** Calls an operator that gives several tensors; see Dispatcher.all. */
  atenAll(name: string, ...given: readonly Argument[]): Handle[] {
    return this.dispatcher.all(name, ...given);
  }

  /** Runs a kernel's body: frees what it created except its outputs, and its outputs too when it throws. */
  runKernel<T>(body: () => T): T {
    const before = this.#pending.length;
    try {
      return this.dispatcher.scope(body);
    } catch (error) {
      for (const dataId of this.#pending.slice(before)) this.#store.remove(dataId, true);
      throw error;
    } finally {
      this.#pending.length = before;
    }
  }

  /**
   * The tensor behind `info`, in its shape. Borrowed: valid until the kernel ends, not to be written.
   * @param type element type wanted. @default that of info.dtype: a bf16 storage is widened to float32
   */
  tensorOf(info: TensorInfo, type?: ScalarType): Handle {
    const stored = this.#store.get(info.dataId);
    const wanted = type ?? storageTypeOf(stored.dtype);
    let handle = stored.handle;
    if (stored.type !== wanted) handle = stored.casts?.get(wanted) ?? this.aten('to.dtype', handle, wanted);
    return sameShape(stored.shape, info.shape) ? handle : this.aten('reshape', handle, info.shape);
  }

  /** Like `tensorOf`, in the type in which the tensor is stored. */
  storedTensorOf(info: TensorInfo): Handle {
    const stored = this.#store.get(info.dataId);
    return sameShape(stored.shape, info.shape)
      ? stored.handle
      : this.aten('reshape', stored.handle, info.shape);
  }

  /** The element type in which `info` is stored. */
  typeOf(info: TensorInfo): ScalarType {
    return this.#store.get(info.dataId).type ?? storageTypeOf(info.dtype);
  }

  /**
   * `tensorOf(info, type)` remembered with the tensor, for weights that many kernels read in bf16.
   * The copy lives until the tensor is disposed of or `replaced`, and counts in `tf.memory().bytesHeld`.
   */
  castOf(info: TensorInfo, type: ScalarType): Handle {
    const stored = this.#store.get(info.dataId);
    if (stored.type !== type && stored.casts?.has(type) !== true) {
      this.setCast(info, this.aten('to.dtype', stored.handle, type));
    }
    return this.tensorOf(info, type);
  }

  /** Hands over a ready copy of `info` in another type: an optimizer that writes both at once. */
  setCast(info: TensorInfo, handle: Handle): void {
    const stored = this.#store.get(info.dataId);
    const type = this.dispatcher.dtypeOf(handle);
    const kept = this.dispatcher.keep(handle);
    const previous = stored.casts?.get(type);
    if (previous !== undefined) this.dispatcher.drop(previous);
    stored.casts ??= new Map();
    stored.casts.set(type, kept);
  }

  /**
   * What `make` makes of `info` for products, remembered with the tensor until it is written, `replaced` or disposed of;
   * undefined for a tensor in another shape than the one it was made with.
   * @param layout names what is made
   */
  packedOf(info: TensorInfo, layout: string, make: () => Handle): Handle | undefined {
    const stored = this.#store.get(info.dataId);
    if (!sameShape(stored.shape, info.shape)) return undefined;
    const packed = stored.packed?.get(layout);
    if (packed !== undefined) return packed;
    const made = this.dispatcher.keep(make());
    stored.packed ??= new Map();
    stored.packed.set(layout, made);
    return made;
  }

  /** Must be called after writing a tensor in place together with its copies: forgets what was packed of it. */
  written(info: TensorInfo): void {
    this.#store.dropPacked(this.#store.get(info.dataId));
  }

  /** Must be called after writing a tensor in place: forgets its copies in other types. */
  replaced(info: TensorInfo): void {
    this.#store.dropCasts(this.#store.get(info.dataId));
  }

  /** True when nobody else sees this storage: no clone, reshape or view; it may be written in place. */
  isExclusive(info: TensorInfo): boolean {
    const stored = this.#store.get(info.dataId);
    return stored.refCount === 1 && this.dispatcher.ownsStorage(stored.handle);
  }

  /** Whether the elements lie in memory in order, so that another shape can share them. */
  isContiguous(info: TensorInfo): boolean {
    return this.dispatcher.isContiguous(this.#store.get(info.dataId).handle);
  }

  describe(info: TensorInfo): TensorDescription {
    return this.dispatcher.describe(this.#store.get(info.dataId).handle);
  }

  /** The values of `info` on the host, in the array type that tfjs uses for its dtype. */
  valuesOf(info: TensorInfo): BackendValues {
    return this.#store.read(info.dataId);
  }

  /** A small host array as a tensor of this scope: index tables, interpolation weights. */
  constant(values: HostArray, shape: readonly number[]): Handle {
    const dtype = values instanceof Int32Array ? ScalarType.int32 : ScalarType.float32;
    return this.dispatcher.uploading('constant', () =>
      this.dispatcher.create(values, { dtype, shape, device: this.device }),
    );
  }

  /**
   * Makes a tensor an output of the running kernel: it leaves the scope and gets a DataId.
   * @param handle its elements, in order, fill `shape`; a type that can't store `dtype` is converted
   * @param dtype @default 'float32', which bf16 may store
   */
  output(handle: Handle, shape: readonly number[], dtype: DataType = 'float32'): TensorInfo {
    const inspected = this.dispatcher.inspect(handle, shape);
    const allowed = storageTypeOf(dtype);
    let { type } = inspected;
    let stored = handle;
    if (type !== allowed && !(dtype === 'float32' && type === ScalarType.bfloat16)) {
      stored = this.aten('to.dtype', stored, allowed);
      type = allowed;
    }
    if (!inspected.sameShape) stored = this.aten('reshape', stored, shape);
    const copy = [...shape];
    const dataId = this.#store.add({ handle: this.dispatcher.keep(stored), shape: copy, type, dtype });
    this.#pending.push(dataId);
    return { dataId, shape: copy, dtype };
  }

  /** An output that shows `info`'s elements in another shape without copying. */
  share(info: TensorInfo, shape: readonly number[]): TensorInfo {
    this.#store.addReference(info.dataId);
    return { dataId: info.dataId, shape: [...shape], dtype: info.dtype };
  }

  /** An output from host values, which a kernel makes of its attributes and of what it read. */
  outputFrom(values: BackendValues, shape: readonly number[], dtype: DataType): TensorInfo {
    const dataId = this.dispatcher.uploading('constant', () => this.#store.write(values, shape, dtype));
    this.#pending.push(dataId);
    return { dataId, shape: [...shape], dtype };
  }
}
