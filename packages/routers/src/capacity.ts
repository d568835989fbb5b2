/**
 * Which choices of tokens get a slot at their expert.
 *
 * An expert has C = ceil(factor * K * N / E) slots for the N visible tokens of a call: at factor 1 an even load of the
 * K choices of all tokens just fits (V-MoE, Riquelme et al. 2021, section 2.2; the top-2 gate of DeepSpeed-MoE). The
 * Switch Transformer's factor * N / E is the same for its K = 1. Slots are given in rounds: all first choices, then all
 * second ones. Within a round tokens come in their order in the batch, in one that is drawn anew for each call of
 * training, or, with batch priority, the likeliest first choices come first (V-MoE, section 4.1), so that what is dropped
 * is what matters least. In training the order of the batch is a poor choice: candidates stand at the same places in every
 * batch, so always the same ones lose their experts, and the model learns to count on that.
 *
 * N tokens · E experts · K chosen · C slots of an expert
 */
import { ConfigError, type Random } from '@polygate/core';
import type { DispatchPlan } from '@polygate/tensor';
import type { TokenChoices } from './token-choice.ts';

/** How many choices an expert serves, as a multiple of an even load. */
export type CapacityFactor = number | 'dropless';

/** The order in which tokens get slots: the i-th of N is the one at (first + i * stride) mod N in the batch. */
export interface SlotOrder {
  readonly first: number;
  /** Without a common factor with N, so that every token comes once. */
  readonly stride: number;
}

/** Tokens as they come in the batch. */
export const BATCH_ORDER: SlotOrder = Object.freeze({ first: 0, stride: 1 });

const commonFactor = (a: number, b: number): number => (b === 0 ? a : commonFactor(b, a % b));

/** An order in which every token comes early as often as late, whatever its place. @param random advanced */
export const drawSlotOrder = (tokens: number, random: Random): SlotOrder => {
  if (tokens < 2) return BATCH_ORDER;
  const first = random.integer(tokens);
  for (;;) {
    const stride = 1 + random.integer(tokens - 1);
    if (commonFactor(tokens, stride) === 1) return { first, stride };
  }
};

/** Settings of {@link giveSlots}. */
export interface CapacityOptions {
  /** Above 0; `dropless` serves every choice. */
  readonly capacityFactor: CapacityFactor;
  /** Whether the likeliest choices get their slots first. */
  readonly batchPriority: boolean;
  /** Not used with batch priority. @default that of the batch */
  readonly order?: SlotOrder;
}

/** Who got a slot. */
export interface Slots {
  readonly plan: DispatchPlan;
  /** [N, K] 1 at choices that got a slot. */
  readonly kept: Uint8Array;
  /** [E] choices that fell on each expert, served or not. */
  readonly wanted: Int32Array;
  /** Choices without a slot. */
  readonly dropped: number;
}

const DIGITS = /^(\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/;

/**
 * ceil(factor * numerator / denominator), exactly for the decimal number that `factor` is written as: 1.1 * 100 / 10 is
 * 11, where the product of doubles is a little above it and would round up to 12.
 */
const ceilProduct = (factor: number, numerator: number, denominator: number): number => {
  const [, whole = '', fraction = '', exponent = '0'] = DIGITS.exec(String(factor)) ?? [];
  const shift = Number(exponent) - fraction.length;
  const above = BigInt(whole + fraction) * BigInt(numerator) * 10n ** BigInt(Math.max(0, shift));
  const below = BigInt(denominator) * 10n ** BigInt(Math.max(0, -shift));
  return Number((above + below - 1n) / below);
};

/**
 * Slots of each expert for `tokens` visible tokens.
 * @throws ConfigError when the factor leaves no expert a whole token
 */
export const capacityOf = (
  factor: CapacityFactor,
  { tokens, experts, topK }: { readonly tokens: number; readonly experts: number; readonly topK: number },
): number => {
  if (factor === 'dropless') return tokens;
  if (!(factor > 0 && factor < Infinity)) {
    throw new ConfigError(
      `capacity: expected a capacityFactor above 0 or 'dropless', got ${factor}; 1 holds an even load`,
      { fields: { factor } },
    );
  }
  // A batch of fewer tokens than experts is no fault of the factor: there it only has to serve one choice of a token.
  const share = (factor * topK * Math.max(tokens, experts)) / experts;
  if (share < 1) {
    throw new ConfigError(
      `capacity: expected slots for at least one token per expert, got capacityFactor ${factor} * topK ${topK} * ${Math.max(tokens, experts)} tokens / ${experts} experts = ${share.toPrecision(2)}; raise capacityFactor, or use 'dropless'`,
      { fields: { factor, topK, tokens, experts } },
    );
  }
  return ceilProduct(factor, Math.round(topK * tokens), experts);
};

/** Tokens are numbered in 21 bits where they are sorted by a 32-bit key in one double. */
const TOKENS = 2 ** 21;

/** Visible tokens, those with the largest probability first; of equal ones the first in the batch. */
const byPriority = ({ ids, topK, probabilities, experts }: TokenChoices): Int32Array => {
  const count = ids.length / topK;
  const keys = new Float64Array(count);
  const probability = new Float32Array(1);
  const bits = new Uint32Array(probability.buffer);
  let next = 0;
  for (let token = 0; token < count; token += 1) {
    const first = ids[token * topK] as number;
    if (first < 0) continue;
    // Bit patterns of positive floats are ordered as the floats are.
    probability[0] = probabilities[token * experts + first] as number;
    keys[next] = (0xffffffff - (bits[0] as number)) * TOKENS + token;
    next += 1;
  }
  const sorted = keys.subarray(0, next).sort();
  const order = new Int32Array(next);
  for (let i = 0; i < next; i += 1) order[i] = (sorted[i] as number) % TOKENS;
  return order;
};

/**
 * Serves the choices of all tokens.
 * @throws ConfigError when the factor leaves no expert a whole token
 */
export const giveSlots = (choices: TokenChoices, options: CapacityOptions): Slots => {
  const { ids, topK, experts, counted, total } = choices;
  // Where tokens choose different numbers of experts an even load is that of all choices.
  const capacity = capacityOf(options.capacityFactor, {
    tokens: counted,
    experts,
    topK: counted === 0 ? topK : total / counted,
  });
  const kept = new Uint8Array(ids.length);
  const wanted = new Int32Array(experts);
  const ranked =
    options.batchPriority && options.capacityFactor !== 'dropless' ? byPriority(choices) : undefined;
  const { first, stride } = options.order ?? BATCH_ORDER;
  const count = ids.length / topK;
  const tokens = ranked ? ranked.length : count;
  for (let k = 0; k < topK; k += 1) {
    for (let i = 0; i < tokens; i += 1) {
      const choice = (ranked ? (ranked[i] as number) : (first + i * stride) % count) * topK + k;
      const e = ids[choice] as number;
      if (e < 0) continue;
      const before = wanted[e] as number;
      if (before < capacity) kept[choice] = 1;
      wanted[e] = before + 1;
    }
  }
  const starts = new Int32Array(experts + 1);
  for (let e = 0; e < experts; e += 1) {
    starts[e + 1] = (starts[e] as number) + Math.min(wanted[e] as number, capacity);
  }
  const served = starts[experts] as number;
  const slots = new Int32Array(served);
  const next = starts.slice();
  for (let token = 0, choice = 0; choice < kept.length; token += 1) {
    for (let k = 0; k < topK; k += 1, choice += 1) {
      if (kept[choice] === 0) continue;
      const e = ids[choice] as number;
      const slot = next[e] as number;
      slots[slot] = token;
      next[e] = slot + 1;
    }
  }
  return { plan: { tokens: slots, starts }, kept, wanted, dropped: total - served };
};
