/** Ends of epochs, for models that change something of themselves then, and the state that must survive a resume. */
import type { DurationContext } from '@polygate/core';
import type { Generalist } from '@polygate/generalist';
import type { ExtraState, TrainCallback } from '@polygate/training';

export interface EpochOptions {
  /** Samples of a mean step and of an epoch. */
  readonly durations: DurationContext;
  /** Scores of the held-out splits. */
  readonly validate: () => Promise<Readonly<Record<string, number>>>;
}

/**
 * Tells a model when an epoch has ended: with the step that makes as many samples as all sources hold, counted by the
 * mean step. A pure function of the step, so that a run that was resumed tells the same.
 */
export const epochCallbacks = (
  model: Pick<Generalist, 'endOfEpoch'>,
  { durations, validate }: EpochOptions,
): readonly TrainCallback[] => {
  const { batchSize = 0, epochSamples = 0 } = durations;
  if (!model.endOfEpoch || epochSamples === 0) return [];
  const ended = (step: number): number => Math.floor((step * batchSize) / epochSamples);
  return [
    {
      async onStep({ step }) {
        const epoch = ended(step);
        if (epoch > ended(step - 1)) await model.endOfEpoch?.({ epoch, step, validate });
      },
    },
  ];
};

/** A model's extra state as that of a run; a run of a model without any has none. */
export const modelState = ({ extraState }: Pick<Generalist, 'extraState'>): ExtraState | undefined =>
  extraState && {
    save: () => ({ model: extraState.save() }),
    restore(value) {
      const { model } = (value ?? {}) as { readonly model?: unknown };
      if (model !== undefined) extraState.restore(model);
    },
  };
