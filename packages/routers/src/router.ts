/**
 * All routers of a model that share a data-independent condition, as one stack: the decisions of every site for every
 * distinct row of a call in one differentiable operation, computed on the host.
 *
 * S sites · R rows · E experts · D model width · W width of the representation
 */
import { ConfigError, type Random } from '@polygate/core';
import type { ParameterSet, ParameterSpec } from '@polygate/nn';
import * as tf from '@tensorflow/tfjs';
import type {
  ConditionSize,
  DataIndependentCondition,
  FixedCondition,
  LearnedCondition,
} from './condition.ts';
import type { GateDecision } from './decision.ts';
import { checkGateRule, gateRows, gateRowsGradient, type GateRule, type GateRows } from './gate-math.ts';
import { gateLogits, gateLogitsGradient, type GateSize } from './gate-product.ts';
import { addNoise } from './noise.ts';

/** A stack of routers before it has parameters. */
export interface RouterStack<Key> extends GateRule {
  readonly condition: DataIndependentCondition<Key>;
  /** Leading part of the parameters' names, e.g. `routers`. */
  readonly prefix: string;
  /** Number of routers S. */
  readonly sites: number;
  /** Model width D. */
  readonly width: number;
  /** Standard deviation of the training noise in units of 1 / E. @default 1 */
  readonly noise?: number;
}

/** A stack whose decisions are learned. */
interface LearnedStack<Key> extends RouterStack<Key> {
  readonly condition: LearnedCondition<Key>;
}

/** Settings of one call of {@link decide}. */
export interface DecideOptions {
  /** The set that holds the stack's parameters, borrowed. */
  readonly parameters: ParameterSet;
  /** Whether noise is added. @default false */
  readonly training?: boolean | undefined;
  /** Needed in training with noise: advanced by S * R * E normal draws. */
  readonly random?: Random | undefined;
}

const checkFixed = <Key>(
  { name, experts: needed }: FixedCondition<Key>,
  { experts, topK }: GateRule,
): void => {
  if (experts !== needed || topK !== 1) {
    throw new ConfigError(
      `${name} condition: expected ${needed} experts and topK 1 (one expert for each of its rows), got ${experts} experts and topK ${topK ?? 'unset'}; set experts to ${needed} and topK to 1`,
      { fields: { condition: name, experts, topK, needed } },
    );
  }
};

/**
 * Parameters of a stack: the condition's, then `PREFIX.gate.weight` [S, E, W]. None where decisions are fixed.
 * @throws ConfigError for an impossible gate rule or a stack without sites
 */
export const describeRouters = <Key>(stack: RouterStack<Key>): readonly ParameterSpec[] => {
  checkGateRule(stack);
  const { condition, prefix, sites, width, experts } = stack;
  if (!Number.isInteger(sites) || sites < 1) {
    throw new ConfigError(
      `routers: expected a whole number of sites of at least 1, got ${sites}; leave the stack out of a dense model`,
    );
  }
  if (condition.fixed) {
    checkFixed(condition, stack);
    return [];
  }
  const representationWidth = condition.representationWidth({ width, sites });
  return [
    ...condition.parameters({ width, sites }).map((spec) => ({ ...spec, name: `${prefix}.${spec.name}` })),
    {
      name: `${prefix}.gate.weight`,
      shape: [sites, experts, representationWidth],
      initializer: { kind: 'xavierUniform', fans: [representationWidth, experts] },
      role: 'gate',
    },
  ];
};

interface HostForward {
  readonly outcome: GateRows;
  backward(gradient: ArrayLike<number>): readonly Float32Array[];
}

const forward = <Key>(
  stack: LearnedStack<Key>,
  values: readonly Float32Array[],
  call: { readonly rows: readonly Key[]; readonly options: DecideOptions },
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
  const outcome = gateRows(logits, stack);
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
 * @throws ConfigError when rows are missing or noise has no random stream; ShapeError for a row of another condition
 */
export const decide = <Key>(
  stack: RouterStack<Key>,
  rows: readonly Key[],
  options: DecideOptions,
): readonly GateDecision[] => {
  if (rows.length === 0) {
    throw new ConfigError(
      'routers: expected at least one row to decide for, got none; pass the rows of the call',
    );
  }
  const { sites, experts, condition } = stack;
  if (condition.fixed) {
    checkFixed(condition, stack);
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
  const bySite = tf.tidy(() => tf.unstack(op(...variables), 0) as tf.Tensor2D[]);
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
