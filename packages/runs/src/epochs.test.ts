import type { EpochEnd } from '@polygate/generalist';
import type { StepContext, StepReport } from '@polygate/training';
import { describe, expect, it } from 'vitest';
import { epochCallbacks, modelState } from './epochs.ts';

/** Epochs that a model is told of in so many steps. */
const toldOf = async (
  steps: number,
  batchSize: number,
  epochSamples: number,
  every = '1 epochs',
): Promise<string[]> => {
  const told: string[] = [];
  const model = {
    async endOfEpoch({ epoch, step, validate }: EpochEnd) {
      told.push(`${epoch} after ${step}: ${JSON.stringify(await validate())}`);
    },
  };
  const durations = { batchSize, epochSamples, totalSteps: steps };
  const validate = () => Promise.resolve({ loss: 1 });
  const callbacks = epochCallbacks(model, { every, durations, validate });
  const context: StepContext = { record: () => Promise.resolve() };
  for (let step = 1; step <= steps; step += 1) {
    for (const callback of callbacks) await callback.onStep?.({ step } as StepReport, context);
  }
  return told;
};

describe('epochCallbacks', () => {
  it('tells at the step that makes the epoch full', async () => {
    // 10 samples by 4: 4, 8, 12 (1), 16, 20 (2), 24, 28, 32 (3).
    expect(await toldOf(8, 4, 10)).toEqual([
      '1 after 3: {"loss":1}',
      '2 after 5: {"loss":1}',
      '3 after 8: {"loss":1}',
    ]);
  });

  it('tells of the last of several that one step ends', async () => {
    expect(await toldOf(2, 25, 10)).toEqual(['2 after 1: {"loss":1}', '5 after 2: {"loss":1}']);
  });

  it.each([
    ['4 steps', [4, 8]],
    ['12 samples', [3, 6, 9]],
    ['0.5 epochs', [2, 3, 4, 5, 7, 8, 9, 10]],
    ['25%', [3, 6, 9]],
  ])('tells every %s', async (every, steps) => {
    // Half an epoch is 5 samples by 4: 8 (1), 12 (2), 16 (3), 20 (4), 28 (5), 32 (6), 36 (7), 40 (8).
    const told = (await toldOf(10, 4, 10, every)).map((line) => Number(/after (\d+)/u.exec(line)?.[1]));
    expect(told).toEqual(steps);
  });

  it('asks nothing of models that do not ask for it', () => {
    const durations = { batchSize: 4, epochSamples: 10 };
    const validate = () => Promise.resolve({});
    expect(epochCallbacks({}, { every: '1 epochs', durations, validate })).toEqual([]);
    const model = { endOfEpoch: () => undefined };
    // Sources that do not say their size have no epochs of samples.
    expect(epochCallbacks(model, { every: '1 epochs', durations: { batchSize: 4 }, validate })).toEqual([]);
  });
});

describe('modelState', () => {
  it('keeps a model’s state under its name, beside what else a run keeps', () => {
    let pace = 3;
    const extraState = {
      save: () => ({ pace }),
      restore: (value: unknown) => ({ pace } = value as { pace: number }),
    };
    const state = modelState({ extraState });
    expect(state?.save()).toEqual({ model: { pace: 3 } });
    state?.restore({ model: { pace: 5 }, other: 1 });
    expect(pace).toBe(5);
    state?.restore(undefined);
    expect(pace).toBe(5);
    expect(modelState({})).toBeUndefined();
  });
});
