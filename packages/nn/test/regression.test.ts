import { createRandom, parseDuration } from '@polygate/core';
import * as tf from '@tensorflow/tfjs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  AdamW,
  allocateParameters,
  loadParameters,
  parameterGradients,
  saveParameters,
  warmupCosine,
  type ParameterSpec,
} from '../src/index.ts';

beforeAll(async () => {
  await tf.setBackend('cpu');
});

const specs: readonly ParameterSpec[] = [
  { name: 'line.weight', shape: [1, 2], initializer: { kind: 'xavierUniform' }, role: 'weight' },
  { name: 'line.bias', shape: [1], initializer: { kind: 'zeros' }, role: 'bias' },
];

describe('the parts together', () => {
  it('find the coefficients of a plane, and a saved model predicts the same', async () => {
    using parameters = allocateParameters(specs, createRandom(1));
    using optimizer = new AdamW(parameters, { weightDecay: 0 });
    const steps = 300;
    const rate = warmupCosine({ base: 0.05, minimum: 1e-5, warmup: parseDuration('5%'), total: steps });
    const random = createRandom(2);
    const x = tf.tensor2d(Array.from({ length: 64 }, () => [random.normal(), random.normal()]));
    const y = tf.tidy(() => x.matMul(tf.tensor2d([[2], [-3]])).add(0.5));
    const predict = (set: typeof parameters): tf.Tensor =>
      x.matMul(set.get('line.weight') as tf.Tensor2D, false, true).add(set.get('line.bias'));
    for (let step = 0; step < steps; step += 1) {
      const { loss, gradients } = parameterGradients(parameters, () =>
        tf.losses.meanSquaredError(y, predict(parameters)).asScalar(),
      );
      await optimizer.step(gradients, { learningRate: rate(step), clipNorm: 10 });
      tf.dispose([loss, gradients]);
    }
    const [a, b] = await parameters.read('line.weight');
    expect(a).toBeCloseTo(2, 3);
    expect(b).toBeCloseTo(-3, 3);
    expect((await parameters.read('line.bias'))[0]).toBeCloseTo(0.5, 3);

    const folder = await mkdtemp(join(tmpdir(), 'polygate-regression-'));
    await saveParameters(parameters, join(folder, 'model.safetensors'));
    using copy = allocateParameters(specs, createRandom(3));
    await loadParameters(copy, join(folder, 'model.safetensors'));
    tf.tidy(() => {
      expect(predict(copy).dataSync()).toEqual(predict(parameters).dataSync());
    });
    tf.dispose([x, y]);
    await rm(folder, { recursive: true });
  });
});
