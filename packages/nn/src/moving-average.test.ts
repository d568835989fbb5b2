import { createRandom } from '@polygate/core';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { MovingAverage } from './moving-average.ts';
import type { ParameterSpec } from './parameter-spec.ts';
import { allocateParameters } from './parameters.ts';

beforeAll(async () => {
  await tf.setBackend('cpu');
});

/** The form with two products is off by 3e-4 at a decay of .9999 and by 9e-4 at .99999. */
const TOLERANCE = 3e-5;

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

  it.each([0.999, 0.9999, 0.99999])(
    'stays with double arithmetic over 30,000 updates at decay %d',
    async (decay) => {
      const values = [3, 0.7, -1e-3, 250];
      const wide: ParameterSpec = { ...spec, shape: [values.length] };
      using parameters = allocateParameters([wide], createRandom(1));
      parameters.write('p', Float32Array.from(values));
      using average = new MovingAverage(parameters, { decay });
      const exact = [...(await parameters.read('p'))];
      const random = createRandom(2);
      for (let step = 0; step < 30_000; step += 1) {
        const now = Float32Array.from(values, (value) => value * (1 + 0.2 * random.normal()));
        parameters.write('p', now);
        average.update();
        exact.forEach((value, i) => (exact[i] = decay * value + (1 - decay) * (now[i] ?? NaN)));
      }
      const got = await average.averages.read('p');
      exact.forEach((value, i) => expect(Math.abs((got[i] ?? NaN) / value - 1)).toBeLessThan(TOLERANCE));
    },
  );

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
