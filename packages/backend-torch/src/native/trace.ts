/**
 * What is not an operator's call in a function that is being recorded: uploads of host values, and reads of results. An
 * upload is a further input, a constant, or else, like every read, a reason not to record the function.
 */
import { hash32, hashText } from '@polygate/core';
import type { Handle, HostArray, NativeBinding } from './binding.ts';
import { Kind, type Argument, type OperatorPlan } from './encoding.ts';

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

const double = new Float64Array(1);
const words = new Uint32Array(double.buffer);

const TENSORS: ReadonlySet<number | undefined> = new Set([
  Kind.tensor,
  Kind.tensorList,
  Kind.optionalTensorList,
]);

/** Listens beside the binding while a function is recorded. */
export class Trace {
  /** What uploads are for the time being; undefined where nobody said. */
  role: UploadRole | undefined;
  /** The first reason not to record. */
  refusal: string | undefined;
  /** Of the operators so far, their numbers and the constants: equal for two functions that do the same. */
  digest = 0;
  readonly #native: NativeBinding;

  constructor(native: NativeBinding) {
    this.#native = native;
  }

  /** An operator is called. Which tensors it is given is left to the function, whose shapes decide on it. */
  called({ id, kinds }: OperatorPlan, given: readonly Argument[]): void {
    this.digest = hash32(this.digest, id, given.length);
    given.forEach((value, at) => {
      const list = Array.isArray(value) ? (value as readonly unknown[]) : [value];
      this.#add(list.length);
      if (TENSORS.has(kinds[at])) return;
      for (const each of list) {
        if (typeof each === 'string') this.#add(hashText(each));
        else this.#add(each === null || each === undefined ? -1 : Number(each));
      }
    });
  }

  #add(value: number): void {
    double[0] = value;
    this.digest = hash32(this.digest, words[0] ?? 0, words[1] ?? 0);
  }

  /** Host values became a tensor. A single number is a constant, like the numbers among an operator's arguments. */
  uploaded(handle: Handle, values: HostArray, shape: readonly number[]): void {
    const role = this.role ?? (shape.length === 0 ? 'constant' : undefined);
    if (role === 'constant') for (const value of values) this.#add(Number(value));
    if (role === undefined) this.refuse(`host values of shape [${shape.join(', ')}] become a tensor`);
    else this.#native.recordGiven(handle, role === 'input');
  }

  /** @param what happens, as a sentence without its end */
  refuse(what: string): void {
    this.refusal ??= `${what} at ${callingLine()}`;
  }
}
