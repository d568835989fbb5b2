/**
 * Decisions of a router of tokens by an engine that brings kernels for them: choices, gates, slots and losses in one call,
 * their gradient in another. Twin: what token-router.ts does on the host, which also says what is computed.
 *
 * N tokens · E experts · K most chosen of one
 */
import type { Random } from '@polygate/core';
import { bringsTokenChoice, decidedGates, engineTokenChoice, type EngineTokenChoice } from '@polygate/tensor';
import type * as tf from '@tensorflow/tfjs';
import type { AuxiliaryLoss, LossOfSums } from './auxiliary-loss.ts';
import { lossValues, type RouterLoss } from './auxiliary-losses.ts';
import { capacityOf, type CapacityOptions, type Slots } from './capacity.ts';
import { divideFrom, logitsNotFinite, type GateRule } from './gate-math.ts';
import { noiseStream } from './noise.ts';
import type { TokenChoices } from './token-choice.ts';
import { countWhole, partLoss, shareOf, type WholeBatch } from './whole-batch.ts';

/** How a call decides. */
export interface DecisionRule extends GateRule, Required<CapacityOptions> {
  /** Most experts that a token chooses. */
  readonly topK: number;
  /** [T] those of the token at each position of a sequence. @default topK for all */
  readonly topKs: readonly number[] | undefined;
  readonly training: boolean;
  readonly noise: number | undefined;
  readonly random: Random | undefined;
  /** B samples of the call, for their noise. */
  readonly samples: number;
}

/** What an engine decided. */
export interface EngineOutcome {
  /** Read from the engine when somebody looks, which only telemetry does. */
  readonly choices: TokenChoices;
  readonly slots: Slots;
  readonly engine: EngineTokenChoice;
}

/** Host values of a tensor, read when somebody looks. */
const onDemand = <T>(tensor: tf.Tensor): (() => T) => {
  let values: T | undefined;
  return () => (values ??= tensor.dataSync() as unknown as T);
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

/** Slots of an expert. */
const capacityFor = (
  visible: tf.Tensor | undefined,
  { capacityFactor, experts, topK, topKs }: DecisionRule,
  counted: number,
): number => {
  const isEven = capacityFactor === 'dropless' || !topKs || counted === 0;
  if (isEven) return capacityOf(capacityFactor, { tokens: counted, experts, topK });
  const flags = visible?.dataSync<'float32'>();
  // Where tokens choose different numbers of experts an even load is that of all choices.
  const choices = flags
    ? flags.reduce((sum, flag, at) => sum + (flag === 0 ? 0 : (topKs[at % topKs.length] as number)), 0)
    : (counted / topKs.length) * topKs.reduce((sum, count) => sum + count, 0);
  return capacityOf(capacityFactor, { tokens: counted, experts, topK: choices / counted });
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

/**
 * One call of the engine in use; nothing where it brings no kernels, or where the rule asks for what they lack: batch
 * priority, or a loss that is no function of sums.
 * @param logits [N, E]
 * @param visible [N] or [B, L], 0 at padding. @default all count
 */
export const routeOnEngine = (
  logits: tf.Tensor2D,
  visible: tf.Tensor | undefined,
  rule: DecisionRule & { readonly further: readonly AuxiliaryLoss[] },
): EngineOutcome | undefined => {
  const { experts, topK, topKs, renormalize, batchPriority, order, further } = rule;
  if (batchPriority || !bringsTokenChoice() || further.some(({ sums }) => !sums)) return undefined;
  const counted = countVisible(visible, logits.shape[0]);
  const capacity = capacityFor(visible, rule, counted);
  const choice = engineTokenChoice(logits, visible, {
    topK,
    topKs,
    divideFrom: divideFrom(renormalize, experts),
    capacity,
    order,
    ...noiseStream(experts, rule),
    sums: further.map(({ sums }) => (sums as LossOfSums).of),
  });
  checkLogits(choice, logits, visible);
  const { wanted, slots } = choice;
  const total = topKs ? wanted.reduce((sum, count) => sum + count, 0) : counted * topK;
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
    choices: {
      experts,
      topK,
      counted,
      total,
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
      dropped: total - slots.size,
      get kept() {
        return kept();
      },
    },
  };
};

/** Gates and losses of a decision of the engine, on the tape of its logits. */
export const engineDecision = (
  logits: tf.Tensor2D,
  { choices, slots, engine }: EngineOutcome,
  {
    further,
    renormalize,
    whole,
  }: {
    readonly further: readonly AuxiliaryLoss[];
    readonly renormalize?: boolean | undefined;
    readonly whole?: WholeBatch | undefined;
  },
): { readonly gates: tf.Tensor2D; readonly loss: RouterLoss } => {
  const counts = countWhole(slots.wanted, choices, whole);
  const { balance, z, shares } = lossValues(choices, counts, engine.squares);
  const others = further.map((record) => {
    const { of, evaluate } = record.sums as LossOfSums;
    const own = engine.sums[of] as Float64Array;
    const { value, gradient } = evaluate(whole?.sum(record.name, own) ?? own);
    return { name: record.name, of, value: shareOf(record, value, whole), gradient };
  });
  const { gates, losses } = decidedGates(logits, engine, {
    divideFrom: divideFrom(renormalize, choices.experts),
    losses: [balance, z, ...others.map(({ value }) => value)],
    slopes: others.map(({ of, gradient }) => ({ of, values: gradient() })),
    shares,
    counted: choices.counted,
  });
  const named = Object.fromEntries(others.map(({ name, value }) => [name, value]));
  const loss = { values: { balance, z, ...named }, tensor: losses };
  return { gates, loss: partLoss(loss, further, { whole, density: counts.density }) };
};
