/**
 * Which tokens go to which expert: the outcome of routing tokens one by one. A slot is one token at one expert.
 *
 * N tokens · E experts · M slots
 */
import { ShapeError } from '@polygate/core';
import type * as tf from '@tensorflow/tfjs';

/** Slots grouped by expert. */
export interface DispatchPlan {
  /** [M] the token of each slot, ascending within an expert. */
  readonly tokens: Int32Array;
  /** [E + 1] expert e has the slots from `starts[e]` to `starts[e + 1]`. */
  readonly starts: Int32Array;
  /** `tokens` as an engine made them, int32 [M]: an engine that dispatches by them needs no copy from the host. */
  readonly slots?: tf.Tensor1D | undefined;
}

/** Plans that were looked through, by what they were held against: the linears of a site share one. */
const fitting = new WeakMap<DispatchPlan, string>();

/**
 * Refuses a plan that does not fit N tokens and E experts. Of one that an engine made, the tokens are not read back.
 * @throws ShapeError
 */
export const expectPlan = (
  plan: DispatchPlan,
  {
    operator,
    count,
    experts,
  }: { readonly operator: string; readonly count: number; readonly experts: number },
): void => {
  const against = `${count}/${experts}`;
  if (fitting.get(plan) === against) return;
  const { starts, slots } = plan;
  const length = slots ? slots.size : plan.tokens.length;
  const ends = starts[experts] ?? -1;
  if (starts.length !== experts + 1 || starts[0] !== 0 || ends !== length) {
    throw new ShapeError(
      `${operator}: expected a plan whose starts run from 0 to ${length} slots in ${experts + 1} entries, got [${starts.join(', ')}]; make it with routeTokens of @polygate/routers`,
      { fields: { slots: length, experts, starts: [...starts] } },
    );
  }
  const tokens = slots ? undefined : plan.tokens;
  for (let e = 0; e < experts; e += 1) {
    let before = -1;
    const end = starts[e + 1] ?? 0;
    for (let slot = starts[e] ?? 0; tokens && slot < end; slot += 1) {
      const token = tokens[slot] ?? -1;
      if (!(token > before && token < count)) {
        throw new ShapeError(
          `${operator}: expected tokens below ${count}, ascending within expert ${e}, got ${token} after ${before}; make the plan with routeTokens of @polygate/routers`,
          { fields: { expert: e, slot, token, count } },
        );
      }
      before = token;
    }
    if (end < (starts[e] ?? 0)) {
      throw new ShapeError(
        `${operator}: expected starts that do not fall, got [${starts.join(', ')}]; make the plan with routeTokens of @polygate/routers`,
        { fields: { starts: [...starts] } },
      );
    }
  }
  fitting.set(plan, against);
};

/** Experts that have a slot, ascending. */
export const usedExperts = ({ starts }: DispatchPlan): number[] => {
  const used: number[] = [];
  for (let e = 0; e + 1 < starts.length; e += 1) if ((starts[e + 1] ?? 0) > (starts[e] ?? 0)) used.push(e);
  return used;
};
