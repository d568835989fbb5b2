/**
 * One linear layer of experts with its router, for models of any kind: what to allocate, and the forward.
 *
 *   y = act(sum_e g_e(x) (W_e x + b_e)), g of the condition's router
 *
 * B batch · L tokens · I inputs · O outputs · E experts · K chosen
 *
 * The parameters are `NAME.router.*` (a stack of one site) and `NAME.experts.E.{weight [O, I], bias [O]}`; they may stand
 * in one set with those of the rest of a model.
 */
import { ConfigError, ShapeError, type Random } from '@polygate/core';
import type { ParameterSet, ParameterSpec } from '@polygate/nn';
import { conditionalLinear, dispatchedLinear, type LinearExpert, type SegmentSpan } from '@polygate/tensor';
import * as tf from '@tensorflow/tfjs';
import { weightedRouterLoss } from './auxiliary-losses.ts';
import type { CapacityFactor } from './capacity.ts';
import type { Condition } from './condition.ts';
import { createCondition } from './condition-registry.ts';
import type { GateRule } from './gate-math.ts';
import { routeRows } from './router.ts';
import { describeRouters, type AnyRouterStack } from './router-stack.ts';
import type { RoutingKey } from './routing-key.ts';
import { countRows, countTokens, type RoutingCounts } from './telemetry.ts';
import { routeTokens, unstackRouters } from './token-router.ts';

/** Settings of {@link moeLinear}. */
export interface MoeLinearConfig extends Partial<GateRule> {
  /** Extent I of the last axis of the input, which is also what the router looks at. */
  readonly inputs: number;
  /** Extent O of the last axis of the output. */
  readonly outputs: number;
  /** Number of experts E. @default 8; those of a condition with given decisions */
  readonly experts?: number;
  /** What the router looks at: a condition, or the name of one that needs no names of tasks. @default 'token' */
  readonly condition?: string | Condition<RoutingKey>;
  /** Leading part of the parameters' names. @default 'moe' */
  readonly name?: string;
  /** Applied to the output; `gelu` is the exact form. @default 'none' */
  readonly activation?: 'none' | 'gelu';
  /** Standard deviation of the training noise in units of 1 / E. @default 1 */
  readonly noise?: number;
  /** Conditions on tokens: slots of an expert in units of an even load. @default 1 in training, 2 otherwise */
  readonly capacityFactor?: CapacityFactor;
  /** Conditions on tokens: whether the likeliest choices get their slots first. @default false */
  readonly batchPriority?: boolean;
  /** Conditions on tokens: factor of the balance loss in `loss`. @default 0.01 */
  readonly balanceLoss?: number;
  /** Conditions on tokens: factor of the z-loss in `loss`. @default 1e-3 */
  readonly zLoss?: number;
}

/** Settings of one forward. Everything is borrowed. */
export interface MoeLinearCall {
  /** A set that holds the layer's parameters. */
  readonly parameters: ParameterSet;
  /** Whether noise is added and slots are those of training. @default false */
  readonly training?: boolean | undefined;
  /** Needed in training with noise; advanced. */
  readonly random?: Random | undefined;
  /** Conditions on tokens: [B, L] float32, 0 at padding. @default all count */
  readonly visible?: tf.Tensor2D;
  /** Other conditions need them: the distinct rows to decide for. */
  readonly rows?: readonly RoutingKey[];
  /** Which tokens go by which row, over axis 1 in order. @default all by the only row */
  readonly segments?: readonly SegmentSpan[];
}

/** The outcome of a forward. Tensors belong to the enclosing tidy. */
export interface MoeLinearResult {
  /** As the input, with O in place of I. */
  readonly output: tf.Tensor;
  /** Scalar: balance and z-loss with their factors, to be added to the model's loss; 0 for conditions on rows. */
  readonly loss: tf.Scalar;
  /** Sums for telemetry, within the enclosing tidy. */
  counts(): RoutingCounts;
}

/** A layer without parameters of its own. */
export interface MoeLinear {
  /** What its router looks at. */
  readonly condition: Condition<RoutingKey>;
  /** What to allocate. */
  readonly specs: readonly ParameterSpec[];
  /**
   * @param x float32 [B, L, I], or [N, I] for N tokens of one sequence each (conditions on tokens) or of one sequence
   * @throws ShapeError for another input; ConfigError when rows or a random stream are missing
   */
  apply(x: tf.Tensor, call: MoeLinearCall): MoeLinearResult;
}

const conditionOf = (given: string | Condition<RoutingKey>): Condition<RoutingKey> =>
  typeof given === 'string' ? createCondition(given, { modalities: ['visual', 'text'], tasks: [] }) : given;

const checkExtent = (name: string, value: number): void => {
  if (!Number.isInteger(value) || value < 1)
    throw new ConfigError(`moeLinear: expected ${name} of at least 1, got ${value}; give a whole number`, {
      fields: { [name]: value },
    });
};

const checkInput = (x: tf.Tensor, inputs: number): void => {
  if ((x.rank !== 2 && x.rank !== 3) || x.shape.at(-1) !== inputs)
    throw new ShapeError(
      `moeLinear: expected an input of shape [B, L, ${inputs}] or [N, ${inputs}], got [${x.shape.join(', ')}]; reshape it`,
      { fields: { expected: inputs, got: x.shape } },
    );
};

/**
 * A linear layer of experts.
 * @throws ConfigError for extents below 1, an impossible choice of experts, or an unknown condition
 */
export const moeLinear = (config: MoeLinearConfig): MoeLinear => {
  const { inputs, outputs, name = 'moe', activation = 'none' } = config;
  checkExtent('inputs', inputs);
  checkExtent('outputs', outputs);
  const condition = conditionOf(config.condition ?? 'token');
  const fixed = condition.dataIndependent && condition.fixed === true ? condition.experts : undefined;
  const experts = config.experts ?? fixed ?? 8;
  const stack: AnyRouterStack<RoutingKey> = {
    condition,
    prefix: `${name}.router`,
    sites: 1,
    width: inputs,
    experts,
    topK: config.topK ?? (fixed === undefined ? Math.min(2, experts) : 1),
    ...(config.renormalize === undefined ? {} : { renormalize: config.renormalize }),
    ...(config.noise === undefined ? {} : { noise: config.noise }),
  };
  const paths = Array.from({ length: experts }, (_, e) => `${name}.experts.${e}`);
  const specs: readonly ParameterSpec[] = [
    ...describeRouters(stack),
    ...paths.flatMap((path): ParameterSpec[] => [
      {
        name: `${path}.weight`,
        shape: [outputs, inputs],
        initializer: { kind: 'xavierUniform' },
        role: 'weight',
      },
      { name: `${path}.bias`, shape: [outputs], initializer: { kind: 'zeros' }, role: 'bias' },
    ]),
  ];
  const expertsOf = (parameters: ParameterSet): readonly LinearExpert[] =>
    paths.map((path) => ({
      weight: parameters.get(`${path}.weight`) as unknown as tf.Tensor2D,
      bias: parameters.get(`${path}.bias`) as unknown as tf.Tensor1D,
    }));
  const { capacityFactor, batchPriority = false, balanceLoss = 0.01, zLoss = 1e-3 } = config;

  const byToken = (
    x: tf.Tensor,
    { parameters, training, random, visible }: MoeLinearCall,
  ): MoeLinearResult => {
    const tokens = (x.rank === 3 ? x : tf.expandDims(x, 1)) as tf.Tensor3D;
    const context = { site: 0, tokens, ...(visible ? { visible } : {}) };
    const decision = routeTokens(stack, context, {
      parameters: unstackRouters(stack, parameters),
      training,
      random,
      batchPriority,
      ...(capacityFactor === undefined ? {} : { capacityFactor }),
    });
    const { gates, plan } = decision;
    const options = { gates, plan, experts: expertsOf(parameters), activation };
    return {
      output: tf.reshape(dispatchedLinear(decision.tokens, options), [...x.shape.slice(0, -1), outputs]),
      loss: weightedRouterLoss([decision.loss], { balance: balanceLoss, z: zLoss }),
      counts: () => countTokens(decision)[0] as RoutingCounts,
    };
  };

  const byRow = (x: tf.Tensor, call: MoeLinearCall): MoeLinearResult => {
    const { parameters, training, random, rows = [] } = call;
    const tokens = (x.rank === 3 ? x : tf.expandDims(x, 0)) as tf.Tensor3D;
    const length = tokens.shape[1];
    if (rows.length === 0 || (rows.length > 1 && !call.segments)) {
      throw new ConfigError(
        `moeLinear: expected the rows that condition "${condition.name}" decides for${rows.length > 1 ? ' and the segments that go by them' : ''}, got ${rows.length} rows; pass rows, and segments where there is more than one`,
        { fields: { condition: condition.name, rows: rows.length } },
      );
    }
    const segments = call.segments ?? [{ row: 0, start: 0, length }];
    const decision = routeRows(stack, rows, { parameters, training, random })[0];
    if (!decision) throw new ConfigError('moeLinear: expected a decision of its router');
    const { gates, chosen } = decision;
    const options = { gates, chosen, experts: expertsOf(parameters), segments, activation };
    const served = rows.map((_, row) =>
      segments.reduce((sum, span) => sum + (span.row === row ? span.length * tokens.shape[0] : 0), 0),
    );
    return {
      output: tf.reshape(conditionalLinear(tokens, options), [...x.shape.slice(0, -1), outputs]),
      loss: tf.scalar(0),
      counts: () => countRows(decision, { tokens: served })[0] as RoutingCounts,
    };
  };

  return Object.freeze({
    condition,
    specs,
    apply: (x: tf.Tensor, call: MoeLinearCall) => {
      checkInput(x, inputs);
      return condition.dataIndependent ? byRow(x, call) : byToken(x, call);
    },
  });
};
