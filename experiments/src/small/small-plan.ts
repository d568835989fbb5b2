/** The runs of an experiment on small sets: each variant on each set with each seed, with the folder it belongs in. */
import { sha256 } from '@polygate/core';
import { parseRecipe, type RecipeInput } from '@polygate/generalist';
import { join } from 'node:path';
import { canonicalJson } from '../plan.ts';
import type { PreparedSet } from './prepare-sets.ts';
import type { SmallExperiment } from './small-experiment.ts';
import type { SmallOrder } from './small-run.ts';

/** A model that is tuned. */
export interface SmallBase {
  /** Of a run, or of a model. */
  readonly folder: string;
  /** SHA-256 of its weights. */
  readonly sha256: string;
  /** Updates that made it, where it is a run's. */
  readonly steps?: number;
}

export interface SmallPlanOptions {
  readonly sets: readonly PreparedSet[];
  readonly seeds: readonly number[];
  /** Folder of all runs. */
  readonly runs: string;
  /** Only these variants, where some are named. */
  readonly only?: readonly string[] | undefined;
  /** What variants that tune start from. */
  readonly base?: SmallBase | undefined;
}

/** Where runs are made: one thread each, so that as many run at once as there are cores. */
const engine = { engine: 'torch', threads: 1, precision: 'bf16' } as const;
const bookkeeping = { checkpoint: { every: '100%', keep: 1 }, telemetry: { every: null } } as const;

/** Seed by seed and set by set, so that a part of them compares all variants. */
export const planSmallRuns = (
  { variants }: SmallExperiment,
  { sets, seeds, runs, only, base }: SmallPlanOptions,
): readonly SmallOrder[] =>
  seeds.flatMap((seed) =>
    sets.flatMap((prepared) =>
      variants
        .filter(({ name }) => only?.includes(name) ?? true)
        .map(({ name, recipe: recipeOf }): SmallOrder => {
          const planned: RecipeInput = recipeOf(prepared);
          const start = base && planned.tune ? { initialize: { from: base.folder } } : {};
          const recipe = parseRecipe({
            ...planned,
            ...engine,
            ...bookkeeping,
            ...start,
            name: `small-${prepared.set.name}`,
            suite: prepared.folder,
            seed,
          });
          const decides = {
            recipe: { ...recipe, suite: '', initialize: null },
            hash: prepared.suite.recipeHash,
          };
          const key = sha256(
            canonicalJson({ ...decides, base: planned.tune ? (base?.sha256 ?? '') : null }),
          ).slice(0, 16);
          return { set: prepared.set.name, variant: name, seed, key, folder: join(runs, key), recipe };
        }),
    ),
  );
