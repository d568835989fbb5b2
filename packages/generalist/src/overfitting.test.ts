import { describe, expect, it } from 'vitest';
import { describeOverfitting, overfittingOf } from './overfitting.ts';

/** Ten steps between validations; training losses of a task, then its held-out loss, for each stretch. */
async function* records(stretches: readonly (readonly [training: number, heldOut: number])[], task = 'a/b') {
  let step = 0;
  for (const [training, heldOut] of stretches) {
    for (let i = 0; i < 10; i += 1) {
      step += 1;
      // Every other step is another task's, and losses swing by a tenth.
      const isTask = i % 2 === 0;
      yield {
        step,
        kind: 'train',
        task: isTask ? task : 'other',
        loss: isTask ? training + (i % 4 === 0 ? 0.1 : -0.1) : 9,
      };
    }
    yield undefined;
    yield {
      step,
      kind: 'validation',
      [`${task}/validation/loss`]: heldOut,
      [`${task}/validation/accuracy`]: 1,
    };
  }
}

describe('overfitting', () => {
  it('is a held-out loss that rises while the training loss falls', async () => {
    const [overfitting, ...others] = await overfittingOf(
      records([
        [2, 2.1],
        [1.5, 1.8],
        [1, 1.9],
        [0.5, 2.2],
      ]),
    );
    expect(others).toEqual([]);
    // Of each stretch five losses are the task's: 3 x + 0.1 and 2 x - 0.1, so the mean is 0.02 higher.
    expect(overfitting).toMatchObject({ task: 'a/b', split: 'validation', bestStep: 20, lastStep: 40 });
    expect(overfitting?.heldOut).toEqual({ best: 1.8, last: 2.2 });
    expect(overfitting?.training.best).toBeCloseTo(1.52, 9);
    expect(overfitting?.training.last).toBeCloseTo(0.52, 9);
    expect(overfitting && describeOverfitting(overfitting)).toBe(
      'overfitting: a/b: the held-out loss (validation) was lowest after step 20 (1.80) and is 2.20 after step 40, while the training loss fell from 1.52 to 0.520',
    );
  });

  it.each([
    [
      'both fall',
      [
        [2, 2.1],
        [1.5, 1.8],
        [1, 1.7],
      ],
    ],
    [
      'both rise',
      [
        [1, 1],
        [1.5, 1.2],
        [2, 1.4],
      ],
    ],
    [
      'the rise is one swing of the last validations',
      [
        [2, 2],
        [1.5, 1.8],
        [1, 2.2],
        [0.5, 1.81],
      ],
    ],
    [
      'the rise is within noise',
      [
        [2, 2],
        [1.5, 1.8],
        [1, 1.82],
        [0.5, 1.83],
      ],
    ],
    ['there is one validation', [[2, 2]]],
  ] as const)('is not where %s', async (_, stretches) => {
    expect(await overfittingOf(records(stretches))).toEqual([]);
  });
});
