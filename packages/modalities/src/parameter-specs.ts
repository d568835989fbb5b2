/** Parameters as encoders describe them, with the start values of the published code. */
import type { ParameterSpec } from '@polygate/nn';

const zeros = { kind: 'zeros' } as const;

/** A table [entries, D] of vectors, normal with deviation 0.02. */
export const tableSpec = (name: string, entries: number, width: number): ParameterSpec => ({
  name,
  shape: [entries, width],
  initializer: { kind: 'normal', std: 0.02 },
  role: 'embedding',
});

/**
 * A linear layer `[out, in]`, Xavier-uniform with a zero bias.
 * @param fanOut counts one square matrix of a fused layer
 */
export const linearSpecs = (
  name: string,
  [out, input]: readonly [number, number],
  fanOut: number = out,
): readonly ParameterSpec[] => [
  {
    name: `${name}.weight`,
    shape: [out, input],
    initializer: { kind: 'xavierUniform', fans: [input, fanOut] },
    role: 'weight',
  },
  { name: `${name}.bias`, shape: [out], initializer: zeros, role: 'bias' },
];
