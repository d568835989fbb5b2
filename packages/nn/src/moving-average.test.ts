import { createRandom } from '@polygate/core';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { MovingAverage } from './moving-average.ts';
import { allocateParameters, type ParameterSpec } from './parameters.ts';

beforeAll(async () => {
  await tf.setBackend('cpu');
});

const spec: ParameterSpec = { name: 'p', shape: [2], initializer: { kind: 'ones' }, role: 'weight' };

describe('MovingAverage', () => {
  it('follows the parameters by hand-computed steps', async () => {
    using parameters = allocateParameters([spec], createRandom(1));
    using average = new MovingAverage(parameters, { decay: 0.75 });
    // 0.75 1 + 0.25 (5, 1) = (2, 1); 0.75 (2, 1) + 0.25 (4, 5) = (2.5, 2)
    parameters.write('p', Float32Array.of(5, 1));
    average.update();
    expect([...(await average.averages.read('p'))]).toEqual([2, 1]);
    parameters.write('p', Float32Array.of(4, 5));
    average.update();
    expect([...(await average.averages.read('p'))]).toEqual([2.5, 2]);
  });

  it('stands in for the parameters and puts them back, also after an error', async () => {
    using parameters = allocateParameters([spec], createRandom(1));
    using average = new MovingAverage(parameters, { decay: 0 });
    const before = tf.memory();
    parameters.write('p', Float32Array.of(3, 4));
    expect([...(await average.with(() => parameters.read('p')))]).toEqual([1, 1]);
    expect([...(await parameters.read('p'))]).toEqual([3, 4]);
    await expect(average.with(() => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect([...(await parameters.read('p'))]).toEqual([3, 4]);
    average.update();
    expect([...(await average.averages.read('p'))]).toEqual([3, 4]);
    expect(tf.memory().numTensors).toBe(before.numTensors);
    expect(tf.memory().numBytes).toBe(before.numBytes);
  });

  it('refuses a decay out of range', () => {
    using parameters = allocateParameters([spec], createRandom(1));
    expect(() => new MovingAverage(parameters, { decay: 1 })).toThrow(
      'MovingAverage: expected decay in [0, 1), got 1',
    );
  });
});
