/** How a run ends: stopped, broken, or with its checkpoints. */
import { createLogger, StateError } from '@polygate/core';
import { readSafetensors } from '@polygate/nn';
import * as tf from '@tensorflow/tfjs';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listCheckpoints, train } from '../src/index.ts';
import { readMetrics, runTiny, STEPS, tinyModel, tinyOptions, type TinyBatch } from './tiny-run.ts';

let folder = '';
let count = 0;
const newRun = (): string => join(folder, `run-${(count += 1)}`);

beforeAll(async () => {
  await tf.setBackend('cpu');
  folder = await mkdtemp(join(tmpdir(), 'polygate-train-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('stopping', () => {
  it('finishes the step, writes a checkpoint and says how to go on', async () => {
    const run = newRun();
    const controller = new AbortController();
    const lines: string[] = [];
    const { result } = await runTiny(run, {
      signal: controller.signal,
      logger: createLogger((_, message) => void lines.push(message)),
      callbacks: [
        {
          onStep: ({ step }) => {
            if (step === 7) controller.abort();
          },
        },
      ],
    });
    expect(result).toMatchObject({ status: 'stopped', step: 7 });
    expect(result.checkpoint).toBe(join(run, 'checkpoints', 'step-7'));
    expect(lines.at(-1)).toBe(`stopped after step 7; the same command resumes from ${result.checkpoint}`);
    expect((await readMetrics(run)).at(-1)?.['step']).toBe(7);
    expect((await runTiny(run, {}, 2)).result).toMatchObject({ status: 'finished', resumedFrom: 7 });
  });

  it('does not wait for data that never come', async () => {
    const controller = new AbortController();
    const never = {
      name: 'often',
      weight: 1,
      next: (cursor: number): Promise<TinyBatch> | TinyBatch => {
        if (cursor < 3) return { id: '', x: new Float32Array(20) };
        return new Promise<TinyBatch>(() => {});
      },
    };
    const { result } = await runTiny(newRun(), {
      sources: [never],
      signal: controller.signal,
      // By the next turn of the event loop the fourth step is waiting.
      callbacks: [{ onStep: ({ step }) => void (step === 3 && setImmediate(() => controller.abort())) }],
    });
    expect(result).toMatchObject({ status: 'stopped', step: 3 });
    const aborted = await runTiny(newRun(), { signal: AbortSignal.abort() });
    expect(aborted.result).toMatchObject({ status: 'stopped', step: 0 });
  });
});

describe('what goes wrong', () => {
  it('a loss that is not finite: names step, task and the last good checkpoint, and changes nothing', async () => {
    const run = newRun();
    const model = tinyModel();
    const tensors = tf.memory().numTensors;
    let before = new Float32Array();
    const failure = await train({
      ...tinyOptions(model, run),
      loss: (batch, context) => {
        const result = model.loss(batch, context);
        return context.step === 11 ? { loss: result.loss.mul(NaN) as tf.Scalar } : result;
      },
      callbacks: [
        {
          onStep: async ({ step }) => {
            if (step === 11) before = (await model.parameters.read('shared.weight')) as typeof before;
          },
        },
      ],
    }).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(StateError);
    const { message, code, fields } = failure as StateError;
    expect(code).toBe('loss-not-finite');
    expect(message).toMatch(
      /^train: step 12 \(task "(?:often|rare)"\): expected a finite loss, got NaN; the update was not made/u,
    );
    expect(message).toContain(`the last good checkpoint is ${join(run, 'checkpoints', 'step-10')}`);
    expect(fields).toMatchObject({ step: 12, lastCheckpoint: join(run, 'checkpoints', 'step-10') });
    expect(await model.parameters.read('shared.weight')).toEqual(before);
    expect(tf.memory().numTensors).toBeLessThanOrEqual(tensors + 6);
    model.dispose();
  });

  it('a gradient that is not finite: the same, with the parameter', async () => {
    const model = tinyModel();
    const failure = await train({
      ...tinyOptions(model, newRun()),
      // sqrt at 0 is finite, its slope isn't
      loss: () => ({ loss: model.parameters.get('unused').sub(1).sqrt().sum() as tf.Scalar }),
    }).catch((error: unknown) => error);
    expect((failure as StateError).code).toBe('loss-not-finite');
    expect((failure as StateError).message).toContain('(1 not finite: unused)');
    expect((failure as StateError).message).toContain('there is no checkpoint yet');
    model.dispose();
  });

  it('a source, a loss and a callback that throw pass through and leak nothing', async () => {
    const model = tinyModel();
    const before = tf.memory().numTensors;
    const options = tinyOptions(model, newRun());
    const boom = (): never => {
      throw new Error('boom');
    };
    await expect(train({ ...options, sources: [{ name: 'x', weight: 1, next: boom }] })).rejects.toThrow(
      'boom',
    );
    await expect(
      train({
        ...options,
        sources: [
          {
            name: 'x',
            weight: 1,
            next: async (c: number) => (c > 1 ? boom() : { id: '', x: new Float32Array(20) }),
          },
        ],
      }),
    ).rejects.toThrow('boom');
    model.optimizer.dispose();
    await expect(
      train({
        ...options,
        loss: (batch, context) => {
          model.loss(batch, context);
          return boom();
        },
      }),
    ).rejects.toThrow('boom');
    expect(tf.memory().numTensors).toBe(before);
    model.dispose();
  });

  it('a folder that cannot be written: says so before anything is computed', async () => {
    await writeFile(join(folder, 'file'), '');
    await expect(runTiny(join(folder, 'file', 'run'))).rejects.toThrow(
      /expected to write the file, got ENOTDIR: a part of the path is a file; choose another folder/u,
    );
    // The metrics' name is taken by a folder.
    const run = newRun();
    await mkdir(join(run, 'metrics.jsonl'), { recursive: true });
    await expect(runTiny(run)).rejects.toThrow(
      /write .*metrics\.jsonl: expected to write the file, got EISDIR/u,
    );
  });

  it('settings that cannot be used', async () => {
    await expect(runTiny(newRun(), { steps: 0 })).rejects.toThrow(
      'train: expected steps to be a whole number of at least 1, got 0',
    );
    await expect(runTiny(newRun(), { accumulate: 1.5 })).rejects.toThrow(
      'expected accumulate to be a whole number of at least 1, got 1.5',
    );
    await expect(runTiny(newRun(), { sources: [] })).rejects.toThrow(
      'mixture: expected one or more sources of different names, got []',
    );
  });
});

describe('checkpoints', () => {
  it('hold the files of the caller, and only the last ones stay', async () => {
    const run = newRun();
    const files = { 'config.json': '{"layers":1}', 'tokenizer.json': new TextEncoder().encode('{}') };
    const { result } = await runTiny(run, { files, keepLast: 2 });
    expect((await listCheckpoints(run)).map(({ step }) => step)).toEqual([20, STEPS]);
    expect(await readFile(join(run, 'checkpoints', 'latest', 'config.json'), 'utf8')).toBe('{"layers":1}');
    expect(await readFile(join(result.checkpoint, 'tokenizer.json'), 'utf8')).toBe('{}');
    const { tensors } = await readSafetensors(join(result.checkpoint, 'optimizer.safetensors'));
    expect(tensors.get('count.shared.weight')?.data).toEqual(Int32Array.of(STEPS));
  });

  it('that a killed process had yet to remove go when the run is resumed, also a finished one', async () => {
    const run = newRun();
    await runTiny(run, { keepLast: 2 });
    const checkpoints = join(run, 'checkpoints');
    await cp(join(checkpoints, 'step-20'), join(checkpoints, 'step-10'), { recursive: true });
    expect((await listCheckpoints(run)).map(({ step }) => step)).toEqual([10, 20, STEPS]);
    const { result } = await runTiny(run, { keepLast: 2 });
    expect(result).toMatchObject({ status: 'finished', resumedFrom: STEPS });
    expect((await listCheckpoints(run)).map(({ step }) => step)).toEqual([20, STEPS]);
  });

  it('carry validation results to metrics and callbacks', async () => {
    const run = newRun();
    const heard: unknown[] = [];
    await runTiny(run, {
      steps: 10,
      validateEvery: 4,
      validate: async (step) => ({ accuracy: step / 10 }),
      callbacks: [
        {
          onStart: (resumed) => void heard.push(resumed),
          onValidation: (step, values) => void heard.push([step, values]),
        },
      ],
    });
    expect(heard).toEqual([0, [4, { accuracy: 0.4 }], [8, { accuracy: 0.8 }], [10, { accuracy: 1 }]]);
    expect((await readMetrics(run)).filter(({ kind }) => kind === 'validation')).toEqual([
      { step: 4, kind: 'validation', accuracy: 0.4 },
      { step: 8, kind: 'validation', accuracy: 0.8 },
      { step: 10, kind: 'validation', accuracy: 1 },
    ]);
  });
});
