/**
 * The precision policy: what is computed and stored in which type, in one table.
 *
 * | part                                                    | f32     | bf16                       |
 * |---------------------------------------------------------|---------|----------------------------|
 * | matrix products, convolutions, attention products        | float32 | bfloat16, summed in float32 |
 * | activations stored by those kernels (`activation`)       | float32 | bfloat16                   |
 * | data movement (reshape, slice, concat, gather, pad, ...) | as is   | as is                      |
 * | add, subtract, multiply, relu family, neg                | float32 | as is, mixed gives float32 |
 * | softmax, norms, losses, reductions, exp, log, pow, ...   | float32 | float32                    |
 * | variables, gradients of variables, optimizer state       | float32 | float32                    |
 *
 * tfjs sees float32 throughout: a bf16 storage is an affair of the engine.
 */
import { ConfigError } from '@polygate/core';
import { ScalarType } from './native/scalar-types.ts';

export type PrecisionName = 'f32' | 'bf16';

export interface PrecisionPolicy {
  readonly name: PrecisionName;
  /** Type of the factors of products and convolutions. */
  readonly product: ScalarType;
  /** Type in which kernels that compute products store their result. */
  readonly activation: ScalarType;
  /** Type of norms, softmax, losses, master weights and gradients. */
  readonly exact: ScalarType;
}

const POLICIES: Readonly<Record<PrecisionName, PrecisionPolicy>> = Object.freeze({
  f32: Object.freeze({
    name: 'f32',
    product: ScalarType.float32,
    activation: ScalarType.float32,
    exact: ScalarType.float32,
  }),
  bf16: Object.freeze({
    name: 'bf16',
    product: ScalarType.bfloat16,
    activation: ScalarType.bfloat16,
    exact: ScalarType.float32,
  }),
});

/** @throws ConfigError when the name is neither f32 nor bf16. */
export const precisionPolicy = (name: string): PrecisionPolicy => {
  if (name !== 'f32' && name !== 'bf16') {
    throw new ConfigError(`precision: expected f32 or bf16, got "${name}"`, { fields: { got: name } });
  }
  return POLICIES[name];
};
