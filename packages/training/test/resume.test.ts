import { createLogger } from '@polygate/core';
import { selectEngine } from '@polygate/tensor';
import fc from 'fast-check';
import { mkdir, mkdtemp, readdir, readFile, readlink, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { latestCheckpoint, METRICS_FILE, readState, type TrainOptions } from '../src/index.ts';
import { lossSequence, runTiny, STEPS, type TinyBatch } from './tiny-run.ts';

let folder = '';
let count = 0;
const newRun = (): string => join(folder, `run-${(count += 1)}`);

beforeAll(async () => {
  await selectEngine({ engine: 'wasm' });
  folder = await mkdtemp(join(tmpdir(), 'polygate-resume-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

class Killed extends Error {}

/** Dies at a moment of the run: after an update, after a checkpoint, or while one is being written. */
interface Death {
  readonly at: number;
  readonly moment: 'step' | 'checkpoint' | 'writing';
}

const dying = ({ at, moment }: Death): Partial<TrainOptions<TinyBatch>> => {
  const die = (step: number): void => {
    if (step >= at) throw new Killed();
  };
  if (moment === 'step') return { callbacks: [{ onStep: ({ step }) => die(step) }] };
  if (moment === 'checkpoint') return { callbacks: [{ onCheckpoint: (step) => die(step) }] };
  let step = 0;
  return {
    callbacks: [{ onStep: (report) => void (step = report.step) }],
    extraState: { save: () => die(step), restore: () => {} },
  };
};

const validation: Partial<TrainOptions<TinyBatch>> = {
  validateEvery: 4,
  validate: async (step) => ({ score: step / 2 }),
};

describe('a run that is killed and resumed', () => {
  it('gives the losses and weights of one that never was, bit for bit', async () => {
    const whole = newRun();
    const reference = await runTiny(whole, { ...validation, accumulate: 2 });
    const losses = await lossSequence(whole);
    expect(losses).toHaveLength(STEPS + STEPS / 4);
    const death = fc.record({
      at: fc.integer({ min: 1, max: STEPS }),
      moment: fc.constantFrom<Death['moment']>('step', 'checkpoint', 'writing'),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(death, { minLength: 1, maxLength: 4 }), async (deaths) => {
        const run = newRun();
        // Every process after the first checkpoint starts from other weights: only the checkpoint can bring back the right ones.
        const start = async (): Promise<number> => ((await latestCheckpoint(run)) ? 999 : 1);
        for (const each of deaths) {
          const life = runTiny(run, { ...validation, accumulate: 2, ...dying(each) }, await start());
          await life.catch((error: unknown) => {
            if (!(error instanceof Killed)) throw error;
          });
        }
        const { result, weights } = await runTiny(run, { ...validation, accumulate: 2 }, await start());
        expect(result.step).toBe(STEPS);
        expect(await lossSequence(run)).toEqual(losses);
        expect(weights).toEqual(reference.weights);
      }),
      { numRuns: 12 },
    );
  });

  it('is not misled by what a dead process left behind', async () => {
    const whole = newRun();
    const reference = await runTiny(whole);
    const run = newRun();
    await expect(runTiny(run, dying({ at: 17, moment: 'step' }))).rejects.toThrow(Killed);
    const checkpoints = join(run, 'checkpoints');
    // Half a checkpoint, and one that was complete before `latest` could be moved to it.
    await mkdir(join(checkpoints, '.step-20.00000000-0000-4000-8000-000000000000.tmp'));
    await writeFile(
      join(checkpoints, '.step-20.00000000-0000-4000-8000-000000000000.tmp', 'state.json'),
      '{"st',
    );
    await rm(join(checkpoints, 'latest'));
    await symlink('step-10', join(checkpoints, 'latest'));
    const { result, weights } = await runTiny(run, {}, 77);
    expect(result.resumedFrom).toBe(10);
    expect(weights).toEqual(reference.weights);
    expect(await lossSequence(run)).toEqual(await lossSequence(whole));
    expect((await readdir(checkpoints)).sort()).toEqual(['latest', `step-15`, `step-20`, `step-${STEPS}`]);
    expect(await readlink(join(checkpoints, 'latest'))).toBe(`step-${STEPS}`);
  });

  it('says which of its metrics are damaged or gone, and goes on', async () => {
    const run = newRun();
    await expect(runTiny(run, dying({ at: 12, moment: 'step' }))).rejects.toThrow(Killed);
    const path = join(run, METRICS_FILE);
    const lines = (await readFile(path, 'utf8')).split('\n');
    const warned: string[] = [];
    const logger = createLogger((_, message) => warned.push(message));
    await writeFile(path, lines.map((line, i) => (i === 2 ? line.slice(1) : line)).join('\n'));
    await expect(runTiny(run, { logger, ...dying({ at: 12, moment: 'step' }) })).rejects.toThrow(Killed);
    expect(warned).toContain(
      `${path}:3: expected records of the run, got damaged lines; they stay, and figures leave them out`,
    );
    expect((await readFile(path, 'utf8')).split('\n')).toHaveLength(lines.length);
    await rm(path);
    await runTiny(run, { logger });
    expect(warned).toContain(
      `${path}: expected records up to step 10, got none; the run goes on, and figures lack those steps: restore the file from a copy if there is one`,
    );
  });

  it('takes the newest checkpoint when latest points nowhere or is a text file', async () => {
    const run = newRun();
    await expect(runTiny(run, dying({ at: 12, moment: 'step' }))).rejects.toThrow(Killed);
    const latest = join(run, 'checkpoints', 'latest');
    await rm(latest);
    await symlink('step-999', latest);
    expect((await latestCheckpoint(run))?.step).toBe(10);
    await rm(latest);
    await writeFile(latest, 'step-5\n');
    expect((await latestCheckpoint(run))?.step).toBe(5);
  });

  it('may have its tasks weighted anew: no batch comes twice, none is left out', async () => {
    const run = newRun();
    const seen: string[] = [];
    const watched = (weights: Readonly<Record<string, number>>) =>
      Object.entries(weights).map(([name, weight]) => ({
        name,
        weight,
        next: (cursor: number): TinyBatch => ({
          id: `${name}/${cursor}`,
          x: new Float32Array(20).fill(cursor / 10),
        }),
      }));
    const note = (options: Partial<TrainOptions<TinyBatch>>): Partial<TrainOptions<TinyBatch>> => ({
      ...options,
      measure: ({ id }) => {
        seen.push(id);
        return { samples: 1 };
      },
    });
    await runTiny(run, note({ sources: watched({ often: 1, rare: 1 }), steps: 10 }));
    await runTiny(run, note({ sources: watched({ often: 1, rare: 9 }), steps: 20 }), 3);
    await runTiny(run, note({ sources: watched({ often: 1 }), steps: 22 }), 4);
    const { weights } = await runTiny(
      run,
      note({ sources: watched({ often: 1, rare: 1 }), steps: STEPS }),
      5,
    );
    expect(weights.every(Number.isFinite)).toBe(true);
    for (const name of ['often', 'rare']) {
      const ids = seen.filter((id) => id.startsWith(name));
      expect(ids).toEqual(ids.map((_, cursor) => `${name}/${cursor}`));
    }
    expect(seen).toHaveLength(STEPS);
  });

  it('keeps what the caller keeps', async () => {
    const run = newRun();
    let counter = 0;
    const counting = { onStep: () => void (counter += 1) };
    const extraState = {
      save: () => ({ counter }),
      restore: (value: unknown) => void ({ counter } = value as { counter: number }),
    };
    await expect(
      runTiny(run, {
        extraState,
        callbacks: [
          counting,
          {
            onStep: ({ step }) => {
              if (step === 13) throw new Killed();
            },
          },
        ],
      }),
    ).rejects.toThrow(Killed);
    counter = 0;
    await runTiny(run, { extraState, callbacks: [counting] }, 8);
    expect(counter).toBe(STEPS);
    const checkpoint = await latestCheckpoint(run);
    const state = await readState(checkpoint as { step: number; path: string });
    expect(state.extra).toEqual({ counter: STEPS });
    expect(state).toMatchObject({ version: 2, step: STEPS, seed: 5, samples: 5 * STEPS, tokens: 20 * STEPS });
    expect(Object.values(state.cursors).reduce((a, b) => a + b, 0)).toBe(STEPS);
  });
});

describe('what the caller keeps', () => {
  it('is refused where JSON would make something else of it', async () => {
    for (const [extra, text] of [
      [{ pace: 10n }, 'train: extraState.save(): expected what JSON can hold as "pace", got 10n'],
      [{ best: [NaN] }, 'train: extraState.save(): expected a finite number as "best.0", got NaN'],
    ] as const) {
      const extraState = { save: () => extra, restore: () => undefined };
      await expect(runTiny(newRun(), { extraState }, 8)).rejects.toThrow(text);
    }
  });
});

describe('resuming that cannot be', () => {
  it('is refused with the reason', async () => {
    const run = newRun();
    await expect(runTiny(run, { resume: 'must' })).rejects.toThrow(
      /expected a checkpoint in .*, got none; check the folder/u,
    );
    await runTiny(run, { steps: 6 });
    await expect(runTiny(run, { resume: 'never' })).rejects.toThrow(
      /expected a new run at .*, got one with a checkpoint of step 6; resume it or choose another folder/u,
    );
    await expect(runTiny(run, { seed: 6 })).rejects.toThrow(
      /expected the run's seed 5 at .*, got 6; resume with that seed/u,
    );
    await expect(runTiny(run, { steps: 3 })).rejects.toThrow('expected at least the 6 steps that the run at');
    await writeFile(join(run, 'checkpoints', 'step-6', 'state.json'), '{"version":4}');
    await expect(runTiny(run)).rejects.toThrow('expected a state of version 1 to 3, got 4');
    await writeFile(
      join(run, 'checkpoints', 'step-6', 'state.json'),
      '{"version":1,"step":6,"seed":5,"samples":1,"tokens":1,"cursors":{"often":-1}}',
    );
    await expect(runTiny(run)).rejects.toThrow('expected whole numbers of at least 0');
    await writeFile(join(run, 'checkpoints', 'step-6', 'state.json'), '{');
    await expect(runTiny(run)).rejects.toThrow('expected JSON, got');
    await rm(join(run, 'checkpoints', 'step-6', 'state.json'));
    await expect(runTiny(run)).rejects.toThrow(
      /expected a readable .*state\.json, got ENOENT; restore it from a copy, use another checkpoint \(--checkpoint step-N\), or resume from the last good/u,
    );
  });
});
