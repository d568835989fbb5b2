/**
 * Calls ATen operators and owns the handles they create.
 *
 * Every handle belongs to the innermost scope until `keep` takes it out; leaving a scope frees the rest,
 * also when it is left by an exception. The list of handles is one Int32Array shared with the binding:
 * arena[0] is their count, and taking one out writes a zero over it.
 */
import { EngineError } from '@polygate/core';
import type {
  Handle,
  HostArray,
  LibraryDescription,
  NativeBinding,
  NativeMemory,
  NativeRecording,
  TensorDescription,
} from './binding.ts';
import type { Argument, OperatorPlan } from './encoding.ts';
import { BLOCK_LENGTH, encodeArguments } from './encoding.ts';
import { toEngineError } from './errors.ts';
import type { ScalarType } from './scalar-types.ts';
import { Trace, type UploadRole } from './trace.ts';

const RESULT_LENGTH = 1 << 16;
const ARENA_LENGTH = 1 << 18;
/** Types of results, as ResultWriter in native/binding.cc writes them. */
const Result = Object.freeze({ tensor: 0, number: 1, bool: 2, none: 3, tensorList: 4 });

export class Dispatcher {
  /** Whether convolutions go past oneDNN. */
  convolutionsPastOneDnn = false;
  /** Present while a function is recorded. */
  #trace: Trace | undefined;
  readonly #native: NativeBinding;
  readonly #block = new Float64Array(BLOCK_LENGTH);
  readonly #results = new Float64Array(RESULT_LENGTH);
  readonly #arena = new Int32Array(ARENA_LENGTH);
  readonly #operators = new Map<string, OperatorPlan>();
  readonly #strings: string[] = [];

  constructor(native: NativeBinding) {
    this.#native = native;
    native.attach(this.#block, this.#results, this.#arena);
  }

  #plan(name: string): OperatorPlan {
    const cached = this.#operators.get(name);
    if (cached !== undefined) return cached;
    const [, namespace = 'aten', base = name, overload = ''] =
      /^(?:(\w+)::)?(\w+)(?:\.(\w+))?$/.exec(name) ?? [];
    try {
      const schema = this.#native.find(`${namespace}::${base}`, overload);
      const plan = Object.freeze({
        name,
        id: schema.id,
        kinds: Uint8Array.from(schema.arguments, ({ kind }) => kind),
        argumentNames: schema.arguments.map((argument) => argument.name),
      });
      this.#operators.set(name, plan);
      return plan;
    } catch (cause) {
      throw new EngineError(
        `this LibTorch has no operator ${name}; check the name and overload, or use a newer LibTorch`,
        { code: 'unknown-operator', fields: { operator: name }, cause },
      );
    }
  }

  /** Whether this LibTorch has the operator: `has('scaled_dot_product_attention')`. */
  has(name: string): boolean {
    try {
      this.#plan(name);
      return true;
    } catch {
      return false;
    }
  }

  #call(name: string, given: readonly Argument[]): number {
    const plan = this.#plan(name);
    const strings = this.#strings;
    strings.length = 0;
    this.#trace?.called(plan, given);
    encodeArguments(plan, given, { block: this.#block, strings });
    const answer = strings.length === 0 ? this.#native.call(plan.id) : this.#native.call(plan.id, strings);
    if (answer < 0) throw toEngineError(name, this.#native.lastError(), this.memory());
    return answer;
  }

  /**
   * Calls an operator that returns one tensor (or, of several, gives the first).
   * @param name "add.Tensor" (ATen, overload after the point), "relu", or "polygate::name".
   * @returns a handle owned by the innermost scope.
   * @throws EngineError with ATen's own text, or with code `out-of-memory`.
   */
  one(name: string, ...given: readonly Argument[]): Handle {
    const answer = this.#call(name, given);
    return (answer > 0 ? answer : (this.#results[2] ?? 0)) as Handle;
  }

  /** Calls an operator and gives all its tensors in order, lists spread out; 0 where it returned none. */
  all(name: string, ...given: readonly Argument[]): Handle[] {
    const answer = this.#call(name, given);
    if (answer > 0) return [answer as Handle];
    const results = this.#results;
    const handles: Handle[] = [];
    let at = 1;
    for (let left = results[0] ?? 0; left > 0; left -= 1) {
      const type = results[at];
      const value = results[at + 1] ?? 0;
      at += 2;
      if (type === Result.tensor) handles.push(value as Handle);
      else if (type === Result.none) handles.push(0 as Handle);
      else if (type === Result.tensorList) {
        for (let i = 0; i < value; i += 1) handles.push((results[at++] ?? 0) as Handle);
      }
    }
    return handles;
  }

  /** Calls an operator that returns a number or truth value, such as `equal`. */
  value(name: string, ...given: readonly Argument[]): number {
    this.#call(name, given);
    return this.#results[2] ?? 0;
  }

  /** Runs `body`; afterwards every handle created meanwhile is freed, except those kept. */
  scope<T>(body: () => T): T {
    const mark = this.#arena[0] ?? 0;
    try {
      return body();
    } finally {
      if ((this.#arena[0] ?? 0) > mark) this.#native.release(mark);
    }
  }

  /**
   * Takes a handle out of its scope; from now on it lives until `drop`.
   * A handle that no scope owns (another holder's) is aliased first, so the result is always the caller's.
   */
  keep(handle: Handle): Handle {
    const arena = this.#arena;
    for (let i = arena[0] ?? 0; i > 0; i -= 1) {
      if (arena[i] === handle) {
        arena[i] = 0;
        return handle;
      }
    }
    const second = this.#native.alias(handle);
    return this.keep(second);
  }

  /** Frees a kept handle. */
  drop(handle: Handle): void {
    this.#native.drop(handle);
  }

  /** A copy of host values as a tensor owned by the innermost scope; complex values are interleaved. */
  create(
    values: HostArray,
    options: { dtype: ScalarType; shape: readonly number[]; device: string },
  ): Handle {
    try {
      const handle = this.#native.create(values, options.dtype, options.shape, options.device);
      this.#trace?.uploaded(handle, values, options.shape);
      return handle;
    } catch (error) {
      throw toEngineError('create', error instanceof Error ? error.message : String(error), this.memory());
    }
  }

  /** Copies a tensor into `target`, converting to its type. */
  read<T extends HostArray>(handle: Handle, target: T): T {
    this.#trace?.refuse('a tensor is read');
    try {
      this.#native.read(handle, target);
      return target;
    } catch (error) {
      throw toEngineError('read', error instanceof Error ? error.message : String(error), this.memory());
    }
  }

  /** `read` on a worker thread: waits for the device without blocking the event loop. */
  async readAsync<T extends HostArray>(handle: Handle, target: T): Promise<T> {
    this.#trace?.refuse('a tensor is read');
    try {
      return await this.#native.readAsync(handle, target);
    } catch (error) {
      throw toEngineError('read', error instanceof Error ? error.message : String(error), this.memory());
    }
  }

  describe(handle: Handle): TensorDescription {
    return this.#native.describe(handle);
  }

  dtypeOf(handle: Handle): ScalarType {
    return (this.#traits(handle) & 0xff) as ScalarType;
  }

  isContiguous(handle: Handle): boolean {
    return (this.#traits(handle) & 0x100) !== 0;
  }

  /** Whether no other tensor sees this one's storage. */
  ownsStorage(handle: Handle): boolean {
    return (this.#traits(handle) & 0x400) !== 0;
  }

  /** The element type of a tensor, and whether its sizes are these. */
  inspect(handle: Handle, shape: readonly number[]): { type: ScalarType; sameShape: boolean } {
    for (let i = 0; i < shape.length; i += 1) this.#block[i] = shape[i] ?? 0;
    const traits = this.#traits(handle, shape.length);
    return { type: (traits & 0xff) as ScalarType, sameShape: (traits & 0x200) !== 0 };
  }

  #traits(handle: Handle, rank = -1): number {
    const traits = this.#native.traits(handle, rank);
    if (traits < 0) throw toEngineError('handle', `tensor handle ${handle} is not alive`, this.memory());
    return traits;
  }

  /** @param device @default 'cpu' */
  memory(device = 'cpu'): NativeMemory {
    return this.#native.memory(device);
  }

  library(): LibraryDescription {
    return this.#native.library();
  }

  /** Whether a function is being recorded. */
  get isRecording(): boolean {
    return this.#trace !== undefined;
  }

  /** Calls `body`, whose uploads are inputs or constants of the function that is being recorded. */
  uploading<T>(role: UploadRole, body: () => T): T {
    const trace = this.#trace;
    if (trace === undefined) return body();
    const before = trace.role;
    trace.role = role;
    try {
      return body();
    } finally {
      trace.role = before;
    }
  }

  /**
   * Calls `body` and records the operators that it calls.
   * @param body gives the handles of its results
   * @returns what was recorded, or why there is nothing
   */
  record(
    inputs: readonly Handle[],
    body: () => readonly Handle[],
  ): (NativeRecording & { readonly digest: number }) | string {
    const native = this.#native;
    const trace = new Trace(native);
    native.startRecording(inputs);
    this.#trace = trace;
    let results: readonly Handle[] | undefined;
    let recorded: NativeRecording | string | undefined;
    try {
      results = body();
    } finally {
      this.#trace = undefined;
      recorded = native.stopRecording(trace.refusal === undefined ? results : undefined);
    }
    if (typeof recorded === 'object') return { ...recorded, digest: trace.digest };
    return recorded ?? trace.refusal ?? 'it gave no results';
  }

  /** Handles of a recording's results, owned by the innermost scope; or why the recording does not hold any more. */
  replay(recording: number, inputs: readonly Handle[]): Handle[] | string {
    try {
      return this.#native.replay(recording, inputs);
    } catch (error) {
      throw toEngineError('replay', error instanceof Error ? error.message : String(error), this.memory());
    }
  }

  /** The binding itself, for settings (threads, determinism, limits). */
  get native(): NativeBinding {
    return this.#native;
  }
}
