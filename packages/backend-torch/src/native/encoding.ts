/**
 * Writes an operator's arguments into the block of doubles that the binding reads.
 * The layout is described at callOperator in native/operators.h.
 */
import { EngineError, excerpt } from '@polygate/core';
import type { Handle } from './binding.ts';

/** What an argument looks like in the block; the numbers are those of native/operators.h. */
export const Kind = Object.freeze({
  tensor: 0,
  int: 1,
  float: 2,
  bool: 3,
  scalar: 4,
  string: 5,
  device: 6,
  tensorList: 7,
  intList: 8,
  floatList: 9,
  boolList: 10,
  optionalTensorList: 11,
  scalarList: 12,
  unsupported: 13,
});

/**
 * One argument of an operator. `undefined` takes the schema's default, `null` is None or no tensor.
 * A number passed for a Scalar is an integer when it has no fraction and fits 32 bits, else a float.
 */
export type Argument =
  Handle | number | boolean | string | null | undefined | readonly (Handle | number | boolean | null)[];

export interface OperatorPlan {
  readonly name: string;
  readonly id: number;
  readonly kinds: Uint8Array;
  readonly argumentNames: readonly string[];
}

const isIntegral = (value: number): boolean => (value | 0) === value && !Object.is(value, -0);

/** Doubles at most that the arguments of one call can take; lists of a hundred thousand tensors fit. */
export const BLOCK_LENGTH = 1 << 18;

/**
 * Encodes `given` into `block`; strings go to `strings`, by index.
 * @throws EngineError naming the operator and argument when a value does not fit the schema.
 */
export const encodeArguments = (
  plan: OperatorPlan,
  given: readonly Argument[],
  target: { readonly block: Float64Array; readonly strings: string[] },
): void => {
  const { block, strings } = target;
  const { kinds } = plan;
  const refuse = (index: number, value: unknown): never => {
    const name = plan.argumentNames[index] ?? `number ${index}`;
    throw new EngineError(
      `${plan.name}: argument ${name} can't be ${excerpt(value)}; pass what the operator's schema asks for`,
      { code: 'argument', fields: { operator: plan.name, argument: name } },
    );
  };
  if (given.length > kinds.length) {
    throw new EngineError(`${plan.name}: expected at most ${kinds.length} arguments, got ${given.length}`, {
      code: 'argument',
      fields: { operator: plan.name },
    });
  }
  let at = 0;
  block[at++] = given.length;
  for (let i = 0; i < given.length; i += 1) {
    const value = given[i];
    if (value === undefined) {
      block[at++] = 0;
      continue;
    }
    if (value === null) {
      // A plain `Tensor` argument takes "no tensor" as handle 0, an optional one as None: both read this.
      block[at++] = 1;
      continue;
    }
    block[at++] = 2;
    const kind = kinds[i];
    if (typeof value === 'number') {
      if (kind === Kind.scalar) {
        block[at++] = isIntegral(value) ? 0 : 1;
        block[at++] = value;
      } else if (kind === Kind.tensor || kind === Kind.int || kind === Kind.float) {
        block[at++] = value;
      } else {
        refuse(i, value);
      }
    } else if (typeof value === 'boolean') {
      if (kind === Kind.scalar) block[at++] = 2;
      else if (kind !== Kind.bool) refuse(i, value);
      block[at++] = value ? 1 : 0;
    } else if (typeof value === 'string') {
      if (kind !== Kind.string && kind !== Kind.device) refuse(i, value);
      block[at++] = strings.length;
      strings.push(value);
    } else {
      if (kind === undefined || kind < Kind.tensorList || kind > Kind.scalarList) refuse(i, value);
      if (at + 2 * value.length + 64 > BLOCK_LENGTH) {
        throw new EngineError(`${plan.name}: a list of ${value.length} is too long; split it`, {
          code: 'argument',
          fields: { operator: plan.name },
        });
      }
      block[at++] = value.length;
      for (const element of value) {
        const number = element === null ? 0 : Number(element);
        if (kind === Kind.scalarList) block[at++] = isIntegral(number) ? 0 : 1;
        block[at++] = number;
      }
    }
  }
};
