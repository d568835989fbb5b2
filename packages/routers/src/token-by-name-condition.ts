/**
 * A router of its own for the tokens of each modality, or of each task: g_m(x) in place of the one g(x) that all share
 * (the router variants of SM^4, section 4). The routers of all names stand side by side in one gate,
 *   R(x) = (0, ..., x, ..., 0), x in the block of the token's name,  so that W_g R(x) = W_m x.
 *
 * B batch · L length · D width · M names
 */
import { ConfigError, unknownName } from '@polygate/core';
import * as tf from '@tensorflow/tfjs';
import type { ConditionSize, DataDependentCondition, DescribedTokens, TokenRun } from './condition.ts';
import { checkNames } from './embedding-table.ts';
import type { ConditionContext, ConditionFactory } from './routing-key.ts';

/** What tells routers apart. */
type NameField = 'modality' | 'task';

/** [1, L, M, 1], 1 at the name of each position. */
const namesByPosition = (
  {
    name,
    reads,
    names,
  }: { readonly name: string; readonly reads: NameField; readonly names: readonly string[] },
  runs: readonly TokenRun[] | undefined,
): tf.Tensor4D => {
  if (!runs) {
    throw new ConfigError(
      `${name} condition: expected the runs of the tokens, which say their ${reads}, got none; pass runs with the tokens`,
      { fields: { condition: name } },
    );
  }
  const length = runs.reduce((sum, run) => sum + run.length, 0);
  const flags = new Float32Array(length * names.length);
  let at = 0;
  for (const run of runs) {
    const index = names.indexOf(run[reads]);
    if (index < 0) throw unknownName(`${reads} of the routers`, run[reads], names);
    for (const end = at + run.length; at < end; at += 1) flags[at * names.length + index] = 1;
  }
  return tf.tensor4d(flags, [1, length, names.length, 1]);
};

const tokenByName = (reads: NameField, names: readonly string[]): DataDependentCondition => {
  const name = `token-by-${reads}`;
  checkNames(name, reads, names);
  return Object.freeze({
    name,
    dataIndependent: false as const,
    reads: ['token', reads] as const,
    representationWidth: ({ width }: ConditionSize) => names.length * width,
    parameters: () => [],
    flops: ({ width, experts }: ConditionSize & { readonly experts: number }) => ({
      decision: 2 * experts * names.length * width,
    }),
    represent: (_parameters: readonly tf.Tensor[], { tokens, runs }: DescribedTokens) => {
      const [batch, length, width] = tokens.shape;
      const spread = tf.mul(tf.expandDims(tokens, 2), namesByPosition({ name, reads, names }, runs));
      return { tokens: tf.reshape(spread, [batch * length, names.length * width]) as tf.Tensor2D };
    },
  });
};

/** A router for each modality, by name. */
export const tokenByModalityFactory: ConditionFactory<DataDependentCondition> = Object.freeze({
  name: 'token-by-modality',
  summary: 'the token itself, by a router of its modality',
  create: ({ modalities }: ConditionContext) => tokenByName('modality', modalities),
});

/** A router for each task, by name. */
export const tokenByTaskFactory: ConditionFactory<DataDependentCondition> = Object.freeze({
  name: 'token-by-task',
  summary: 'the token itself, by a router of its task',
  create: ({ tasks }: ConditionContext) => tokenByName('task', tasks),
});
