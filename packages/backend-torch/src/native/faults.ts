/**
 * Operators made wrong on purpose, for the tests of what finds wrong operators. POLYGATE_TEST_FAULTS holds faults separated
 * by commas; those that begin with `torch/` are meant here, and what they spoil is a quarter too large:
 *
 *   torch/convolution_backward@onednn    the operator of ATen's dispatcher, as long as ATen may use oneDNN
 *   torch/polygate::span_linear@blocks   one of ours, as long as products go in blocks
 *   torch/polygate::span_linear@unit     as long as bf16 goes to the tile unit
 *   torch/matmul@onednn:bf16             results of one type
 *
 * Whether a way is on is asked of the library when the operator runs: a way that was given up is right again.
 */
import { ConfigError } from '@polygate/core';
import { Dispatcher } from './dispatcher.ts';
import type { Handle } from './binding.ts';
import type { Argument } from './encoding.ts';
import { ScalarType } from './scalar-types.ts';

const TOO_LARGE = 1.25;

interface Fault {
  readonly operator: string;
  readonly way: string;
  readonly type: ScalarType | undefined;
}

const ways: Readonly<Record<string, (torch: Dispatcher) => boolean>> = {
  always: () => true,
  onednn: (torch) => torch.native.oneDnn(),
  blocks: (torch) =>
    torch.value('polygate::has_tiles', ScalarType.float32) +
      torch.value('polygate::has_tiles', ScalarType.bfloat16) >
    0,
  unit: (torch) => torch.value('polygate::has_tile_unit') === 1,
};

const types: ReadonlyMap<string, ScalarType> = new Map([
  ['f32', ScalarType.float32],
  ['bf16', ScalarType.bfloat16],
]);

const parse = (text: string): Fault => {
  const [, operator = '', way = 'always', type] =
    /^torch\/((?:\w+::)?[\w.]+)(?:@(\w+))?(?::(\w+))?$/u.exec(text) ?? [];
  if (operator === '' || !Object.hasOwn(ways, way) || (type !== undefined && !types.has(type))) {
    throw new ConfigError(
      `POLYGATE_TEST_FAULTS: expected torch/operator, @${Object.keys(ways).join(' or @')} and :f32 or :bf16, got "${text}"; unset it outside tests`,
    );
  }
  return { operator, way, type: type === undefined ? undefined : types.get(type) };
};

const given = (): string => process.env['POLYGATE_TEST_FAULTS'] ?? '';

/** Whether operators of this process are to be wrong; false outside tests. */
export const hasFaults = (): boolean => given() !== '';

/** A dispatcher whose operators are wrong as POLYGATE_TEST_FAULTS says at the time. */
export class FaultyDispatcher extends Dispatcher {
  #text = '';
  #faults: readonly Fault[] = [];

  /** @throws ConfigError for a fault that is written otherwise */
  #current(): readonly Fault[] {
    const text = given();
    if (text !== this.#text) {
      this.#faults = text
        .split(',')
        .filter((fault) => fault.startsWith('torch/'))
        .map(parse);
      this.#text = text;
    }
    return this.#faults;
  }

  #spoiled(name: string, handle: Handle): Handle {
    if (handle === 0) return handle;
    const type = this.dtypeOf(handle);
    if (type !== ScalarType.float32 && type !== ScalarType.bfloat16) return handle;
    const wrong = this.#current().some(
      (fault) =>
        fault.operator === name &&
        (fault.type === undefined || fault.type === type) &&
        ways[fault.way]?.(this) === true,
    );
    return wrong ? super.one('mul.Scalar', handle, TOO_LARGE) : handle;
  }

  override one(name: string, ...given: readonly Argument[]): Handle {
    return this.#spoiled(name, super.one(name, ...given));
  }

  override all(name: string, ...given: readonly Argument[]): Handle[] {
    return super.all(name, ...given).map((handle) => this.#spoiled(name, handle));
  }
}
