/**
 * Functions that an engine records, to run their operators again without JavaScript. Such a function takes nothing from the
 * host but through {@link hostTensor}, and reads nothing: what it makes of tensors is then the same sequence of operators
 * whenever shapes are the same.
 */
import { EngineError, type StateError } from '@polygate/core';
import * as tf from '@tensorflow/tfjs';

/** Values as engines take them. */
export type HostValues = Float32Array | Int32Array | Uint8Array;

/** What an engine recorded. */
interface EngineRecording extends Disposable {
  readonly calls: number;
  readonly digest: number;
  run(inputs: readonly tf.Tensor[]): tf.Tensor[];
}

/** The part of an engine that records; the torch engine has it. */
interface RecordingEngine {
  record(
    fn: () => readonly tf.Tensor[],
    inputs: readonly tf.Tensor[],
  ): {
    readonly results: readonly tf.Tensor[];
    readonly recording?: EngineRecording;
    readonly refusal?: StateError;
  };
  uploadInputs<T>(body: () => T): T;
}

interface HostInput {
  readonly make: () => HostValues;
  readonly shape: readonly number[];
  readonly dtype: 'float32' | 'int32' | 'bool';
}

/** A recorded function. Holds the tensors that the function had from before. */
export class FunctionRecording implements Disposable {
  readonly #recording: EngineRecording;
  readonly #inputs: readonly HostInput[];

  constructor(recording: EngineRecording, inputs: readonly HostInput[]) {
    this.#recording = recording;
    this.#inputs = inputs;
  }

  /** Operators that a run calls. */
  get calls(): number {
    return this.#recording.calls;
  }

  /** Equal for two recordings of the same operators with the same numbers. */
  get digest(): number {
    return this.#recording.digest;
  }

  /** What the function would take from the host now, in its order. */
  hostValues(): readonly HostValues[] {
    return this.#inputs.map(({ make }) => make());
  }

  /**
   * Asks for the host values anew and runs the function's operators on them.
   * @returns the results, which belong to the caller or the enclosing tidy
   * @throws ShapeError for host values of another number than before; StateError (code `recording-lapsed`) where the
   * recording does not hold any more
   */
  run(): tf.Tensor[] {
    const inputs = this.#inputs.map(({ make, shape, dtype }) => tf.tensor(make(), [...shape], dtype));
    try {
      return this.#recording.run(inputs);
    } finally {
      tf.dispose(inputs);
    }
  }

  dispose(): void {
    this.#recording[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** What a call of a function came to. */
export interface RecordedCall {
  /** As the function gave them; the caller's. */
  readonly results: readonly tf.Tensor[];
  /** Absent where the function can't be recorded. */
  readonly recording?: FunctionRecording;
  /** Why it can't, and the line that is the reason. */
  readonly refusal?: StateError;
}

/** Host values of the function that is being recorded; undefined outside. */
let open: HostInput[] | undefined;

const recordingEngine = (): RecordingEngine | undefined => {
  const engine = tf.backend() as unknown as Partial<RecordingEngine>;
  return engine.record && engine.uploadInputs ? (engine as RecordingEngine) : undefined;
};

/** Whether the engine in use records functions. */
export const canRecord = (): boolean => recordingEngine() !== undefined;

/**
 * A tensor of host values. In a recorded function `make` is asked again in each run, so it looks at what changes from run to
 * run itself; elsewhere this is `tf.tensor(make(), shape, dtype)`.
 * @param make the values, row by row; of as many and of one type in each run
 * @param shape and type of the tensor, the same in each run. @default dtype 'float32'
 */
export const hostTensor = <R extends tf.Rank = tf.Rank>(
  make: () => HostValues,
  shape: tf.ShapeMap[R],
  dtype: 'float32' | 'int32' | 'bool' = 'float32',
): tf.Tensor<R> => {
  const engine = open && recordingEngine();
  if (!engine) return tf.tensor<R>(make(), shape, dtype);
  open?.push({ make, shape, dtype });
  return engine.uploadInputs(() => tf.tensor<R>(make(), shape, dtype));
};

/**
 * Calls a function of host values and of tensors from before (parameters), and records the operators that it calls.
 * @throws EngineError where the engine in use can't record: see {@link canRecord}; what the function throws
 */
export const recordFunction = (fn: () => readonly tf.Tensor[]): RecordedCall => {
  const engine = recordingEngine();
  if (!engine) {
    throw new EngineError(
      `record: expected an engine that records functions, got ${tf.getBackend()}; take the torch engine`,
    );
  }
  if (open) throw new EngineError('record: expected no recording to be under way, got one inside another');
  const inputs: HostInput[] = [];
  open = inputs;
  try {
    const { results, recording, refusal } = engine.record(fn, []);
    return {
      results,
      ...(recording ? { recording: new FunctionRecording(recording, inputs) } : {}),
      ...(refusal ? { refusal } : {}),
    };
  } finally {
    open = undefined;
  }
};
