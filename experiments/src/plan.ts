/** From an experiment to its runs: each is named by a hash of everything that decides its result. */
import { sha256 } from '@polygate/core';
import { parseRecipe, type Recipe, type RecipeInput } from '@polygate/generalist';
import { join } from 'node:path';
import type { Experiment, InterferencePlan, ScoredTask } from './experiment.ts';

/** What a child process is told to do. Plain JSON. */
export interface RunOrder {
  readonly variant: string;
  readonly seed: number;
  /** First 16 digits of the hash. */
  readonly key: string;
  /** Folder of the run. Experiments that share a recipe share its runs. */
  readonly folder: string;
  readonly recipe: Recipe;
  readonly scored: readonly ScoredTask[];
  readonly interference?: InterferencePlan;
}

export interface PlanOptions {
  readonly base: RecipeInput;
  readonly scored: readonly ScoredTask[];
  readonly seeds: readonly number[];
  /** Hash of the prepared suite's recipe: other data are other runs. */
  readonly suiteHash: string;
  /** Folder of all runs. */
  readonly runs: string;
}

/** JSON with the keys of all records in order, so that equal values have equal texts. */
export const canonicalJson = (value: unknown): string => {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value)
      .filter(([, entry]) => entry !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1));
    return `{${entries.map(([key, entry]) => `${JSON.stringify(key)}:${canonicalJson(entry)}`).join(',')}}`;
  }
  return JSON.stringify(value);
};

/** The runs of an experiment, seed by seed, so that a part of them compares all variants. */
export const planRuns = (experiment: Experiment, options: PlanOptions): readonly RunOrder[] => {
  const { base, scored, seeds, suiteHash, runs } = options;
  const { interference } = experiment;
  return seeds.flatMap((seed) =>
    experiment.variants.map(({ name, experts }) => {
      const recipe = parseRecipe({ ...base, seed, model: { ...base.model, moe: experts } });
      const key = sha256(canonicalJson({ recipe, suiteHash, scored })).slice(0, 16);
      return {
        variant: name,
        seed,
        key,
        folder: join(runs, key),
        recipe,
        scored,
        ...(interference ? { interference } : {}),
      };
    }),
  );
};
