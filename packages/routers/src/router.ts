/**
 * All routers of a model that share a data-independent condition, as one stack: the decisions of every site for every
 * distinct row of a call in one differentiable operation, computed on the host.
 *
 * S sites · R rows · E experts · D model width · W width of the representation
 */
import { ConfigError, type Random } from '@polygate/core';
import type { ParameterSet } from '@polygate/nn';
import * as tf from '@tensorflow/tfjs';
import type { ConditionSize, FixedCondition, LearnedCondition } from './condition.ts';
import type { GateDecision } from './decision.ts';
import { checkTopK, gateRows, gateRowsGradient, type GateRows } from './gate-math.ts';
import { gateLogits, gateLogitsGradient, type GateSize } from './gate-product.ts';
import { addNoise } from './noise.ts';
import {
  checkFixedStack,
  describeRouters,
  stackOfRows,
  type AnyRouterStack,
  type RouterStack,
} from './router-stack.ts';
import { entriesOf } from './stacked-tensors.ts';

/** A stack whose decisions are learned. */
interface LearnedStack<Key> extends RouterStack<Key> {
  readonly condition: LearnedCondition<Key>;
}

/** Settings of one call of {@link routeRows}. */
export interface RouteRowsOptions {
  /** The set that holds the stack's parameters, borrowed. */
  readonly parameters: ParameterSet;
  /** Whether noise is added. @default false */
  readonly training?: boolean | undefined;
  /** Needed in training with noise: advanced by S * R * E normal draws. */
  readonly random?: Random | undefined;
  /** Experts that each row chooses. @default the stack's topK for all */
  readonly topK?: readonly number[] | undefined;
}

interface HostForward {
  readonly outcome: GateRows;
  backward(gradient: ArrayLike<number>): readonly Float32Array[];
}

const forward = <Key>(
  stack: LearnedStack<Key>,
  values: readonly Float32Array[],
  call: { readonly rows: readonly Key[]; readonly options: RouteRowsOptions },
): HostForward => {
  const { condition, sites, width, experts, noise } = stack;
  const { training, random } = call.options;
  const size: ConditionSize = { width, sites };
  const weight = values.at(-1) ?? new Float32Array();
  const representation = condition.represent(values.slice(0, -1), call.rows, size);
  const gateSize: GateSize = {
    sites,
    rows: call.rows.length,
    width: condition.representationWidth(size),
    experts,
  };
  const logits = gateLogits(representation.values, weight, gateSize);
  addNoise(logits, experts, { training, noise, random });
  const outcome = gateRows(logits, stack, call.options.topK);
  return {
    outcome,
    backward: (gradient) => {
      const toLogits = gateRowsGradient(gradient, outcome, stack);
      const factors = { features: representation.values, weight };
      const { toFeatures, toWeight } = gateLogitsGradient(toLogits, factors, gateSize);
      return [...representation.backward(toFeatures), toWeight];
    },
  };
};

/** The same given decision at every site. */
const fixedDecisions = <Key>(
  { condition, sites, experts }: { condition: FixedCondition<Key>; sites: number; experts: number },
  rows: readonly Key[],
): readonly GateDecision[] => {
  const chosen = rows.map((row) => [condition.expertOf(row)]);
  const values = new Float32Array(rows.length * experts);
  for (const [row, [expert = 0]] of chosen.entries()) values[row * experts + expert] = 1;
  return Array.from({ length: sites }, () => ({
    gates: tf.tensor2d(values.slice(), [rows.length, experts]),
    chosen,
    probabilities: values,
    values,
    experts,
  }));
};

/**
 * Decisions of all sites for `rows`: one tape node for the whole stack and one that takes it apart.
 * Call it inside a tidy: the gates belong to the enclosing scope.
 * @param rows distinct rows, at least one
 * @returns S decisions, each over the R rows in their order
 * @throws ConfigError when rows are missing, noise has no random stream or the condition looks at tokens; ShapeError for a row of another condition
 */
export const routeRows = <Key>(
  given: AnyRouterStack<Key>,
  rows: readonly Key[],
  options: RouteRowsOptions,
): readonly GateDecision[] => {
  const stack = stackOfRows(given);
  if (rows.length === 0) {
    throw new ConfigError(
      'routers: expected at least one row to decide for, got none; pass the rows of the call',
    );
  }
  const { sites, experts, condition } = stack;
  for (const topK of options.topK ?? []) checkTopK(topK, experts);
  if (condition.fixed) {
    checkFixedStack(condition, stack);
    return fixedDecisions({ condition, sites, experts }, rows);
  }
  const learned: LearnedStack<Key> = { ...stack, condition };
  const variables = describeRouters(stack).map(({ name }) => options.parameters.get(name));
  const state: { outcome?: GateRows } = {};
  const op = tf.customGrad((...inputs: (tf.Tensor | tf.GradSaveFunc)[]) => {
    const tensors = inputs.slice(0, variables.length) as tf.Tensor[];
    // Copies: an engine may hand out a view of memory that the optimizer updates in place before the gradient runs.
    const values = tensors.map((tensor) => tensor.dataSync<'float32'>().slice());
    const { outcome, backward } = forward(learned, values, { rows, options });
    state.outcome = outcome;
    const gradFunc = (dy: tf.Tensor): tf.Tensor[] =>
      backward(dy.dataSync<'float32'>()).map((values, i) =>
        tf.tensor(values, tensors[i]?.shape ?? [], 'float32'),
      );
    const value = tf.tensor(Float32Array.from(outcome.gates), [sites, rows.length, experts], 'float32');
    return { value, gradFunc };
  });
  const bySite = tf.tidy(() => entriesOf(op(...variables)) as tf.Tensor2D[]);
  const { outcome } = state as { outcome: GateRows };
  const probabilities = Float32Array.from(outcome.probabilities);
  const values = Float32Array.from(outcome.gates);
  const span = rows.length * experts;
  return bySite.map((gates, site) => ({
    gates,
    chosen: outcome.chosen.slice(site * rows.length, (site + 1) * rows.length),
    probabilities: probabilities.subarray(site * span, (site + 1) * span),
    values: values.subarray(site * span, (site + 1) * span),
    experts,
  }));
};
