/**
 * The losses of Shazeer et al. 2017 (Outrageously large neural networks, section 4 and appendix A), each the squared
 * coefficient of variation over the experts of one router:
 *   importance_e = sum over tokens of the gate of e, before anything is dropped (Eq. 6);
 *   load_e = sum over tokens of P(e is among the k largest | the noise of e is drawn anew) (Eq. 8 to 11).
 * Outside training there is no noise, and the load is a count, without a gradient. Engines that decide for tokens sum up both
 * (`sums`); what stands here is their twin.
 *
 * N tokens · E experts · K chosen
 */
import type { AuxiliaryLoss, AuxiliaryLossInput } from './auxiliary-loss.ts';
import { choiceGradient } from './token-choice.ts';

/** Added to the squared mean, as in Tensor2Tensor. */
const EPSILON = 1e-10;

/** Variance / mean^2 over experts, and its gradient. */
export const squaredVariation = (
  values: Float64Array,
): { readonly value: number; gradient(): Float64Array } => {
  const count = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / count;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / count;
  const divisor = mean ** 2 + EPSILON;
  return {
    value: variance / divisor,
    gradient: () =>
      values.map(
        (value) => (2 * (value - mean)) / count / divisor - (variance * 2 * mean) / count / divisor ** 2,
      ),
  };
};

export const importanceLoss: AuxiliaryLoss = Object.freeze({
  name: 'importance',
  summary: 'experts get equal sums of gates (Shazeer et al. 2017, Eq. 6 and 7)',
  sums: { of: 'gates', evaluate: squaredVariation } as const,
  evaluate({ choices, renormalize, whole }: AuxiliaryLossInput) {
    const { experts, topK, ids, weights } = choices;
    const importance = new Float64Array(experts);
    ids.forEach((e, choice) => {
      if (e >= 0) importance[e] = (importance[e] as number) + (weights[choice] as number);
    });
    const { value, gradient } = squaredVariation(whole?.sum('importance', importance) ?? importance);
    return {
      value,
      gradient: () => {
        const toImportance = gradient();
        const tokens = ids.length / topK;
        const toGates = new Float64Array(tokens * experts);
        for (let token = 0; token < tokens; token += 1) toGates.set(toImportance, token * experts);
        return choiceGradient(toGates, choices, { renormalize, kept: new Uint8Array(ids.length).fill(1) });
      },
    };
  },
});

/** Abramowitz and Stegun 7.1.26, below 1.5e-7 absolute. */
const normalCdf = (x: number): number => {
  const z = Math.abs(x) / Math.SQRT2;
  const t = 1 / (1 + 0.3275911 * z);
  const series =
    t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  const tail = (series * Math.exp(-z * z)) / 2;
  return x < 0 ? tail : 1 - tail;
};

const normalDensity = (x: number): number => Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);

/** The `count` experts of the largest noisy logits, largest first; of equal ones the lower first. */
const leadersOf = (noisy: Float32Array, at: number, experts: number, count: number): readonly number[] => {
  const leaders: number[] = [];
  while (leaders.length < count) {
    let best = -1;
    for (let e = 0; e < experts; e += 1) {
      const isBetter = best < 0 || (noisy[at + e] as number) > (noisy[at + best] as number);
      if (isBetter && !leaders.includes(e)) best = e;
    }
    leaders.push(best);
  }
  return leaders;
};

/** Calls `visit` with each visible token's offset, its first experts (one more than it chose), and how many it chose. */
const eachToken = (
  { choices, noisy }: AuxiliaryLossInput,
  visit: (at: number, leaders: readonly number[], chosen: number) => void,
): void => {
  const { experts, topK, ids } = choices;
  for (let token = 0; token < ids.length / topK; token += 1) {
    let chosen = 0;
    while (chosen < topK && (ids[token * topK + chosen] as number) >= 0) chosen += 1;
    if (chosen === 0) continue;
    const at = token * experts;
    visit(at, leadersOf(noisy, at, experts, Math.min(chosen + 1, experts)), chosen);
  }
};

/** The expert whose noisy logit another one must beat to be among the `chosen` first. */
const rivalOf = (leaders: readonly number[], isChosen: boolean, chosen: number): number =>
  leaders[isChosen ? chosen : chosen - 1] as number;

export const loadLoss: AuxiliaryLoss = Object.freeze({
  name: 'load',
  summary: 'experts are as likely to be chosen (Shazeer et al. 2017, Eq. 8 to 11)',
  sums: { of: 'chances', evaluate: squaredVariation } as const,
  evaluate(input: AuxiliaryLossInput) {
    const { choices, clean, noisy, noise, whole } = input;
    const { experts } = choices;
    const load = new Float64Array(experts);
    const isCounted = (chosen: number): boolean => noise === 0 || chosen === experts;
    const isAmong = (leaders: readonly number[], e: number, chosen: number): boolean => {
      const rank = leaders.indexOf(e);
      return rank >= 0 && rank < chosen;
    };
    eachToken(input, (at, leaders, chosen) => {
      for (let e = 0; e < experts; e += 1) {
        const isChosen = isAmong(leaders, e, chosen);
        const rival = isCounted(chosen) ? e : rivalOf(leaders, isChosen, chosen);
        const distance = (clean[at + e] as number) - (noisy[at + rival] as number);
        const share = isCounted(chosen) ? Number(isChosen) : normalCdf(distance / noise);
        load[e] = (load[e] as number) + share;
      }
    });
    const { value, gradient } = squaredVariation(whole?.sum('load', load) ?? load);
    return {
      value,
      gradient: () => {
        const toLoad = gradient();
        const result = new Float32Array(clean.length);
        eachToken(input, (at, leaders, chosen) => {
          if (isCounted(chosen)) return;
          for (let e = 0; e < experts; e += 1) {
            const rival = rivalOf(leaders, isAmong(leaders, e, chosen), chosen);
            const distance = (clean[at + e] as number) - (noisy[at + rival] as number);
            const slope = ((toLoad[e] as number) * normalDensity(distance / noise)) / noise;
            result[at + e] = (result[at + e] as number) + slope;
            result[at + rival] = (result[at + rival] as number) - slope;
          }
        });
        return result;
      },
    };
  },
});
