/** The best checkpoint by a validation score, and runs that end when it no longer improves. */
import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  bestCheckpoint,
  latestCheckpoint,
  listCheckpoints,
  readState,
  type BestOptions,
  type TrainOptions,
} from '../src/index.ts';
import { lossSequence, runTiny, STEPS, type TinyBatch } from './tiny-run.ts';

let folder = '';
let count = 0;
const newRun = (): string => join(folder, `run-${(count += 1)}`);

beforeAll(async () => {
  await tf.setBackend('cpu');
  folder = await mkdtemp(join(tmpdir(), 'polygate-best-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Scores of the validations after steps 2, 4, 6, ... */
const scored = (
  scores: readonly number[],
  best: Partial<BestOptions> = {},
): Partial<TrainOptions<TinyBatch>> => ({
  validateEvery: 2,
  validate: async (step) => ({ score: scores[step / 2 - 1] ?? 0 }),
  best: { name: 'score', better: 'higher', score: ({ score }) => score, ...best },
  keepLast: 1,
  checkpointEvery: 3,
});

const steps = async (run: string): Promise<number[]> => (await listCheckpoints(run)).map(({ step }) => step);

describe('the best checkpoint', () => {
  it('stays beside the last ones', async () => {
    const run = newRun();
    const { result } = await runTiny(run, scored([1, 3, 2, 3, 2]));
    // The first of equal scores; the last step has been validated, too.
    expect(result.best).toEqual({ step: 4, value: 3 });
    expect(result.endedEarly).toBe(false);
    expect(await steps(run)).toEqual([4, STEPS]);
    expect(basename((await bestCheckpoint(run))?.path ?? '')).toBe('step-4');
    expect((await latestCheckpoint(run))?.step).toBe(STEPS);
  });

  it('is the one of the lowest score where lower is better; NaN is never the best', async () => {
    const run = newRun();
    const { result } = await runTiny(run, scored([NaN, 0.5, 0.75, NaN, 0.25], { better: 'lower' }));
    // Scores from step 12 on are 0.
    expect(result.best).toEqual({ step: 12, value: 0 });
    const short = await runTiny(newRun(), { ...scored([NaN, 0.5, 0.75], { better: 'lower' }), steps: 6 });
    expect(short.result.best).toEqual({ step: 4, value: 0.5 });
  });

  it('is none where no score is named, and says so when it is gone', async () => {
    const plain = newRun();
    await runTiny(plain);
    expect(await bestCheckpoint(plain)).toBeUndefined();
    const run = newRun();
    await runTiny(run, scored([1, 3, 2]));
    await rm(join(run, 'checkpoints', 'step-4'), { recursive: true });
    await expect(bestCheckpoint(run)).rejects.toThrow(
      'expected the best one, step-4, in ' +
        join(run, 'checkpoints') +
        ', got none; restore it from a copy, or ask for the last one (--checkpoint last)',
    );
  });
});

describe('a run with patience', () => {
  it('ends when so many validations bring no improvement of the least size, and stays ended', async () => {
    const run = newRun();
    // From 1: 1.4 is the best but no improvement of 0.5, 1.6 is one; then three without.
    const options = scored([1, 1.4, 1.6, 1.6, 1.9, 2, 9], { patience: 3, minimumDelta: 0.5 });
    const { result } = await runTiny(run, options);
    expect(result).toMatchObject({
      status: 'finished',
      endedEarly: true,
      step: 12,
      best: { step: 12, value: 2 },
    });
    const again = await runTiny(run, options);
    expect(again.result).toMatchObject({ status: 'finished', endedEarly: true, step: 12, resumedFrom: 12 });
    // More patience goes on from there.
    const more = await runTiny(run, { ...options, best: { ...(options.best as BestOptions), patience: 99 } });
    expect(more.result).toMatchObject({
      endedEarly: false,
      step: STEPS,
      resumedFrom: 12,
      best: { step: 14, value: 9 },
    });
  });

  it('refuses a patience that is none', async () => {
    await expect(runTiny(newRun(), scored([1], { patience: 0 }))).rejects.toThrow(
      'expected a patience of at least 1 validation, got 0; leave it out to train to the end',
    );
    await expect(runTiny(newRun(), scored([1], { patience: 1, minimumDelta: -1 }))).rejects.toThrow(
      'expected a minimumDelta of at least 0, got -1',
    );
  });

  it('keeps and ends as one never killed', async () => {
    class Killed extends Error {}
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: 4 }), { minLength: STEPS / 2, maxLength: STEPS / 2 }),
        fc.array(fc.record({ at: fc.integer({ min: 1, max: STEPS }), writing: fc.boolean() }), {
          maxLength: 3,
        }),
        async (scores, deaths) => {
          const options = scored(scores, { patience: 3 });
          const whole = newRun();
          const reference = await runTiny(whole, options);
          const run = newRun();
          for (const { at, writing } of deaths) {
            let made = 0;
            const dying: Partial<TrainOptions<TinyBatch>> = {
              callbacks: [
                {
                  onStep: ({ step }) => {
                    made = step;
                    if (!writing && step >= at) throw new Killed();
                  },
                },
              ],
              extraState: {
                save: () => {
                  if (writing && made >= at) throw new Killed();
                },
                restore: () => {},
              },
            };
            await runTiny(run, { ...options, ...dying }).catch((error: unknown) => {
              if (!(error instanceof Killed)) throw error;
            });
          }
          const { result, weights } = await runTiny(run, options);
          expect(result).toMatchObject({
            step: reference.result.step,
            endedEarly: reference.result.endedEarly,
            best: reference.result.best,
          });
          expect(weights).toEqual(reference.weights);
          expect(await lossSequence(run)).toEqual(await lossSequence(whole));
          expect((await bestCheckpoint(run))?.step).toBe(reference.result.best?.step);
          const stateOf = async (of: string) => {
            const latest = await latestCheckpoint(of);
            return latest && (await readState(latest)).best;
          };
          expect(await stateOf(run)).toEqual(await stateOf(whole));
        },
      ),
      { numRuns: 6 },
    );
  });
});
