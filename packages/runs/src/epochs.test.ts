import type { EpochEnd } from '@polygate/generalist';
import type { StepReport } from '@polygate/training';
import { describe, expect, it } from 'vitest';
import { epochCallbacks, modelState } from './epochs.ts';

/** Epochs that a model is told of in so many steps. */
const toldOf = async (steps: number, batchSize: number, epochSamples: number): Promise<string[]> => {
  const told: string[] = [];
  const model = {
    async endOfEpoch({ epoch, step, validate }: EpochEnd) {
      told.push(`${epoch} after ${step}: ${JSON.stringify(await validate())}`);
    },
  };
  const durations = { batchSize, epochSamples };
  const callbacks = epochCallbacks(model, { durations, validate: () => Promise.resolve({ loss: 1 }) });
  for (let step = 1; step <= steps; step += 1) {
    for (const callback of callbacks) await callback.onStep?.({ step } as StepReport);
  }
  return told;
};

describe('epochCallbacks', () => {
  it('tells at the step that makes the epoch full', async () => {
    // 10 samples by 4: 4, 8, 12 (1), 16, 20 (2), 24, 28, 32 (3).
    expect(await toldOf(8, 4, 10)).toEqual(['1 after 3: {"loss":1}', '2 after 5: {"loss":1}', '3 after 8: {"loss":1}']);
  });

  it('tells of the last of several that one step ends', async () => {
    expect(await toldOf(2, 25, 10)).toEqual(['2 after 1: {"loss":1}', '5 after 2: {"loss":1}']);
  });

  it('asks nothing of models that do not ask for it', () => {
    const options = { durations: { batchSize: 4, epochSamples: 10 }, validate: () => Promise.resolve({}) };
    expect(epochCallbacks({}, options)).toEqual([]);
  });
});

describe('modelState', () => {
  it('keeps a model’s state under its name, beside what else a run keeps', () => {
    let pace = 3;
    const extraState = { save: () => ({ pace }), restore: (value: unknown) => ({ pace } = value as { pace: number }) };
    const state = modelState({ extraState });
    expect(state?.save()).toEqual({ model: { pace: 3 } });
    state?.restore({ model: { pace: 5 }, other: 1 });
    expect(pace).toBe(5);
    state?.restore(undefined);
    expect(pace).toBe(5);
    expect(modelState({})).toBeUndefined();
  });
});
