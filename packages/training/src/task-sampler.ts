/**
 * Which task a step trains. The draw is a pure function of (seed, step, weights): a resumed run, or one asked ahead
 * of time for the next batch, gets the same answer, and no sampler state needs saving.
 *
 * Weights by default are the square root of the source's size (paper, Table 7: mixing by sqrt keeps small sets from
 * drowning without letting them repeat too often); `temperature` T generalises it to size^(1/T).
 */
import { ConfigError, createRandom } from '@polygate/core';

/** What the sampler needs to know of a source. */
export interface WeightedSource {
  readonly name: string;
  /** Relative chance of being drawn; all sources give one, or none does. @default from `size` */
  readonly weight?: number;
  /** Number of samples, for the default weight. */
  readonly size?: number;
}

/** Draws tasks; `shares` are the chances, which sum to 1. */
export interface TaskSampler {
  readonly shares: Readonly<Record<string, number>>;
  /** Name of the source of an update, counted from 0. */
  pick(step: number): string;
}

/** Settings of {@link createTaskSampler}. */
export interface TaskSamplerOptions {
  readonly seed: number;
  /** 1 draws in proportion to size, 2 to its square root, large values evenly. @default 2 */
  readonly temperature?: number;
}

const weightOf = (source: WeightedSource, temperature: number): number => {
  const { name, weight, size } = source;
  if (weight !== undefined) {
    if (Number.isFinite(weight) && weight >= 0) return weight;
    throw new ConfigError(
      `task "${name}": expected a weight of at least 0, got ${weight}; 0 switches the task off`,
    );
  }
  if (size !== undefined && Number.isFinite(size) && size > 0) return size ** (1 / temperature);
  throw new ConfigError(
    `task "${name}": expected a weight or a positive size to derive it from, got size ${size}; give every task one`,
  );
};

/** @throws ConfigError when weights are missing, mixed with sizes, or all 0; when a name comes twice */
export const createTaskSampler = (
  sources: readonly WeightedSource[],
  options: TaskSamplerOptions,
): TaskSampler => {
  const { seed, temperature = 2 } = options;
  if (!(temperature > 0))
    throw new ConfigError(`tasks: expected a temperature above 0, got ${temperature}; 2 is usual`);
  const explicit = sources.filter(({ weight }) => weight !== undefined);
  if (explicit.length > 0 && explicit.length < sources.length) {
    throw new ConfigError(
      `tasks: expected weights for all or for none, got them for ${explicit.map(({ name }) => name).join(', ')} alone; weights and sizes have no common scale`,
    );
  }
  const names = sources.map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) {
    throw new ConfigError(
      `tasks: expected unique names, got "${twice}" twice; rename one: cursors are kept by name`,
    );
  }
  const weights = sources.map((source) => weightOf(source, temperature));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  if (!(total > 0))
    throw new ConfigError('tasks: expected at least one task with a weight above 0, got none');
  const shares = Object.freeze(Object.fromEntries(names.map((name, i) => [name, (weights[i] ?? 0) / total])));
  const drawn = names.filter((_, i) => (weights[i] ?? 0) > 0);
  const random = createRandom(seed).fork('task');
  return {
    shares,
    pick(step) {
      let left = random.fork(step).next();
      for (const name of drawn) {
        left -= shares[name] ?? 0;
        if (left < 0) return name;
      }
      // Rounding may leave a sliver above the last share.
      return drawn.at(-1) as string;
    },
  };
};
