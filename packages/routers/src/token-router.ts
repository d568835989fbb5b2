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
import {
  bringsTokenChoice,
  decidedGates,
  engineTokenChoice,
  exactLinear,
  routerLogits,
  type DispatchPlan,
  type EngineTokenChoice,
} from '@polygate/tensor';
import * as tf from '@tensorflow/tfjs';
import {
  computeLosses,
  furtherLosses,
  lossPair,
  lossValues,
  routerLosses,
  type RouterLoss,
  type RouterLosses,
} from './auxiliary-losses.ts';
import {
  BATCH_ORDER,
  capacityOf,
  drawSlotOrder,
  giveSlots,
  type CapacityOptions,
  type SlotOrder,
  type Slots,
} from './capacity.ts';
import type { DescribedTokens, TokenContext, TokenRun } from './condition.ts';
import { checkTopK, DEFAULT_TOP_K, logitsNotFinite, renormalizes, type GateRule } from './gate-math.ts';
import { noiseStream, tokenNoise } from './noise.ts';
import {
  describeRouters,
  stackOfTokens,
  type AnyRouterStack,
  type TokenRouterStack,
} from './router-stack.ts';
import { entriesOf } from './stacked-tensors.ts';
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
   * Experts that the tokens choose: one number, or one for each position of a sequence, [L]. Different ones are chosen on
   * the host. @default the stack's topK
   */
  readonly topK?: number | readonly number[] | undefined;
  /** Names of the auxiliary losses that are wanted beside balance and z, which are always there. @default none */
  readonly losses?: readonly string[] | undefined;
  /** What is said of the tokens, for conditions that read their modality or task. @default not known */
  readonly runs?: readonly TokenRun[] | undefined;
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

interface Outcome {
  readonly choices: TokenChoices;
  readonly slots: Slots;
  readonly gates: tf.Tensor2D;
  /** What the gradients need, where an engine decided. */
  readonly engine?: EngineTokenChoice;
  /** [N, E] each, where the host decided. */
  readonly logits?: { readonly clean: Float32Array; readonly noisy: Float32Array };
}

interface DecisionRule extends GateRule, Required<CapacityOptions> {
  readonly topK: number;
  readonly training: boolean;
  readonly noise: number | undefined;
  readonly random: Random | undefined;
  /** B samples of the call, for their noise. */
  readonly samples: number;
  readonly topKs: readonly number[] | undefined;
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
): Outcome => {
  const clean = logits.dataSync<'float32'>();
  const noisyLogits = tokenNoise(clean, experts, noisy);
  const flags = { visible: visible?.dataSync<'float32'>(), topKs };
  const choices = chooseExperts(noisyLogits, { experts, topK, renormalize }, flags);
  const slots = giveSlots(choices, { capacityFactor, batchPriority, order });
  const gates = tf.tensor2d(gateValues(choices, slots.kept), logits.shape);
  return { choices, slots, gates, logits: { clean, noisy: noisyLogits } };
};

/** Host values of a tensor, read when somebody looks: only telemetry does. */
const onDemand = <T>(tensor: tf.Tensor): (() => T) => {
  let values: T | undefined;
  return () => (values ??= tensor.dataSync() as unknown as T);
};

/** The gates of a decision of the host, on the tape of its logits. */
const hostGates = (
  logits: tf.Tensor2D,
  { choices, slots, gates }: Outcome,
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

/** Counts of masks that were looked at: all routers of a forward have the same one. */
const counts = new WeakMap<tf.Tensor, number>();

/** Tokens that are not padding. */
const countVisible = (visible: tf.Tensor | undefined, tokens: number): number => {
  if (!visible) return tokens;
  const earlier = counts.get(visible);
  if (earlier !== undefined) return earlier;
  const count = visible.dataSync<'float32'>().reduce((sum, value) => sum + (value === 0 ? 0 : 1), 0);
  counts.set(visible, count);
  return count;
};

/** Refuses a decision on logits of which some row has no softmax, as the host does. */
const checkLogits = (
  { squares, logSums }: EngineTokenChoice,
  logits: tf.Tensor2D,
  visible: tf.Tensor | undefined,
): void => {
  if (Number.isFinite(squares)) return;
  const [, experts] = logits.shape;
  const flags = visible?.dataSync();
  const sums = logSums.dataSync();
  const token = sums.findIndex((sum, at) => !Number.isFinite(sum) && flags?.[at] !== 0);
  if (token < 0) return;
  const row = logits.dataSync<'float32'>().subarray(token * experts, (token + 1) * experts);
  throw logitsNotFinite('token', token, row);
};

/** The same in one call of an engine that brings kernels for it. */
const routeOnEngine = (
  logits: tf.Tensor2D,
  visible: tf.Tensor | undefined,
  { experts, topK, topKs, renormalize, capacityFactor, batchPriority, order, ...noisy }: DecisionRule,
): Outcome | undefined => {
  if (batchPriority || topKs || !bringsTokenChoice()) return undefined;
  const counted = countVisible(visible, logits.shape[0]);
  const capacity = capacityOf(capacityFactor, { tokens: counted, experts, topK });
  // In the engine's own product this factor is half a slot off every whole number, so that it can't round to another.
  const factor =
    capacityFactor === 'dropless' || counted === 0
      ? 'dropless'
      : ((capacity - 0.5) * experts) / (topK * counted);
  const stream = noiseStream(experts, noisy);
  const divided = renormalizes(renormalize, topK);
  const rule = { topK, renormalize: divided, capacityFactor: factor, order, ...stream } as const;
  const choice = engineTokenChoice(logits, visible, rule);
  checkLogits(choice, logits, visible);
  const { wanted, slots } = choice;
  const choices = counted * topK;
  const starts = new Int32Array(experts + 1);
  wanted.forEach((count, e) => (starts[e + 1] = (starts[e] as number) + Math.min(count, capacity)));
  const probabilities = onDemand<Float32Array>(choice.probabilities);
  const logSums = onDemand<Float32Array>(choice.logSums);
  const ids = onDemand<Int32Array>(choice.ids);
  const weights = onDemand<Float32Array>(choice.weights);
  const kept = onDemand<Uint8Array>(choice.kept);
  const tokens = onDemand<Int32Array>(slots);
  return {
    engine: choice,
    gates: choice.gates,
    choices: {
      experts,
      topK,
      counted,
      total: choices,
      importance: Float64Array.from(choice.importance),
      get probabilities() {
        return probabilities();
      },
      get logSums() {
        return logSums();
      },
      get ids() {
        return ids();
      },
      get weights() {
        return weights();
      },
    },
    slots: {
      plan: {
        starts,
        slots,
        get tokens() {
          return tokens();
        },
      },
      wanted,
      dropped: choices - slots.size,
      get kept() {
        return kept();
      },
    },
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
  const { training = false, random, batchPriority = false } = options;
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
  // Losses of other kinds than the engine's two need the logits on the host.
  const outcome =
    (further.length === 0 ? routeOnEngine(logits, context.visible, rule) : undefined) ??
    routeOnHost(logits, context.visible, rule);
  const { choices, slots, engine, logits: onHost } = outcome;
  const values = lossValues(choices, slots.wanted, engine?.squares);
  const { balance, z, shares } = values;
  const { counted } = choices;
  const { gates, losses: pair } = engine
    ? decidedGates(logits, engine, {
        renormalize: renormalizes(renormalize, topK),
        losses: [balance, z],
        shares,
        counted,
      })
    : { gates: hostGates(logits, outcome, renormalize), losses: lossPair(logits, choices, values) };
  const others = onHost
    ? computeLosses(further, logits, {
        ...onHost,
        choices,
        renormalize,
        noise: training ? (noise ?? 1) / experts : 0,
      })
    : { values: {} };
  const loss = { values: { balance, z, ...others.values }, pair, others: others.tensor };
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
