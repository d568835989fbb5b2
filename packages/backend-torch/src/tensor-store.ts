/**
 * Which LibTorch tensor is behind which DataId, and for how long.
 *
 * A tensor is stored with the shape it was made with; a TensorInfo may show the same elements in another
 * shape. A float32 DataId may be stored in bf16. Strings stay on the host.
 */
import { StateError } from '@polygate/core';
import type * as tf from '@tensorflow/tfjs';
import type { BackendValues, DataId, DataType } from '@tensorflow/tfjs';
import type { Handle, HostArray } from './native/binding.ts';
import type { Dispatcher } from './native/dispatcher.ts';
import type { ScalarType } from './native/scalar-types.ts';
import { storageTypeOf } from './native/scalar-types.ts';

/** What is behind one DataId. */
export interface Stored {
  readonly dtype: DataType;
  refCount: number;
  /** 0 for strings. */
  handle: Handle;
  shape: readonly number[];
  /** Undefined for strings. */
  type: ScalarType | undefined;
  /** The same values in other types, made on demand and dropped when the tensor is written to. */
  casts: Map<ScalarType, Handle> | undefined;
  /** What products made of the values to read them faster; dropped as casts are. */
  packed: Map<string, Handle> | undefined;
  readonly strings: BackendValues | undefined;
}

/**
 * A DataId made here. tfjs asks only that it be an object; carrying its tensor spares a WeakMap, whose
 * entries the garbage collector pays for.
 */
class StoredId {
  readonly store: TensorStore;
  stored: Stored | undefined;
  constructor(store: TensorStore, stored: Stored | undefined) {
    this.store = store;
    this.stored = stored;
  }
}

/** tfjs hands over typed arrays and, from moves, plain arrays of numbers. */
const toHostArray = (values: BackendValues, dtype: DataType): HostArray => {
  if (dtype !== 'bool' && (values instanceof Float32Array || values instanceof Int32Array)) return values;
  if (values instanceof Uint8Array) return values;
  const numbers = values as unknown as ArrayLike<number>;
  if (dtype === 'bool') return Uint8Array.from(numbers);
  return dtype === 'int32' ? Int32Array.from(numbers) : Float32Array.from(numbers);
};

const hostArrayFor = (stored: Stored): Float32Array | Int32Array | Uint8Array => {
  const size = stored.shape.reduce((product, extent) => product * extent, 1);
  if (stored.dtype === 'int32') return new Int32Array(size);
  if (stored.dtype === 'bool') return new Uint8Array(size);
  return new Float32Array(stored.dtype === 'complex64' ? 2 * size : size);
};

export class TensorStore {
  readonly #dispatcher: Dispatcher;
  readonly #device: string;
  /** DataIds of other backends that were moved here. */
  readonly #moved: tf.DataStorage<Stored>;
  readonly #all = new Set<Stored>();
  #closed = false;

  /** @param moved asks tfjs to move a tensor here when it is on another backend */
  constructor(dispatcher: Dispatcher, moved: tf.DataStorage<Stored>, device: string) {
    this.#dispatcher = dispatcher;
    this.#moved = moved;
    this.#device = device;
  }

  /** Number of DataIds stored. */
  get size(): number {
    return this.#all.size;
  }

  /** A new DataId for a kept handle. */
  add(content: { handle: Handle; shape: readonly number[]; type: ScalarType; dtype: DataType }): DataId {
    const stored: Stored = {
      dtype: content.dtype,
      refCount: 1,
      handle: content.handle,
      shape: content.shape,
      type: content.type,
      casts: undefined,
      packed: undefined,
      strings: undefined,
    };
    this.#all.add(stored);
    return new StoredId(this, stored);
  }

  /** Stores host values under a new DataId. */
  write(values: BackendValues, shape: readonly number[], dtype: DataType): DataId {
    const dataId = new StoredId(this, undefined);
    this.put(dataId, values, { shape, dtype, refCount: 1 });
    return dataId;
  }

  /** Stores host values under a DataId, which may be another backend's. */
  put(
    dataId: DataId,
    values: BackendValues,
    options: { shape: readonly number[]; dtype: DataType; refCount: number },
  ): void {
    if (this.#closed) throw new StateError('torch: the engine was removed; register it again');
    const { dtype, refCount } = options;
    const shape = [...options.shape];
    let handle = 0 as Handle;
    let type: ScalarType | undefined;
    if (dtype !== 'string') {
      const elementType = storageTypeOf(dtype);
      const host = toHostArray(values, dtype);
      type = elementType;
      handle = this.#dispatcher.scope(() =>
        this.#dispatcher.keep(
          this.#dispatcher.create(host, { dtype: elementType, shape, device: this.#device }),
        ),
      );
    }
    const strings = dtype === 'string' ? values : undefined;
    const stored: Stored = {
      dtype,
      refCount,
      handle,
      shape,
      type,
      casts: undefined,
      packed: undefined,
      strings,
    };
    this.#all.add(stored);
    if (dataId instanceof StoredId && dataId.store === this) dataId.stored = stored;
    else this.#moved.set(dataId, stored);
  }

  #find(dataId: DataId): Stored | undefined {
    if (dataId instanceof StoredId && dataId.store === this) return dataId.stored;
    return this.#moved.has(dataId) ? this.#moved.get(dataId) : undefined;
  }

  /**
   * What is behind a DataId; moves it here first when it lives on another backend.
   * @throws StateError when it was disposed of.
   */
  get(dataId: DataId): Stored {
    const entry = this.#find(dataId);
    if (entry !== undefined) return entry;
    try {
      this.#moved.get(dataId);
    } catch (cause) {
      throw new StateError('torch: the tensor is on no engine any more: it was disposed of', { cause });
    }
    const moved = this.#find(dataId);
    if (moved === undefined) throw new StateError('torch: the tensor could not be moved to this engine');
    return moved;
  }

  /** The handle behind a DataId, as long as there is one here. */
  handleOf(dataId: DataId): Handle | undefined {
    return this.#find(dataId)?.handle;
  }

  /** Copies a tensor's values to the host. */
  read(dataId: DataId): BackendValues {
    const stored = this.get(dataId);
    return stored.strings ?? this.#dispatcher.read(stored.handle, hostArrayFor(stored));
  }

  /** `read` that waits for a CUDA device on another thread; on the CPU the values are there already. */
  async readAsync(dataId: DataId): Promise<BackendValues> {
    const stored = this.get(dataId);
    if (stored.strings !== undefined) return stored.strings;
    const target = hostArrayFor(stored);
    if (this.#device === 'cpu') return this.#dispatcher.read(stored.handle, target);
    return this.#dispatcher.readAsync(stored.handle, target);
  }

  refCount(dataId: DataId): number {
    return this.#find(dataId)?.refCount ?? 0;
  }

  addReference(dataId: DataId): void {
    this.get(dataId).refCount += 1;
  }

  dropReference(dataId: DataId): void {
    const stored = this.#find(dataId);
    if (stored !== undefined) stored.refCount -= 1;
  }

  /** Gives up one reference, or all; true when nothing is stored under the DataId any more. */
  remove(dataId: DataId, force: boolean): boolean {
    const stored = this.#find(dataId);
    if (stored === undefined) return true;
    stored.refCount -= 1;
    if (!force && stored.refCount > 0) return false;
    this.#free(stored);
    if (dataId instanceof StoredId && dataId.store === this) dataId.stored = undefined;
    else this.#moved.delete(dataId);
    return true;
  }

  /** Forgets what products made of a tensor's values. */
  dropPacked(stored: Stored): void {
    for (const handle of stored.packed?.values() ?? []) this.#dispatcher.drop(handle);
    stored.packed = undefined;
  }

  /** Forgets the copies of a tensor in other types, and what products made of it. */
  dropCasts(stored: Stored): void {
    this.dropPacked(stored);
    if (stored.casts === undefined) return;
    for (const handle of stored.casts.values()) this.#dispatcher.drop(handle);
    stored.casts = undefined;
  }

  #free(stored: Stored): void {
    this.dropCasts(stored);
    if (stored.handle !== 0) this.#dispatcher.drop(stored.handle);
    stored.handle = 0 as Handle;
    this.#all.delete(stored);
  }

  /** Frees everything; nothing can be stored afterwards. */
  close(): void {
    this.#closed = true;
    for (const stored of this.#all) this.#free(stored);
  }
}
