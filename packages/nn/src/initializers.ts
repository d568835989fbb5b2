/**
 * Start values of parameters.
 *
 * Weights are `[out, in]`. Xavier-uniform draws from U(-b, b) with b = sqrt(6 / (fanIn + fanOut)) (Glorot and Bengio
 * 2010, eq. 16). A fused query-key-value weight `[3D, D]` counts as three square matrices: give `fans: [D, D]`, else
 * the fan-out of 3D would make it too small by a factor of sqrt(2).
 */
import { ConfigError, type Random } from '@polygate/core';

/** How a parameter gets its start values. */
export type Initializer =
  | { readonly kind: 'zeros' }
  | { readonly kind: 'ones' }
  | {
      readonly kind: 'constant';
      /** Every element. */
      readonly value: number;
    }
  | {
      readonly kind: 'normal';
      /** Standard deviation; the mean is 0. @default 0.02 */
      readonly std?: number;
    }
  | {
      readonly kind: 'uniform';
      /** Values are in [-bound, bound). */
      readonly bound: number;
    }
  | {
      readonly kind: 'xavierUniform';
      /** `[fanIn, fanOut]`. @default of a rank-2 shape `[out, in]`: `[in, out]` */
      readonly fans?: readonly [number, number];
    };

/** Standard deviation of `normal` when none is given: that of the paper's embeddings. */
export const DEFAULT_STD = 0.02;

const UNIT_24 = 2 ** -24;

const fansOf = (
  shape: readonly number[],
  initializer: Extract<Initializer, { kind: 'xavierUniform' }>,
): readonly [number, number] => {
  if (initializer.fans) return initializer.fans;
  const [out, input] = shape;
  if (shape.length !== 2 || out === undefined || input === undefined) {
    throw new ConfigError(
      `xavierUniform: expected a rank-2 shape [out, in] or explicit fans, got shape [${shape.join(', ')}]; give fans: [in, out]`,
    );
  }
  return [input, out];
};

/** Fills with U(-bound, bound): 24 random bits a value, which is what a float32 in [0, 1) can hold evenly. */
const fillUniform = (values: Float32Array, bound: number, random: Random): void => {
  for (let i = 0; i < values.length; i += 1) {
    values[i] = ((random.uint32() >>> 8) * UNIT_24 * 2 - 1) * bound;
  }
};

/** Box-Muller in pairs; the radius' argument is in (0, 1], so no value is infinite. */
const fillNormal = (values: Float32Array, std: number, random: Random): void => {
  for (let i = 0; i < values.length; i += 2) {
    const radius = std * Math.sqrt(-2 * Math.log((random.uint32() + 1) / 4294967296));
    const angle = (2 * Math.PI * random.uint32()) / 4294967296;
    values[i] = radius * Math.cos(angle);
    if (i + 1 < values.length) values[i + 1] = radius * Math.sin(angle);
  }
};

/**
 * The start values of one parameter, row-major.
 * @param random a stream of this parameter's own; constants draw nothing
 * @throws ConfigError when Xavier's fans can't be derived from the shape
 */
export const initialValues = (
  shape: readonly number[],
  initializer: Initializer,
  random: Random,
): Float32Array => {
  const values = new Float32Array(shape.reduce((size, extent) => size * extent, 1));
  switch (initializer.kind) {
    case 'zeros':
      return values;
    case 'ones':
      return values.fill(1);
    case 'constant':
      return values.fill(initializer.value);
    case 'normal':
      fillNormal(values, initializer.std ?? DEFAULT_STD, random);
      return values;
    case 'uniform':
      fillUniform(values, initializer.bound, random);
      return values;
    case 'xavierUniform': {
      const [fanIn, fanOut] = fansOf(shape, initializer);
      fillUniform(values, Math.sqrt(6 / (fanIn + fanOut)), random);
      return values;
    }
    default:
      return initializer satisfies never;
  }
};
