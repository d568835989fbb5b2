/** Replayed steps of a small model: equal to plain ones, and what of a loss function is found out. */
import { createRandom, type Logger, type Random } from '@polygate/core';
import { AdamW, allocateParameters } from '@polygate/nn';
import { hostTensor, probeEngines, selectEngine } from '@polygate/tensor';
import * as tf from '@tensorflow/tfjs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { train, type LossContext, type LossResult } from '../src/index.ts';

const isTorchHere = (await probeEngines()).some(({ name, available }) => name === 'torch' && available);

interface Batch {
  readonly x: Float32Array;
}

const STEPS = 12;

let scratch = '';
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'polygate-replay-'));
});
afterAll(async () => {
  await rm(scratch, { recursive: true, force: true });
});

type Loss = (batch: Batch, context: LossContext, weight: tf.Variable) => LossResult;

const made = ({ x }: Batch): tf.Tensor2D => hostTensor<tf.Rank.R2>(() => x, [4, 3]);
const meanOf = (x: tf.Tensor, weight: tf.Variable): tf.Scalar =>
  tf.mean(tf.square(tf.mul(tf.sub(x, 2), weight))) as tf.Scalar;

const run = async (loss: Loss, replay: boolean, rows: (cursor: number) => number = () => 4) => {
  const lines: string[] = [];
  const keep = (line: string): void => void lines.push(line);
  const logger: Logger = { debug: keep, info: keep, warn: keep, error: keep };
  const parameters = allocateParameters(
    [{ name: 'weight', shape: [3], initializer: { kind: 'ones' }, role: 'weight' }],
    createRandom(1),
  );
  const optimizer = new AdamW(parameters, { learningRate: 0.1 });
  const losses: number[] = [];
  const metrics: unknown[] = [];
  try {
    await train<Batch>({
      parameters,
      optimizer,
      schedule: (step) => 0.1 / (step + 1),
      sources: [
        {
          name: 'numbers',
          size: 10,
          next: (cursor: number, { random }: { readonly random: Random }): Batch => ({
            x: Float32Array.from({ length: rows(cursor) * 3 }, () => random.normal()),
          }),
        },
      ],
      loss: (batch, context) => loss(batch, context, parameters.get('weight')),
      steps: STEPS,
      seed: 3,
      runDirectory: await mkdtemp(join(scratch, 'run-')),
      callbacks: [{ onStep: (report) => void (losses.push(report.loss), metrics.push(report.metrics)) }],
      logger,
      ...(replay ? { replay: { key: () => 'mean' } } : {}),
    });
    return { losses, metrics, weight: [...(await parameters.read('weight'))], lines };
  } finally {
    optimizer.dispose();
    parameters.dispose();
  }
};

const told = (lines: readonly string[]): string => lines.filter((line) => /replayed/u.test(line)).join('\n');

describe.skipIf(!isTorchHere)('replay', () => {
  beforeAll(async () => {
    await selectEngine({ engine: 'torch', threads: 1 });
  });

  it('gives the losses, metrics and weights of plain steps', async () => {
    const loss: Loss = (batch, { random }, weight) => {
      const stream = random.fork('noise');
      const noise = hostTensor<tf.Rank.R1>(
        () => Float32Array.from({ length: 3 }, () => stream.normal()),
        [3],
      );
      const x = tf.add(made(batch), noise);
      return { loss: meanOf(x, weight), metrics: { largest: tf.max(x) as tf.Scalar } };
    };
    const before = tf.memory().numTensors;
    const [plain, replayed] = [await run(loss, false), await run(loss, true)];
    expect(replayed.losses).toEqual(plain.losses);
    expect(replayed.metrics).toEqual(plain.metrics);
    expect(replayed.weight).toEqual(plain.weight);
    // One plain step, one that is recorded, two that check.
    expect(told(replayed.lines)).toBe('8 of 12 steps were replayed');
    expect(new Set(plain.losses).size).toBe(STEPS);
    expect(tf.memory().numTensors).toBe(before);
  });

  it('finds host values that were made before they are asked for', async () => {
    const loss: Loss = (batch, _, weight) => {
      const doubled = batch.x.map((value) => 2 * value);
      return {
        loss: meanOf(
          hostTensor<tf.Rank.R2>(() => doubled, [4, 3]),
          weight,
        ),
      };
    };
    const [plain, replayed] = [await run(loss, false), await run(loss, true)];
    expect(replayed.losses).toEqual(plain.losses);
    expect(told(replayed.lines)).toBe(
      'task numbers: its steps are not replayed: what it computes hangs on more than the layout of a batch and its values\n0 of 12 steps were replayed',
    );
  });

  it('finds numbers that change from step to step', async () => {
    const loss: Loss = (batch, { step }, weight) => ({ loss: tf.mul(meanOf(made(batch), weight), 1 + step) });
    const [plain, replayed] = [await run(loss, false), await run(loss, true)];
    expect(replayed.losses).toEqual(plain.losses);
    expect(told(replayed.lines)).toContain('hangs on more than the layout');
  });

  it('computes plainly, with the reason, what takes host values or reads beside it', async () => {
    const uploads = await run(({ x }, _, weight) => ({ loss: meanOf(tf.tensor2d(x, [4, 3]), weight) }), true);
    expect(told(uploads.lines)).toMatch(
      /^task numbers: its steps are not replayed: host values of shape \[4, 3\] become a tensor at .*replay\.test\.ts/u,
    );
    const draws = await run((batch, { random }, weight) => {
      const shift = random.next();
      return { loss: meanOf(tf.add(made(batch), shift), weight) };
    }, true);
    expect(told(draws.lines)).toContain('the randomness of the step itself is drawn from');
    const numbers = await run(
      (batch, _, weight) => ({ loss: meanOf(made(batch), weight), metrics: { first: batch.x[0] ?? 0 } }),
      true,
    );
    expect(told(numbers.lines)).toContain('its metric first is a number that the loss function computed');
    expect(numbers.losses).toHaveLength(STEPS);
  });

  it('records each layout of its own', async () => {
    const loss: Loss = ({ x }, _, weight) => ({
      loss: meanOf(
        hostTensor<tf.Rank.R2>(() => x, [x.length / 3, 3]),
        weight,
      ),
    });
    const rows = (cursor: number): number => 4 + (cursor % 2);
    const [plain, replayed] = [await run(loss, false, rows), await run(loss, true, rows)];
    expect(replayed.losses).toEqual(plain.losses);
    // Six steps of each: four until a recording is trusted.
    expect(told(replayed.lines)).toBe('4 of 12 steps were replayed');
  });
});
