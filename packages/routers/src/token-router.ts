/**
 * Routing on token content: every token has a decision of its own, and experts have slots
 * (Uni-Perceiver-MoE, Eq. 3, 5 and 6; sparse mixture of experts).
 *
 *   z[n] = W_g R(x[n]) + noise,  p = softmax(z),  g[n, e] = p[n, e] (/ sum of the kept p) at the K largest, else 0
 *
 * Logits are a float32 product of the engine, in every precision; softmax, choice and slots are computed from them in
 * double precision, on the host or by an engine that brings kernels for it.
 *
 * B batch · L length · N = B L tokens · E experts · K chosen · D width · S sites
 */
import { ConfigError, type Random } from '@polygate/core';
import type { ParameterSet } from '@polygate/nn';
import { exactLinear, routerLogits, type DispatchPlan } from '@polygate/tensor';
import * as tf from '@tensorflow/tfjs';
import type { AuxiliaryLoss } from './auxiliary-loss.ts';
import {
  furtherLosses,
  hostLosses,
  lossValues,
  routerLosses,
  type RouterLoss,
  type RouterLosses,
} from './auxiliary-losses.ts';
import {
  BATCH_ORDER,
  drawSlotOrder,
  giveSlots,
  type CapacityOptions,
  type SlotOrder,
  type Slots,
} from './capacity.ts';
import type { DescribedTokens, TokenContext, TokenRun } from './condition.ts';
import { engineDecision, routeOnEngine, type DecisionRule } from './engine-decision.ts';
import { checkTopK, DEFAULT_TOP_K } from './gate-math.ts';
import { tokenNoise } from './noise.ts';
import {
  describeRouters,
  stackOfTokens,
  type AnyRouterStack,
  type TokenRouterStack,
} from './router-stack.ts';
import { entriesOf } from './stacked-tensors.ts';
import { countWhole, partLoss, shareOf, type WholeBatch } from './whole-batch.ts';
import { choiceGradient, chooseExperts, type TokenChoices } from './token-choice.ts';

/** Parameters of a stack by site, in the order of `describeRouters`: see {@link unstackRouters}. */
export type SiteParameters = readonly (readonly tf.Tensor[])[];

/** Settings of one call of {@link routeTokens}. */
export interface RouteTokensOptions {
  /** Made by {@link unstackRouters}; borrowed. */
  readonly parameters: SiteParameters;
  /** Whether noise is added. @default false */
  readonly training?: boolean | undefined;
  /**
   * Needed in training with noise. In training with a limit on slots and without batch priority it also draws the order
   * in which tokens get them. Advanced.
   */
  readonly random?: Random | undefined;
  /** @default 1 in training, 2 otherwise */
  readonly capacityFactor?: CapacityOptions['capacityFactor'];
  /** Whether the likeliest choices get their slots first. @default false */
  readonly batchPriority?: boolean;
  /**
   * Experts that the tokens choose: one number, or one for each position of a sequence, [L].
   * @default the stack's topK
   */
  readonly topK?: number | readonly number[] | undefined;
  /** Names of the auxiliary losses that are wanted beside balance and z, which are always there. @default none */
  readonly losses?: readonly string[] | undefined;
  /** What is said of the tokens, for conditions that read their modality or task. @default not known */
  readonly runs?: readonly TokenRun[] | undefined;
  /** What the tokens are a part of, where several processes compute a batch: for the losses. @default they are all */
  readonly whole?: WholeBatch | undefined;
}

/** Slots by expert, as dispatchedLinear takes them, and what became of the choices. */
export interface TokenPlan extends DispatchPlan {
  /** Choices without a slot. */
  readonly dropped: number;
  /** Tokens that are not padding. */
  readonly counted: number;
}

/** Experts and weights of every token at one site. Tensors belong to the enclosing tidy. */
export interface TokenDecision {
  /** [N, E] float32, differentiable; 0 at experts that were not chosen or had no slot left, and at padding. */
  readonly gates: tf.Tensor2D;
  /**
   * [B, L, D] the context's tokens, for the layer that is decided for: where it takes these, the gradient of the router
   * needs no sum of its own.
   */
  readonly tokens: tf.Tensor3D;
  readonly plan: TokenPlan;
  /** Auxiliary losses by name. Made when looked at, which must be on the tape of the decision. */
  readonly losses: RouterLosses;
  /** The same as numbers, and for {@link weightedRouterLoss}. */
  readonly loss: RouterLoss;
  /** What was chosen, as host values; for telemetry. An engine's are read when looked at: within the enclosing tidy. */
  readonly choices: TokenChoices;
  /** [N, K] 1 at choices that got a slot; as `choices`. */
  readonly kept: Uint8Array;
}

/**
 * Takes the stacked parameters of all routers apart, once per forward: call it inside the tidy and the tape of the
 * forward and hand the result to every {@link routeTokens} of it.
 */
export const unstackRouters = <Key>(stack: AnyRouterStack<Key>, parameters: ParameterSet): SiteParameters => {
  const columns = describeRouters(stack).map(({ name }) => entriesOf(parameters.get(name)));
  return Array.from({ length: stack.sites }, (_, site) => columns.map((column) => column[site] as tf.Tensor));
};

/** z = W_g concat(tokens, samples), [N, E]; the samples' part is computed once for each and repeated. */
const gateLogits = (
  stack: TokenRouterStack,
  context: DescribedTokens,
  ofSite: readonly tf.Tensor[],
): { readonly logits: tf.Tensor2D; readonly tokens: tf.Tensor3D } => {
  const { condition, width, sites, experts } = stack;
  const weight = ofSite.at(-1) as tf.Tensor2D;
  const [batch, length] = context.tokens.shape;
  const { tokens, samples } = condition.represent(ofSite.slice(0, -1), context, { width, sites });
  if (!tokens && !samples) return { logits: tf.zeros([batch * length, experts]), tokens: context.tokens };
  const split = tokens?.shape.at(-1) ?? 0;
  const columns = (from: number, to: number): tf.Tensor2D =>
    from === 0 && to === weight.shape[1] ? weight : tf.slice(weight, [0, from], [experts, to - from]);
  const beside = tokens === context.tokens ? routerLogits(tokens, columns(0, split)) : undefined;
  const byToken =
    beside?.logits ?? (tokens ? exactLinear(tf.reshape(tokens, [-1, split]), columns(0, split)) : undefined);
  const routed = (beside?.tokens ?? context.tokens) as tf.Tensor3D;
  if (!samples) return { logits: byToken as tf.Tensor2D, tokens: routed };
  const bySample = tf.expandDims(exactLinear(samples, columns(split, split + samples.shape[1])), 1);
  const shape: [number, number, number] = [batch, length, experts];
  const sum = byToken ? tf.add(tf.reshape(byToken, shape), bySample) : tf.broadcastTo(bySample, shape);
  return { logits: tf.reshape(sum, [batch * length, experts]), tokens: routed };
};

/** What the host decided. */
interface HostOutcome {
  readonly choices: TokenChoices;
  readonly slots: Slots;
  readonly gates: tf.Tensor2D;
  /** [N, E] each. */
  readonly logits: { readonly clean: Float32Array; readonly noisy: Float32Array };
}

const gateValues = (choices: TokenChoices, kept: Uint8Array): Float32Array => {
  const { experts, topK, ids, weights, probabilities } = choices;
  const gates = new Float32Array(probabilities.length);
  for (let at = 0, choice = 0; choice < ids.length; at += experts) {
    for (let k = 0; k < topK; k += 1, choice += 1) {
      if (kept[choice] !== 0) gates[at + (ids[choice] as number)] = weights[choice] as number;
    }
  }
  return gates;
};

const routeOnHost = (
  logits: tf.Tensor2D,
  visible: tf.Tensor | undefined,
  { experts, topK, topKs, renormalize, capacityFactor, batchPriority, order, ...noisy }: DecisionRule,
): HostOutcome => {
  const clean = logits.dataSync<'float32'>();
  const noisyLogits = tokenNoise(clean, experts, noisy);
  const flags = { visible: visible?.dataSync<'float32'>(), topKs };
  const choices = chooseExperts(noisyLogits, { experts, topK, renormalize }, flags);
  const slots = giveSlots(choices, { capacityFactor, batchPriority, order });
  const gates = tf.tensor2d(gateValues(choices, slots.kept), logits.shape);
  return { choices, slots, gates, logits: { clean, noisy: noisyLogits } };
};

/** The gates of a decision of the host, on the tape of its logits. */
const hostGates = (
  logits: tf.Tensor2D,
  { choices, slots, gates }: HostOutcome,
  renormalize: boolean | undefined,
): tf.Tensor2D => {
  const op = tf.customGrad((...inputs: (tf.Tensor | tf.GradSaveFunc)[]) => {
    const [{ shape }] = inputs as [tf.Tensor];
    const gradFunc = (dy: tf.Tensor): tf.Tensor => {
      const { kept } = slots;
      const gradient = choiceGradient(dy.dataSync<'float32'>(), choices, { renormalize, kept });
      return tf.tensor(gradient, shape, 'float32');
    };
    return { value: gates.clone(), gradFunc };
  });
  return op(logits) as tf.Tensor2D;
};

/** Gates and losses of a decision of the host. */
const hostDecision = (
  logits: tf.Tensor2D,
  outcome: HostOutcome,
  {
    further,
    renormalize,
    noise,
    whole,
  }: {
    readonly further: readonly AuxiliaryLoss[];
    readonly renormalize?: boolean | undefined;
    readonly noise: number;
    readonly whole: WholeBatch | undefined;
  },
): { readonly gates: tf.Tensor2D; readonly loss: RouterLoss } => {
  const { choices, slots, logits: onHost } = outcome;
  const counts = countWhole(slots.wanted, choices, whole);
  const values = lossValues(choices, counts);
  const input = { ...onHost, choices, renormalize, noise, whole };
  const others = further.map((record) => {
    const { value, gradient } = record.evaluate(input);
    return { name: record.name, value: shareOf(record, value, whole), gradient };
  });
  const named = Object.fromEntries(others.map(({ name, value }) => [name, value]));
  return {
    gates: hostGates(logits, outcome, renormalize),
    loss: partLoss(
      {
        values: { balance: values.balance, z: values.z, ...named },
        tensor: hostLosses(logits, { choices, values, further: others }),
      },
      further,
      { whole, density: counts.density },
    ),
  };
};

const slotOrder = (
  tokens: number,
  { training, random, capacityFactor, batchPriority }: RouteTokensOptions,
): SlotOrder =>
  training && random && capacityFactor !== 'dropless' && !batchPriority
    ? drawSlotOrder(tokens, random)
    : BATCH_ORDER;

/**
 * Decides for every token of a batch at one site. Call it inside a tidy, and let that tidy return what you need of the
 * decision, not all of it: tfjs looks for tensors in every element of what a tidy returns.
 * @returns gates and losses on the tape, the plan and the choices as host values
 * @throws ConfigError when noise has no random stream, the capacity is below one token or the condition decides for rows; StateError (code
 * `logits-not-finite`) for a token whose logits have no softmax
 */
export const routeTokens = <Key>(
  routers: AnyRouterStack<Key>,
  context: TokenContext,
  options: RouteTokensOptions,
): TokenDecision => {
  const stack = stackOfTokens(routers);
  const { experts, noise } = stack;
  const given = options.topK ?? stack.topK ?? DEFAULT_TOP_K;
  const topKs = typeof given === 'number' ? undefined : given;
  const topK = typeof given === 'number' ? given : Math.max(...given);
  for (const count of topKs ?? [topK]) checkTopK(count, experts);
  const { renormalize } = stack;
  const { training = false, random, batchPriority = false, whole } = options;
  const { capacityFactor = training ? 1 : 2 } = options;
  const ofSite = options.parameters[context.site];
  if (!ofSite) {
    throw new ConfigError(
      `routeTokens: expected a site below ${options.parameters.length}, got ${context.site}; give the index of one of the stack's routers`,
      { fields: { site: context.site, sites: options.parameters.length } },
    );
  }
  const { logits, tokens } = gateLogits(stack, { ...context, runs: options.runs }, ofSite);
  const order = slotOrder(logits.shape[0], options);
  const rule = {
    experts,
    topK,
    renormalize,
    capacityFactor,
    batchPriority,
    order,
    training,
    noise,
    random,
    samples: context.tokens.shape[0],
    topKs,
  };
  const further = furtherLosses(options.losses ?? []);
  const outcome =
    routeOnEngine(logits, context.visible, { ...rule, further }) ??
    routeOnHost(logits, context.visible, rule);
  const { choices, slots } = outcome;
  const { gates, loss } =
    'engine' in outcome
      ? engineDecision(logits, outcome, { further, renormalize, whole })
      : hostDecision(logits, outcome, {
          ...{ further, renormalize, whole },
          noise: training ? (noise ?? 1) / experts : 0,
        });
  return {
    gates,
    tokens,
    plan: Object.assign(slots.plan, { dropped: slots.dropped, counted: choices.counted }),
    loss,
    get losses() {
      return routerLosses(loss);
    },
    choices,
    get kept() {
      return slots.kept;
    },
  };
};
