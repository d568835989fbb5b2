/** The face that this engine shows to tfjs; tensors are in TensorStore, kernels use KernelContext. */
import * as tf from '@tensorflow/tfjs';
import type { BackendValues, DataId, DataType } from '@tensorflow/tfjs';
import type { Dispatcher } from './native/dispatcher.ts';
import type { KernelContextOptions } from './kernel-context.ts';
import { KernelContext } from './kernel-context.ts';
import { recordFunction, type Recorded, type RecordedFunction } from './recorded-function.ts';
import type { Stored } from './tensor-store.ts';
import { TensorStore } from './tensor-store.ts';

/** What `tf.memory()` reports beside tfjs's own counts of tensors and bytes. */
export interface TorchMemory {
  readonly unreliable: boolean;
  readonly device: string;
  /** LibTorch tensors alive. */
  readonly handles: number;
  /** Bytes of the storages behind them, on the engine's device. */
  readonly bytesHeld: number;
  /**
   * Greatest number of bytes held at once, temporaries inside operators included (on CUDA from LibTorch 2.9 on;
   * before, the greatest `bytesHeld` that was asked about).
   */
  readonly bytesPeak: number;
  /** Bytes of freed blocks that are kept for the next step. */
  readonly bytesCached: number;
}

export class TorchBackend extends tf.KernelBackend {
  readonly context: KernelContext;
  readonly #store: TensorStore;

  constructor(dispatcher: Dispatcher, options: KernelContextOptions) {
    super();
    this.#store = new TensorStore(dispatcher, new tf.DataStorage<Stored>(this, tf.engine()), options.device);
    this.context = new KernelContext(dispatcher, this.#store, options);
  }

  /** Calls `fn` and records it: see `recordFunction`. */
  record(fn: RecordedFunction, inputs: readonly tf.Tensor[]): Recorded {
    return recordFunction(this.context, this.#store, { fn, inputs });
  }

  /** Calls `body`, whose uploads are inputs of the function that is being recorded, in their order. */
  uploadInputs<T>(body: () => T): T {
    return this.context.dispatcher.uploading('input', body);
  }

  override write(values: BackendValues, shape: number[], dtype: DataType): DataId {
    return this.#store.write(values, shape, dtype);
  }

  override move(
    dataId: DataId,
    values: BackendValues,
    shape: number[],
    dtype: DataType,
    refCount: number,
  ): void {
    this.#store.put(dataId, values, { shape, dtype, refCount });
  }

  override readSync(dataId: DataId): BackendValues {
    return this.#store.read(dataId);
  }

  override read(dataId: DataId): Promise<BackendValues> {
    return this.#store.readAsync(dataId);
  }

  override disposeData(dataId: DataId, force = false): boolean {
    return this.#store.remove(dataId, force);
  }

  override refCount(dataId: DataId): number {
    return this.#store.refCount(dataId);
  }

  override incRef(dataId: DataId): void {
    this.#store.addReference(dataId);
  }

  decRef(dataId: DataId): void {
    this.#store.dropReference(dataId);
  }

  override numDataIds(): number {
    return this.#store.size;
  }

  override memory(): TorchMemory {
    const native = this.context.dispatcher.memory(this.context.device);
    return {
      unreliable: false,
      device: this.context.device,
      handles: native.handles,
      bytesHeld: native.tensorBytes,
      bytesPeak: native.peak,
      bytesCached: native.cached,
    };
  }

  /** Makes `bytesPeak` count from now on; on the CPU. */
  resetPeak(): void {
    this.context.dispatcher.native.resetPeak();
  }

  override async time(run: () => void): Promise<tf.BackendTimingInfo> {
    const { native } = this.context.dispatcher;
    native.synchronize(this.context.device);
    const start = process.hrtime.bigint();
    run();
    native.synchronize(this.context.device);
    return { kernelMs: Number(process.hrtime.bigint() - start) / 1e6 };
  }

  override timerAvailable(): boolean {
    return true;
  }

  override floatPrecision(): 16 | 32 {
    return 32;
  }

  override epsilon(): number {
    return 1e-7;
  }

  override dispose(): void {
    this.#store.close();
    // What native operators remember belongs to the backend: builds without such operators remember nothing.
    const { dispatcher } = this.context;
    if (dispatcher.has('polygate::forget_token_sets')) dispatcher.value('polygate::forget_token_sets');
  }
}
