/** How long a recipe trains on its sources, how fast, and which steps are looked at: durations as numbers of steps. */
import { parseDuration, toSteps, type DurationContext } from '@polygate/core';
import { createTelemetrySchedule, type Recipe } from '@polygate/generalist';
import { constant, warmupCosine, type Schedule } from '@polygate/nn';
import { createMixture, type Mixture, type MixtureSource } from '@polygate/stream';

export interface TrainingPlan {
  /** Updates of the run. */
  readonly steps: number;
  readonly schedule: Schedule;
  /** Samples of a mean step and of an epoch. */
  readonly durations: DurationContext;
  /** A duration of the recipe in steps, such as that between two checkpoints. */
  every(duration: string): number;
  /** Whether telemetry is wanted of a step, counted from 0. */
  isLookedAt(step: number): boolean;
}

export interface TrainingPlanOptions {
  readonly sources: readonly MixtureSource[];
  /** Samples of one step of each task. */
  readonly batchSizes: Readonly<Record<string, number>>;
}

const mixtureOf = (recipe: Recipe, sources: readonly MixtureSource[]): Mixture =>
  createMixture(sources, { seed: recipe.seed, temperature: recipe.mixing.temperature });

/** Samples of a mean step and of all sources: what epochs and samples of a mixture are measured against. */
const durationContext = (recipe: Recipe, { sources, batchSizes }: TrainingPlanOptions): DurationContext => {
  const shares = mixtureOf(recipe, sources).shares();
  const meanBatch = sources.reduce((sum, { name }) => sum + (shares[name] ?? 0) * (batchSizes[name] ?? 1), 0);
  return {
    batchSize: meanBatch * recipe.accumulate,
    epochSamples: sources.reduce((sum, { size = 0 }) => sum + size, 0),
  };
};

const scheduleOf = ({ schedule, optimizer }: Recipe, steps: number): Schedule => {
  const base = optimizer.learningRate;
  const warmup = toSteps(parseDuration(schedule.warmup), { totalSteps: steps });
  return schedule.kind === 'constant'
    ? constant({ base, warmup })
    : warmupCosine({ base, minimum: Math.min(schedule.minimum, base), warmup, total: steps });
};

/** @throws ConfigError for durations that the sources give no measure of */
export const planTraining = (recipe: Recipe, options: TrainingPlanOptions): TrainingPlan => {
  const durations = durationContext(recipe, options);
  const steps = toSteps(parseDuration(recipe.steps), durations);
  const every = (duration: string): number =>
    toSteps(parseDuration(duration), { ...durations, totalSteps: steps });
  const { every: telemetry } = recipe.telemetry;
  return {
    steps,
    schedule: scheduleOf(recipe, steps),
    durations,
    every,
    isLookedAt:
      telemetry === null
        ? () => false
        : createTelemetrySchedule({
            every: Math.max(1, every(telemetry)),
            taskOf: mixtureOf(recipe, options.sources).pick,
          }),
  };
};
