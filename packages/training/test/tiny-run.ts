/** A model of 19 scalars and two tasks, for runs that take milliseconds. */
import { createRandom, type Random } from '@polygate/core';
import { AdamW, allocateParameters, warmupCosine, type ParameterSpec } from '@polygate/nn';
import * as tf from '@tensorflow/tfjs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  METRICS_FILE,
  train,
  type LossContext,
  type LossResult,
  type TrainOptions,
  type TrainResult,
} from '../src/index.ts';

export interface TinyBatch {
  readonly id: string;
  readonly x: Float32Array;
}

const weight = (name: string, shape: readonly number[]): ParameterSpec => ({
  name,
  shape,
  initializer: { kind: 'xavierUniform' },
  role: 'weight',
});

const specs: readonly ParameterSpec[] = [
  weight('shared.weight', [3, 4]),
  { name: 'shared.bias', shape: [3], initializer: { kind: 'zeros' }, role: 'bias' },
  // Only the task "rare" reaches it, as an expert that few rows choose.
  weight('expert.weight', [1, 3]),
  { name: 'unused', shape: [1], initializer: { kind: 'ones' }, role: 'scale' },
];

const ROWS = 5;

const source = (name: string, size: number) => ({
  name,
  size,
  async next(cursor: number, { random }: { readonly random: Random }): Promise<TinyBatch> {
    const x = Float32Array.from({ length: ROWS * 4 }, () => random.normal());
    return { id: `${name}/${cursor}`, x };
  },
});

export const tinyModel = (seed = 1) => {
  const parameters = allocateParameters(specs, createRandom(seed));
  const optimizer = new AdamW(parameters);
  return {
    parameters,
    optimizer,
    dispose: (): void => {
      optimizer.dispose();
      parameters.dispose();
    },
    loss: (batch: TinyBatch, { random, task }: LossContext): LossResult => {
      const x = tf.tensor2d(batch.x, [ROWS, 4]);
      const noise = tf.tensor1d([0, 1, 2].map(() => 0.1 * random.normal()));
      const hidden = x
        .matMul(parameters.get('shared.weight') as tf.Tensor2D, false, true)
        .add(parameters.get('shared.bias'))
        .add(noise);
      const y = task === 'rare' ? hidden.mul(parameters.get('expert.weight')) : hidden;
      return {
        loss: y.sub(1).square().mean() as tf.Scalar,
        metrics: { spread: y.max().sub(y.min()) as tf.Scalar, rows: ROWS },
      };
    },
  };
};

export type TinyModel = ReturnType<typeof tinyModel>;

export const STEPS = 24;

export const tinyOptions = (model: TinyModel, runDirectory: string): TrainOptions<TinyBatch> => ({
  parameters: model.parameters,
  optimizer: model.optimizer,
  loss: model.loss,
  schedule: warmupCosine({ base: 0.05, warmup: 4, total: STEPS }),
  sources: [source('often', 90), source('rare', 10)],
  steps: STEPS,
  seed: 5,
  runDirectory,
  clipNorm: 1,
  checkpointEvery: 5,
  measure: () => ({ samples: ROWS, tokens: ROWS * 4 }),
});

/** Runs a fresh model whose start values come from `start`, and returns its final weights. */
export const runTiny = async (
  runDirectory: string,
  change: Partial<TrainOptions<TinyBatch>> = {},
  start = 1,
): Promise<{ readonly result: TrainResult; readonly weights: readonly number[] }> => {
  const model = tinyModel(start);
  try {
    const result = await train({ ...tinyOptions(model, runDirectory), ...change });
    const weights: number[] = [];
    for (const { name } of model.parameters.entries()) weights.push(...(await model.parameters.read(name)));
    return { result, weights };
  } finally {
    model.dispose();
  }
};

/** The lines of metrics.jsonl. */
export const readMetrics = async (
  runDirectory: string,
): Promise<readonly Readonly<Record<string, unknown>>[]> =>
  (await readFile(join(runDirectory, METRICS_FILE), 'utf8'))
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

/** What must be the same in two runs: no times, no memory. */
export const lossSequence = async (runDirectory: string): Promise<readonly unknown[]> =>
  (await readMetrics(runDirectory)).map(
    ({ step, kind, task, loss, learningRate, gradientNorm, spread, score }) => ({
      step,
      kind,
      task,
      loss,
      learningRate,
      gradientNorm,
      spread,
      score,
    }),
  );
