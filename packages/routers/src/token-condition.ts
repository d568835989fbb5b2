/** Token routing: R(x) = x, the input of the conditional layer itself (Uni-Perceiver-MoE, Eq. 5). */
import type * as tf from '@tensorflow/tfjs';
import type { ConditionSize, DataDependentCondition, TokenContext } from './condition.ts';
import type { ConditionFactory } from './routing-key.ts';

/** Routes every token by its content. It has no parameters but the gate. */
const tokenCondition: DataDependentCondition = Object.freeze({
  name: 'token',
  dataIndependent: false as const,
  reads: ['token'] as const,
  representationWidth: ({ width }: ConditionSize) => width,
  parameters: () => [],
  flops: ({ width, experts }: ConditionSize & { readonly experts: number }) => ({
    decision: 2 * experts * width,
  }),
  represent: (_parameters: readonly tf.Tensor[], { tokens }: TokenContext) => ({ tokens }),
});

/** {@link tokenCondition} by name; it needs nothing of a model. */
export const tokenFactory: ConditionFactory<DataDependentCondition> = Object.freeze({
  name: 'token',
  summary: 'the token itself',
  create: () => tokenCondition,
});
