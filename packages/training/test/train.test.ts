import { createRandom, createLogger, memoryMetricSink, silentProgress, StateError } from '@polygate/core';
import { MovingAverage, readSafetensors } from '@polygate/nn';
import { plainProgress } from '@polygate/terminal';
import { selectEngine } from '@polygate/tensor';
import * as tf from '@tensorflow/tfjs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { train, type StepReport, type TrainOptions } from '../src/index.ts';
import { readMetrics, runTiny, STEPS, tinyModel, tinyOptions, type TinyBatch } from './tiny-run.ts';

let folder = '';
let count = 0;
const newRun = (): string => join(folder, `run-${(count += 1)}`);

beforeAll(async () => {
  await selectEngine({ engine: 'wasm' });
  folder = await mkdtemp(join(tmpdir(), 'polygate-train-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('train', () => {
  it('makes the update that a hand computes', async () => {
    // loss = weight^2 with weight 3 of task weight 0.5: reported loss 9, gradient 0.5 2 3 = 3, clipped by 1.5 to 1.5.
    // AdamW's first update moves by lr g / |g| = 0.1 (and decays bias by nothing): 2.9.
    const { allocateParameters, AdamW, constant } = await import('@polygate/nn');
    const spec = { name: 'p', shape: [], initializer: { kind: 'constant', value: 3 }, role: 'bias' } as const;
    using parameters = allocateParameters([spec], createRandom(1));
    using optimizer = new AdamW(parameters, { epsilon: 1e-12 });
    const reports: StepReport[] = [];
    await train({
      parameters,
      optimizer,
      schedule: constant({ base: 0.1 }),
      sources: [{ name: 'only', weight: 1, lossWeight: 0.5, next: () => 1 }],
      loss: () => ({ loss: parameters.get('p').square().sum() as tf.Scalar }),
      steps: 1,
      seed: 1,
      clipNorm: 1.5,
      runDirectory: newRun(),
      callbacks: [{ onStep: (report) => void reports.push(report) }],
    });
    expect(reports[0]).toMatchObject({
      step: 1,
      task: 'only',
      loss: 9,
      gradientNorm: 3,
      learningRate: 0.1,
      samples: 1,
    });
    expect((await parameters.read('p'))[0]).toBeCloseTo(2.9, 5);
    // the second moment saw the clipped gradient: 0.02 1.5^2 = 0.045
    expect((await optimizer.state().get('p')?.slots['v']?.data())?.[0]).toBeCloseTo(0.045, 6);
  });

  it('accumulates to the mean gradient of the batches', async () => {
    // Batches 1, 2, 6 with loss = batch p: gradients 1, 2, 6, mean 3; losses 3, 6, 18, mean 9.
    const { allocateParameters, AdamW, constant } = await import('@polygate/nn');
    const spec = { name: 'p', shape: [], initializer: { kind: 'constant', value: 3 }, role: 'bias' } as const;
    using parameters = allocateParameters([spec], createRandom(1));
    using optimizer = new AdamW(parameters);
    const reports: StepReport[] = [];
    await train({
      parameters,
      optimizer,
      schedule: constant({ base: 0 }),
      sources: [{ name: 'only', weight: 1, next: (cursor) => [1, 2, 6][cursor] as number }],
      loss: (batch) => {
        const loss = parameters.get('p').mul(batch).sum() as tf.Scalar;
        return { loss, metrics: { twice: loss.mul(2) as tf.Scalar, same: loss } };
      },
      steps: 1,
      seed: 1,
      accumulate: 3,
      runDirectory: newRun(),
      measure: (batch) => ({ samples: batch }),
      callbacks: [{ onStep: (report) => void reports.push(report) }],
    });
    expect(reports[0]).toMatchObject({
      loss: 9,
      gradientNorm: 3,
      samples: 9,
      metrics: { twice: 18, same: 9 },
    });
  });

  describe('accumulates batches that are means over different numbers of rows', () => {
    // Means 1, 2 and 6 times p = 3, over 2, 0 and 6 rows: (2 * 1 + 6 * 6) / 8 = 4.75; loss 14.25. The term "extra" is a
    // mean of 8 times p over 1, 1 and 0 tokens, of 0 otherwise: (1 * 8 + 1 * 8 + 0) / 2 = 8; loss 24.
    const rows = [2, 0, 6];
    const extra = { sums: [8, 8, 0], tokens: [1, 1, 0] };
    const means = [1, 2, 6];
    const run = async (rest: Partial<TrainOptions<number>>, terms: boolean) => {
      const { allocateParameters, AdamW, constant } = await import('@polygate/nn');
      const spec = {
        name: 'p',
        shape: [],
        initializer: { kind: 'constant', value: 3 },
        role: 'bias',
      } as const;
      using parameters = allocateParameters([spec], createRandom(1));
      using optimizer = new AdamW(parameters);
      const reports: StepReport[] = [];
      const before = tf.memory().numTensors;
      await train({
        parameters,
        optimizer,
        schedule: constant({ base: 0 }),
        sources: [{ name: 'only', weight: 1, lossWeight: 0.5, next: (cursor) => cursor }],
        loss: (batch) => {
          const p = parameters.get('p');
          const taskLoss = p.mul(means[batch] ?? NaN).sum() as tf.Scalar;
          const more = p.mul(extra.sums[batch] ?? NaN).sum() as tf.Scalar;
          return terms
            ? {
                loss: tf.add(taskLoss, more),
                terms: { loss: taskLoss, extra: more },
                metrics: { own: taskLoss, extra: more },
              }
            : { loss: taskLoss, weight: rows[batch] ?? NaN, metrics: { own: taskLoss } };
        },
        steps: 1,
        seed: 1,
        accumulate: 3,
        runDirectory: newRun(),
        callbacks: [{ onStep: (report) => void reports.push(report) }],
        ...rest,
      });
      // Both moments of the one parameter stay.
      expect(tf.memory().numTensors).toBe(before + 2);
      return reports[0] as StepReport;
    };

    it('by the weights that results tell', async () => {
      const { loss, gradientNorm, metrics } = await run({}, false);
      expect(loss).toBeCloseTo(14.25, 6);
      // half of the mean: the task's loss weight
      expect(gradientNorm).toBeCloseTo(2.375, 6);
      expect(metrics['own']).toBeCloseTo(14.25, 6);
    });

    it('each of several means by its own weights, where they are known before', async () => {
      const weights = (batch: number) => ({ loss: rows[batch] ?? NaN, extra: extra.tokens[batch] ?? NaN });
      const { loss, gradientNorm, metrics } = await run({ weights }, true);
      expect(loss).toBeCloseTo(14.25 + 24, 6);
      expect(gradientNorm).toBeCloseTo((4.75 + 8) / 2, 6);
      expect(metrics['own']).toBeCloseTo(14.25, 6);
      expect(metrics['extra']).toBeCloseTo(24, 6);
    });

    it('gives nothing for means over nothing, and refuses what is no weight', async () => {
      const nothing = await run({ weights: () => ({ loss: 0 }) }, false);
      expect([nothing.loss, nothing.gradientNorm]).toEqual([0, 0]);
      await expect(run({ weights: () => ({ loss: -1 }) }, false)).rejects.toThrow(
        'train: expected the loss of task "only" to be a mean over a weight of at least 0, got -1; give the number of rows or words that it is the mean of',
      );
    });
  });

  it('says which step has a router whose logits are not finite', async () => {
    const model = tinyModel();
    const broken = train({
      ...tinyOptions(model, newRun()),
      loss: () => {
        throw new StateError('router: expected logits that have a softmax, got NaN', {
          code: 'logits-not-finite',
        });
      },
    });
    await expect(broken).rejects.toMatchObject({
      code: 'loss-not-finite',
      message: expect.stringMatching(/^train: step 1 \(task "[a-z]+"\): router: expected logits that have a/),
    });
    model.dispose();
  });

  it('writes the records of a loss behind the step that they belong to, of every batch', async () => {
    const run = newRun();
    const model = tinyModel();
    await train({
      ...tinyOptions(model, run),
      steps: 2,
      accumulate: 2,
      loss: (batch, context) => ({
        ...model.loss(batch, context),
        ...(context.step === 1
          ? { records: [{ kind: 'extra', values: { of: batch.id.split('/')[0] } }] }
          : {}),
      }),
    });
    model.dispose();
    const lines = await readMetrics(run);
    expect(lines.map(({ step, kind }) => [step, kind])).toEqual([
      [1, 'train'],
      [2, 'train'],
      [2, 'extra'],
      [2, 'extra'],
    ]);
    expect(lines[2]).toEqual({ step: 2, kind: 'extra', of: lines[1]?.['task'] });
  });

  it('lowers the loss, draws tasks by the root of their size, and records every step', async () => {
    const run = newRun();
    const sink = memoryMetricSink();
    const lines: string[] = [];
    const logger = createLogger((_, message) => void lines.push(message));
    const { result } = await runTiny(run, {
      steps: 200,
      metrics: sink,
      logger,
      progress: plainProgress(logger),
      schedule: () => 0.05,
    });
    expect(result).toMatchObject({ status: 'finished', step: 200, resumedFrom: 0 });
    const metrics = await readMetrics(run);
    expect(metrics.map(({ step }) => step)).toEqual(Array.from({ length: 200 }, (_, i) => i + 1));
    expect(sink.records).toHaveLength(200);
    expect(Object.keys(metrics[0] ?? {}).sort()).toEqual(
      ['computeMs', 'dataMs', 'gradientNorm', 'kind', 'learningRate', 'loss', 'optimizerMs', 'rows', 'rssMb', 'samples', 'spread', 'step', 'task', 'tensors', 'tokens'], // prettier-ignore
    );
    const mean = (part: readonly Readonly<Record<string, unknown>>[]): number =>
      part.reduce((sum, { loss }) => sum + (loss as number), 0) / part.length;
    expect(mean(metrics.slice(-40))).toBeLessThan(0.6 * mean(metrics.slice(0, 40)));
    // sqrt(90) : sqrt(10) = 3 : 1, so 50 of 200 are rare; deviation sqrt(200 3/16) = 6.1
    const rare = metrics.filter(({ task }) => task === 'rare').length;
    expect(Math.abs(rare - 50)).toBeLessThan(25);
    expect(lines[0]).toMatch(/^training 19 parameters for 200 steps into /u);
    expect(lines[1]).toMatch(
      /^step 1\/200 \| loss (?:often|rare) \d\.\d{3} \| .* samples\/s \| .* tokens\/s \| ETA /u,
    );
    expect(lines.filter((line) => line.startsWith('step '))).toHaveLength(5);
  });

  it('leaves parameters that no loss reaches alone', async () => {
    const model = tinyModel();
    const sources = tinyOptions(model, '').sources.filter(({ name }) => name === 'often');
    const before = await model.parameters.read('expert.weight');
    await train({ ...tinyOptions(model, newRun()), sources });
    expect(await model.parameters.read('expert.weight')).toEqual(before);
    expect([...model.optimizer.state().keys()]).toEqual(['shared.weight', 'shared.bias']);
    model.dispose();
  });

  it('holds the tensor count and bytes flat over 500 steps', async () => {
    const model = tinyModel();
    const average = new MovingAverage(model.parameters, { decay: 0.9 });
    const counts: number[] = [];
    const bytes: number[] = [];
    const before = tf.memory().numTensors;
    await train({
      ...tinyOptions(model, newRun()),
      steps: 500,
      schedule: () => 1e-3,
      checkpointEvery: 200,
      accumulate: 2,
      average,
      progress: silentProgress,
      callbacks: [
        {
          onStep: ({ tensors }) => {
            counts.push(tensors);
            bytes.push(tf.memory().numBytes);
          },
        },
      ],
    });
    // Once both tasks have been seen all moments exist: two more tensors for each of the three parameters in use.
    expect(new Set(counts.slice(20))).toEqual(new Set([before + 6]));
    expect(new Set(bytes.slice(20)).size).toBe(1);
    expect(tf.memory().numTensors).toBe(before + 6);
    average.dispose();
    model.dispose();
  });

  it('yields to the event loop at every step', async () => {
    let turns = 0;
    let running = true;
    const tick = (): void => {
      turns += 1;
      if (running) setImmediate(tick);
    };
    setImmediate(tick);
    const seen: number[] = [];
    await runTiny(newRun(), { callbacks: [{ onStep: () => void seen.push(turns) }] });
    running = false;
    expect(seen.slice(1).every((value, i) => value > (seen[i] as number))).toBe(true);
  });

  it('fetches the next batch while the present one computes', async () => {
    const events: string[] = [];
    const model = tinyModel();
    const options = tinyOptions(model, newRun());
    await train({
      ...options,
      steps: 3,
      sources: [
        {
          name: 'often',
          weight: 1,
          next: (cursor: number): TinyBatch => {
            events.push(`fetch ${cursor}`);
            return { id: '', x: new Float32Array(20) };
          },
        },
      ],
      loss: (batch, context) => {
        events.push(`loss ${context.step}`);
        return model.loss(batch, context);
      },
    });
    expect(events).toEqual(['fetch 0', 'fetch 1', 'loss 0', 'fetch 2', 'loss 1', 'loss 2']);
    model.dispose();
  });
});

describe('the average', () => {
  it('is stored beside the model and goes on after a resume', async () => {
    const run = async (directory: string, parts: readonly number[]): Promise<Float32Array> => {
      let last = new Float32Array();
      for (const [i, steps] of parts.entries()) {
        const model = tinyModel(i + 1);
        using average = new MovingAverage(model.parameters, { decay: 0.8 });
        const { checkpoint } = await train({ ...tinyOptions(model, directory), steps, average });
        const stored = await readSafetensors(join(checkpoint, 'average.safetensors'));
        last = stored.tensors.get('shared.weight')?.data as Float32Array<ArrayBuffer>;
        expect(last).toEqual(await average.averages.read('shared.weight'));
        expect(last).not.toEqual(await model.parameters.read('shared.weight'));
        model.dispose();
      }
      return last;
    };
    expect(await run(newRun(), [7, STEPS])).toEqual(await run(newRun(), [STEPS]));
  });
});

describe('the average of a run', () => {
  it('takes in the parameters after every update', async () => {
    const model = tinyModel();
    using average = new MovingAverage(model.parameters, { decay: 0.75 });
    let expected = await model.parameters.read('shared.weight');
    const follow = async (): Promise<void> => {
      const now = await model.parameters.read('shared.weight');
      expected = expected.map((value, i) => 0.75 * value + 0.25 * (now[i] as number));
    };
    await train({ ...tinyOptions(model, newRun()), average, callbacks: [{ onStep: follow }] });
    (await average.averages.read('shared.weight')).forEach((value, i) =>
      expect(value).toBeCloseTo(expected[i] as number, 5),
    );
    expect(expected).not.toEqual(await model.parameters.read('shared.weight'));
    model.dispose();
  });
});
