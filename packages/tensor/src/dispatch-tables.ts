/**
 * A dispatch plan as index tables of gathers: slots padded to one size per expert, so that one batched product serves
 * all of them, and the way back from tokens to their slots, so that no scatter is needed in either direction.
 *
 * N tokens · E experts · U used experts · C padded slots of one · K most slots of a token
 */
import type { DispatchPlan } from './dispatch-plan.ts';

/** Tables of one plan. Entries that stand for nothing point to index 0 and have mask 0. */
export interface DispatchTables {
  /** C */
  readonly slots: number;
  /** K */
  readonly most: number;
  /** [U * C] token of each padded slot. */
  readonly tokenOfSlot: Int32Array;
  /** [U * C] flat index of the slot's gate in [N, E]. */
  readonly gateOfSlot: Int32Array;
  /** [U * C] 1 at slots of the plan, 0 at padding. */
  readonly slotMask: Float32Array;
  /** [N * K] padded slots of each token. */
  readonly slotOfToken: Int32Array;
  /** [N * K] */
  readonly tokenMask: Float32Array;
  /** [N * E] padded slot that a gate weighs. */
  readonly slotOfGate: Int32Array;
  /** [N * E] */
  readonly gateMask: Float32Array;
}

/** Tables of `plan` over `count` tokens; `used` are the experts that have slots. */
export const dispatchTables = (
  { tokens, starts }: DispatchPlan,
  used: readonly number[],
  count: number,
): DispatchTables => {
  const experts = starts.length - 1;
  const sizes = used.map((e) => (starts[e + 1] ?? 0) - (starts[e] ?? 0));
  const slots = Math.max(...sizes);
  const perToken = new Int32Array(count);
  for (const token of tokens) perToken[token] = (perToken[token] ?? 0) + 1;
  const most = perToken.reduce((maximum, pairs) => Math.max(maximum, pairs), 0);
  const tables = {
    slots,
    most,
    tokenOfSlot: new Int32Array(used.length * slots),
    gateOfSlot: new Int32Array(used.length * slots),
    slotMask: new Float32Array(used.length * slots),
    slotOfToken: new Int32Array(count * most),
    tokenMask: new Float32Array(count * most),
    slotOfGate: new Int32Array(count * experts),
    gateMask: new Float32Array(count * experts),
  };
  perToken.fill(0);
  used.forEach((e, at) => {
    const start = starts[e] ?? 0;
    for (let i = 0; i < (sizes[at] ?? 0); i += 1) {
      const token = tokens[start + i] ?? 0;
      const slot = at * slots + i;
      const gate = token * experts + e;
      const choice = token * most + (perToken[token] ?? 0);
      perToken[token] = (perToken[token] ?? 0) + 1;
      tables.tokenOfSlot[slot] = token;
      tables.gateOfSlot[slot] = gate;
      tables.slotMask[slot] = 1;
      tables.slotOfToken[choice] = slot;
      tables.tokenMask[choice] = 1;
      tables.slotOfGate[gate] = slot;
      tables.gateMask[gate] = 1;
    }
  });
  return tables;
};
