/**
 * Weighted mixing of sources. What is drawn at a step is a pure function of (seed, step, weights); what has been consumed
 * is one counter per source. The two are apart, so that a run may be resumed with other weights: each source still gives
 * its items 0, 1, 2, ... with none lost and none repeated.
 */
import { ConfigError, createRandom, StateError } from '@polygate/core';

/** One source of a mixture. */
export interface MixtureSource {
  readonly name: string;
  /** Samples of the source; its natural weight is size ** (1 / temperature). Needed where there is no weight. */
  readonly size?: number | undefined;
  /** Explicit weight, 0 or more. Give it for all sources or for none. @default size ** (1 / temperature) */
  readonly weight?: number | undefined;
}

/** How a mixture draws. */
export interface MixtureOptions {
  readonly seed: number;
  /** 1 draws by size, 2 by its square root, larger values ever more evenly. @default 2 */
  readonly temperature?: number;
  /** Items that a draw takes from its source. @default 1 */
  readonly take?: number;
}

/** Everything needed to go on: no weights, which belong to the recipe. */
export interface MixtureState {
  /** Draws so far. */
  readonly step: number;
  /** Items taken from each source so far: the number of its next item. */
  readonly counters: Readonly<Record<string, number>>;
}

/** What a draw says: take item `cursor` of source `name`, and those that follow where a draw takes several. */
export interface Draw {
  readonly step: number;
  readonly name: string;
  readonly cursor: number;
}

/** A weighted mixture with its counters. */
export interface Mixture {
  readonly names: readonly string[];
  /** Name of the source that the weights give to a step; changes nothing. */
  pick(step: number): string;
  /** The draws that come next, `count` of them; changes nothing. */
  peek(count: number): readonly Draw[];
  /** Draws: counts the step and the item. */
  next(): Draw;
  /** Shares of the draws by source, summing to 1. */
  shares(): Readonly<Record<string, number>>;
  state(): MixtureState;
  /** Goes on where a state was taken. @throws StateError when its sources are others */
  restore(state: MixtureState): void;
}

const checkWeight = (name: string, weight: number): number => {
  if (weight >= 0 && Number.isFinite(weight)) return weight;
  throw new ConfigError(
    `mixture: expected a weight of 0 or more for "${name}", got ${weight}; 0 switches the source off`,
  );
};

const naturalWeights = (sources: readonly MixtureSource[], temperature: number): number[] => {
  if (!(temperature > 0))
    throw new ConfigError(`mixture: expected a temperature above 0, got ${temperature}`);
  const explicit = sources.filter(({ weight }) => weight !== undefined).length;
  if (explicit !== 0 && explicit !== sources.length) {
    const without = sources.filter(({ weight }) => weight === undefined).map(({ name }) => name);
    throw new ConfigError(
      `mixture: expected weights for all sources or for none, got none for ${without.join(', ')}; a weight and a size are not on one scale`,
    );
  }
  return sources.map(({ name, size, weight }) => {
    if (weight !== undefined) return checkWeight(name, weight);
    if (size !== undefined && Number.isFinite(size) && size > 0) return size ** (1 / temperature);
    throw new ConfigError(
      `mixture: expected a size above 0 for "${name}", got ${size}; leave empty sources out, and give each of the others a size or a weight`,
    );
  });
};

/** A mixture of named sources. @throws ConfigError for no sources, double names, unusable sizes or weights */
export const createMixture = (
  sources: readonly MixtureSource[],
  { seed, temperature = 2, take = 1 }: MixtureOptions,
): Mixture => {
  const names = Object.freeze(sources.map(({ name }) => name));
  if (names.length === 0 || new Set(names).size !== names.length) {
    throw new ConfigError(
      `mixture: expected one or more sources of different names, got [${names.join(', ')}]`,
    );
  }
  const weights = naturalWeights(sources, temperature);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  if (!(total > 0)) {
    throw new ConfigError('mixture: expected at least one weight above 0, got none; nothing could be drawn');
  }
  const shares: Readonly<Record<string, number>> = Object.freeze(
    Object.fromEntries(names.map((name, i) => [name, (weights[i] ?? 0) / total])),
  );
  const counters = new Map(names.map((name) => [name, 0]));
  let step = 0;

  const random = createRandom(seed).fork('task');

  const pick = (at: number): string => {
    let rest = random.fork(at).next();
    let last = '';
    for (const [i, weight] of weights.entries()) {
      if (weight === 0) continue;
      last = names[i] ?? '';
      rest -= shares[last] ?? 0;
      if (rest < 0) return last;
    }
    return last; // rounding at the upper end
  };

  const peek = (count: number): readonly Draw[] => {
    const ahead = new Map(counters);
    return Array.from({ length: count }, (_, i) => {
      const name = pick(step + i);
      const cursor = ahead.get(name) ?? 0;
      ahead.set(name, cursor + take);
      return { step: step + i, name, cursor };
    });
  };

  return {
    names,
    pick,
    peek,
    next() {
      const name = pick(step);
      const cursor = counters.get(name) ?? 0;
      counters.set(name, cursor + take);
      step += 1;
      return { step: step - 1, name, cursor };
    },
    shares: () => shares,
    state: () => ({ step, counters: Object.fromEntries(counters) }),
    restore(state) {
      const got = Object.keys(state.counters);
      const fits = got.length === names.length && names.every((name) => Object.hasOwn(state.counters, name));
      const values = [state.step, ...Object.values(state.counters)];
      if (!fits || !values.every((value) => Number.isSafeInteger(value) && value >= 0)) {
        throw new StateError(
          `mixture: expected a state of the sources ${names.join(', ')}, got one of ${got.join(', ') || '(none)'}; ` +
            'resume with the recipe of the run that wrote it',
        );
      }
      step = state.step;
      for (const name of names) counters.set(name, state.counters[name] ?? 0);
    },
  };
};
