/**
 * Functions whose calls of operators are recorded, and run again without JavaScript.
 *
 * A recording holds for inputs of the same shapes and types, and for the variables that the function read or wrote as long
 * as these keep their tensors: an optimizer of ours writes them in place, `assign` gives them others. Numbers that stand in
 * the function (a rate, a count) are constants of it. What an operator tells JavaScript (whether an index is out of range)
 * must come out the same in every run.
 */
import { EngineError, ShapeError, StateError } from '@polygate/core';
import * as tf from '@tensorflow/tfjs';
import type { DataType } from '@tensorflow/tfjs';
import type { KernelContext } from './kernel-context.ts';
import type { Handle, NativeRecording } from './native/binding.ts';
import type { TensorStore } from './tensor-store.ts';

/** A function of tensors; it must not await. */
export type RecordedFunction = (...inputs: tf.Tensor[]) => readonly tf.Tensor[];

/** What a call of a function came to. */
export interface Recorded {
  /** As the function gave them; the caller's. */
  readonly results: readonly tf.Tensor[];
  /** Runs the same again. Absent where the function can't be recorded. */
  readonly recording?: Recording;
  /** Why it can't: what is no operator's call, and the line where it is. */
  readonly refusal?: StateError;
}

interface Output {
  readonly shape: readonly number[];
  readonly storedShape: readonly number[];
  readonly dtype: DataType;
}

/** A recorded function. Holds the tensors that the function had from before: `dispose` lets them go. */
export class Recording implements Disposable {
  /** Operators that a run calls. */
  readonly calls: number;
  /** Equal for two recordings of the same operators with the same numbers and constants. */
  readonly digest: number;
  readonly #torch: KernelContext;
  readonly #store: TensorStore;
  readonly #id: number;
  readonly #outputs: readonly Output[];
  /** Variables, and the tensors that they had. */
  readonly #variables: readonly (readonly [tf.Variable, Handle])[];
  #disposed = false;

  constructor(
    torch: KernelContext,
    store: TensorStore,
    made: {
      readonly native: NativeRecording & { readonly digest: number };
      readonly outputs: readonly Output[];
    },
  ) {
    this.calls = made.native.calls;
    this.digest = made.native.digest;
    this.#torch = torch;
    this.#store = store;
    this.#id = made.native.id;
    this.#outputs = made.outputs;
    const captured = new Set(made.native.captured);
    this.#variables = Object.values(tf.engine().registeredVariables).flatMap((variable) => {
      const handle = store.handleOf(variable.dataId);
      return handle !== undefined && captured.has(handle) ? [[variable, handle] as const] : [];
    });
  }

  /**
   * Runs the function's operators on other inputs.
   * @param inputs of the shapes and types that it was recorded with, the declared uploads behind the given ones
   * @returns the results, which belong to the caller or the enclosing tidy
   * @throws ShapeError for other inputs; StateError (code `recording-lapsed`) where the recording does not hold any more:
   * record the function anew. Variables that it writes may be written then, those it only reads are as they were.
   */
  run(inputs: readonly tf.Tensor[]): tf.Tensor[] {
    if (this.#disposed) {
      throw new StateError('recording: expected a live one, got one that was disposed; record anew');
    }
    if (this.#variables.some(([variable, handle]) => this.#store.handleOf(variable.dataId) !== handle)) {
      throw this.#lapsed('a variable was given another tensor');
    }
    const { dispatcher } = this.#torch;
    const handles = inputs.map(({ dataId }) => this.#store.get(dataId).handle);
    return dispatcher.scope(() => {
      const results = dispatcher.replay(this.#id, handles);
      if (typeof results === 'string') throw this.#lapsed(results);
      return this.#outputs.map(({ shape, storedShape, dtype }, at) => {
        const handle = dispatcher.keep(results[at] as Handle);
        const type = dispatcher.dtypeOf(handle);
        const dataId = this.#store.add({ handle, shape: storedShape, type, dtype });
        return tf.engine().makeTensorFromTensorInfo({ dataId, shape: [...shape], dtype });
      });
    });
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#torch.dispatcher.native.forgetRecording(this.#id);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #lapsed(why: string): StateError {
    return new StateError(`recording: expected what it was recorded with, but ${why}; record anew`, {
      code: 'recording-lapsed',
      fields: { why },
    });
  }
}

/**
 * Calls a function and records what it calls of operators.
 *
 * What is no operator's call makes it one that can't be recorded: tensors made of host values, other than single numbers,
 * kernels' own tables and what {@link TorchBackend.uploadInputs} declares; reads of tensors; tensors that it keeps without
 * giving them back; results that it did not make.
 * @param call `inputs`: the tensors that change from run to run, each of its own storage; borrowed
 * @throws what the function throws
 */
export const recordFunction = (
  torch: KernelContext,
  store: TensorStore,
  { fn, inputs }: { readonly fn: RecordedFunction; readonly inputs: readonly tf.Tensor[] },
): Recorded => {
  if (torch.dispatcher.isRecording) {
    throw new EngineError('record: expected no recording to be under way, got one inside another');
  }
  const handles = inputs.map(({ dataId }) => store.get(dataId).handle);
  if (new Set(handles).size < handles.length) {
    throw new ShapeError('record: expected inputs that are different tensors, got one twice; clone it');
  }
  let results: readonly tf.Tensor[] = [];
  const native = torch.dispatcher.record(handles, () => {
    results = tf.tidy(() => [...fn(...inputs)] as tf.Tensor[]);
    return results.map(({ dataId }) => store.get(dataId).handle);
  });
  if (typeof native === 'string') {
    const refusal = new StateError(
      `record: expected a function of operators alone, but ${native}; make it an input, or leave the function unrecorded`,
      { code: 'not-recordable', fields: { why: native } },
    );
    return { results, refusal };
  }
  const outputs = results.map(({ dataId, shape, dtype }) => ({
    shape: [...shape],
    storedShape: store.get(dataId).shape,
    dtype,
  }));
  return { results, recording: new Recording(torch, store, { native, outputs }) };
};
