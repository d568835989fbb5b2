/** Stacks of routers on tokens, batches that they route, and a tidy around a decision: what the tests of token routing share. */
import type { Random } from '@polygate/core';
import { createRandom } from '@polygate/core';
import { allocateParameters, type ParameterSet } from '@polygate/nn';
import {
  conditionNamed,
  describeRouters,
  routeTokens,
  unstackRouters,
  type DataDependentCondition,
  type RouteTokensOptions,
  type TokenContext,
  type TokenDecision,
  type TokenRouterStack,
} from '@polygate/routers';
import * as tf from '@tensorflow/tfjs';

const condition = (name: string): DataDependentCondition =>
  conditionNamed(name).create({ modalities: [], tasks: [] }) as DataDependentCondition;

export const stackOf = (name: string, rest: Partial<TokenRouterStack> = {}): TokenRouterStack => ({
  condition: condition(name),
  prefix: 'routers',
  sites: 2,
  width: 6,
  experts: 4,
  topK: 2,
  ...rest,
});

/** Parameters drawn in full, biases too, so that a slip in any of them shows. */
export const drawnParameters = (stack: TokenRouterStack, seed: number): ParameterSet => {
  const random = createRandom(seed);
  const parameters = allocateParameters(describeRouters(stack), random);
  for (const { name, variable } of parameters.entries()) {
    const stream = random.fork(name);
    parameters.write(
      name,
      Float32Array.from({ length: variable.size }, () => 0.5 * stream.normal()),
    );
  }
  return parameters;
};

export type Settings = Omit<RouteTokensOptions, 'parameters'>;

/** Routes inside a tidy; what `use` returns are host values. */
export const route = <T>(
  stack: TokenRouterStack,
  { parameters, context, settings }: { parameters: ParameterSet; context: TokenContext; settings?: Settings },
  use: (decision: TokenDecision) => T,
): T => {
  const state: { value?: T } = {};
  tf.tidy(() => {
    const siteParameters = unstackRouters(stack, parameters);
    state.value = use(routeTokens(stack, context, { ...settings, parameters: siteParameters }));
  });
  return state.value as T;
};

export interface Batch {
  readonly batch: number;
  readonly length: number;
  readonly width: number;
  /** [B, L, D] */
  readonly x: Float32Array;
  /** [B, L] */
  readonly visible: Float32Array;
}

export const drawBatch = (
  random: Random,
  [batch, length, width]: readonly [number, number, number],
): Batch => ({
  batch,
  length,
  width,
  x: Float32Array.from({ length: batch * length * width }, () => random.normal()),
  visible: Float32Array.from({ length: batch * length }, (_, i) => (i % length < length - (i % 2) ? 1 : 0)),
});

export const contextOf = (site: number, { batch, length, width, x, visible }: Batch): TokenContext => ({
  site,
  tokens: tf.tensor3d(x, [batch, length, width]),
  visible: tf.tensor2d(visible, [batch, length]),
});
