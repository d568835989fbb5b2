import { parseRecipe } from '@polygate/generalist';
import { describe, expect, it } from 'vitest';
import { planTraining } from './training-plan.ts';

const sources = { sources: [{ name: 'task', size: 100 }], batchSizes: { task: 10 } };

describe('the plan of a recipe', () => {
  it('has the schedule of the published fine-tuning: linear warm-up, then half a cosine', () => {
    // Captions of COCO: 10,000 steps at 2e-5, 500 of them warm-up, down to 1e-6.
    const { steps, schedule } = planTraining(
      parseRecipe({
        steps: '10000 steps',
        optimizer: { learningRate: 2e-5 },
        schedule: { kind: 'warmup-cosine', warmup: '500 steps', minimum: 1e-6 },
      }),
      sources,
    );
    expect(steps).toBe(10_000);
    // The first update has 1 / 500 of the rate, the 250th a half; 4,750 steps on from the warm-up the cosine is at its middle.
    for (const [step, rate] of [
      [0, 4e-8],
      [249, 1e-5],
      [499, 2e-5],
      [5249, 1.05e-5],
      [9999, 1e-6],
    ] as const) {
      expect(schedule(step) / rate, `step ${step}`).toBeCloseTo(1, 9);
    }
  });

  it('has the schedule of the published prompt tuning: linear warm-up, then one rate', () => {
    const { schedule } = planTraining(
      parseRecipe({
        steps: '5000 steps',
        optimizer: { learningRate: 1e-3 },
        schedule: { kind: 'constant', warmup: '500 steps' },
      }),
      sources,
    );
    expect([0, 249, 499, 4999].map((step) => schedule(step) * 1e6)).toEqual(
      [2, 500, 1000, 1000].map((rate) => expect.closeTo(rate, 6)),
    );
  });
});
