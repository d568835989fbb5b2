/**
 * What is not an operator's call in a function that is being recorded: uploads of host values, and reads of results. An
 * upload is a further input, a constant, or else, like every read, a reason not to record the function.
 */
import type { Handle, NativeBinding } from './binding.ts';

/** What an upload is to a recording. */
export type UploadRole = 'input' | 'constant';

/** Frames of a stack that are looked through. */
const STACK_DEPTH = 60;

/** The line outside the engine that this was called from. */
const callingLine = (): string => {
  const before = Error.stackTraceLimit;
  Error.stackTraceLimit = STACK_DEPTH;
  const frames = (new Error().stack ?? '').split('\n').slice(1);
  Error.stackTraceLimit = before;
  const foreign = frames.find(
    (frame) => !/backend-torch[\\/](?:src|dist)[\\/]|@tensorflow[\\/]|node:internal/u.test(frame),
  );
  return foreign?.trim().replace(/^at /u, '') ?? 'an unknown line';
};

/** Listens beside the binding while a function is recorded. */
export class Trace {
  /** What uploads are for the time being; undefined where nobody said. */
  role: UploadRole | undefined;
  /** The first reason not to record. */
  refusal: string | undefined;
  readonly #native: NativeBinding;

  constructor(native: NativeBinding) {
    this.#native = native;
  }

  /** Host values became a tensor. A single number is a constant, like the numbers among an operator's arguments. */
  uploaded(handle: Handle, shape: readonly number[]): void {
    const role = this.role ?? (shape.length === 0 ? 'constant' : undefined);
    if (role === undefined) this.refuse(`host values of shape [${shape.join(', ')}] become a tensor`);
    else this.#native.recordGiven(handle, role === 'input');
  }

  /** @param what happens, as a sentence without its end */
  refuse(what: string): void {
    this.refusal ??= `${what} at ${callingLine()}`;
  }
}
