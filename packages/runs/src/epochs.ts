/** Ends of epochs, for models that change something of themselves then, and the state that must survive a resume. */
import { parseDuration, toSteps, type DurationContext } from '@polygate/core';
import type { Generalist } from '@polygate/generalist';
import type { ExtraState, TrainCallback } from '@polygate/training';

export interface EpochOptions {
  /** From the start to the end of an epoch, and between two ends: `1 epochs` is as many samples as all sources hold. */
  readonly every: string;
  /** Samples of a mean step and of all sources; steps of the run. */
  readonly durations: DurationContext;
  /** Scores of the held-out splits. */
  readonly validate: () => Promise<Readonly<Record<string, number>>>;
}

/** Epochs that have ended with so many steps: a fraction of a step is carried over where an epoch is one of samples. */
const epochsEnded = (every: string, context: DurationContext): ((step: number) => number) | undefined => {
  const duration = parseDuration(every);
  const { batchSize = 0, epochSamples = 0 } = context;
  if (duration.unit === 'steps' || duration.unit === 'percent') {
    const length = toSteps(duration, context);
    return (step) => Math.floor(step / length);
  }
  const samples = duration.unit === 'epochs' ? duration.value * epochSamples : duration.value;
  return samples > 0 ? (step) => Math.floor((step * batchSize) / samples) : undefined;
};

/**
 * Tells a model when an epoch has ended: with the step that makes it whole, samples counted by the mean step. A pure
 * function of the step, so that a run that was resumed tells the same.
 */
export const epochCallbacks = (
  model: Pick<Generalist, 'endOfEpoch'>,
  { every, durations, validate }: EpochOptions,
): readonly TrainCallback[] => {
  const ended = epochsEnded(every, durations);
  if (!model.endOfEpoch || !ended) return [];
  return [
    {
      async onStep({ step }, { record }) {
        const epoch = ended(step);
        if (epoch <= ended(step - 1)) return;
        await model.endOfEpoch?.({
          epoch,
          step,
          validate,
          record: (entry) => record({ step, ...entry }),
        });
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
