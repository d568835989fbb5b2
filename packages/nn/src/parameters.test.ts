import { createRandom } from '@polygate/core';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { allocateParameters, parameterGradients, type ParameterSpec } from './parameters.ts';

beforeAll(async () => {
  await tf.setBackend('cpu');
});

const weight: ParameterSpec = {
  name: 'a.weight',
  shape: [3, 2],
  initializer: { kind: 'xavierUniform' },
  role: 'weight',
};
const bias: ParameterSpec = { name: 'a.bias', shape: [3], initializer: { kind: 'zeros' }, role: 'bias' };
const table: ParameterSpec = {
  name: 'b.table',
  shape: [5, 2],
  initializer: { kind: 'normal' },
  role: 'embedding',
};

describe('allocateParameters', () => {
  it('draws each parameter from its own name: order and neighbours change nothing', async () => {
    using first = allocateParameters([weight, bias, table], createRandom(7));
    using second = allocateParameters([table, weight], createRandom(7));
    expect(await second.read('a.weight')).toEqual(await first.read('a.weight'));
    expect(await second.read('b.table')).toEqual(await first.read('b.table'));
    using other = allocateParameters([weight], createRandom(8));
    expect(await other.read('a.weight')).not.toEqual(await first.read('a.weight'));
    expect(first.size).toBe(6 + 3 + 10);
    expect(first.specs.map(({ name }) => name)).toEqual(['a.weight', 'a.bias', 'b.table']);
  });

  it('frees every tensor and refuses work afterwards', () => {
    const before = tf.memory();
    const set = allocateParameters([weight, bias, table], createRandom(7));
    expect(tf.memory().numTensors).toBe(before.numTensors + 3);
    set.dispose();
    set.dispose();
    expect(tf.memory().numTensors).toBe(before.numTensors);
    expect(tf.memory().numBytes).toBe(before.numBytes);
    expect(() => set.get('a.bias')).toThrow('expected a live set, got one that was disposed');
  });

  it('refuses a name twice and extents that are no sizes', () => {
    expect(() => allocateParameters([weight, weight], createRandom(1))).toThrow(
      'parameters: expected unique names, got "a.weight" twice; give each layer its own prefix',
    );
    expect(() => allocateParameters([{ ...bias, shape: [0] }], createRandom(1))).toThrow(
      'parameters: expected whole positive extents for "a.bias", got [0]',
    );
  });

  it('names the near names for an unknown one', () => {
    using set = allocateParameters([weight, bias, table], createRandom(7));
    expect(() => set.get('a.wieght')).toThrow('unknown parameter "a.wieght": did you mean "a.weight"?');
  });
});

describe('read and write', () => {
  it('copies both ways', async () => {
    using set = allocateParameters([bias], createRandom(7));
    const values = Float32Array.of(1, 2, 3);
    set.write('a.bias', values);
    values[0] = 9;
    const back = await set.read('a.bias');
    expect([...back]).toEqual([1, 2, 3]);
    back[1] = 9;
    expect([...(await set.read('a.bias'))]).toEqual([1, 2, 3]);
    expect(() => set.write('a.bias', Float32Array.of(1))).toThrow(
      'parameters: expected 3 values for "a.bias" of shape [3], got 1',
    );
  });
});

describe('parameterGradients', () => {
  it('keys gradients by parameter name and leaves out what the loss does not reach', async () => {
    using set = allocateParameters([weight, bias, table], createRandom(7));
    using twin = allocateParameters([weight, bias, table], createRandom(7));
    const before = tf.memory().numTensors;
    // d/db sum(b * [1 2 3] + W 0) = [1 2 3]; W is used, its gradient zero; the table isn't
    const { loss, gradients } = parameterGradients(set, () =>
      set
        .get('a.bias')
        .mul(tf.tensor1d([1, 2, 3]))
        .add(set.get('a.weight').sum().mul(0))
        .sum(),
    );
    expect(Object.keys(gradients)).toEqual(['a.weight', 'a.bias']);
    expect([...((await gradients['a.bias']?.data()) ?? [])]).toEqual([1, 2, 3]);
    expect((await loss.data())[0]).toBe(0);
    tf.dispose([loss, gradients]);
    expect(tf.memory().numTensors).toBe(before);
    expect(twin.get('a.bias')).not.toBe(set.get('a.bias'));
  });

  it('frees everything when the loss throws, and works afterwards', () => {
    using set = allocateParameters([weight, bias, table], createRandom(7));
    const before = tf.memory().numTensors;
    const broken = (): tf.Scalar => {
      tf.exp(set.get('a.bias')).square().softmax().sum();
      throw new Error('boom');
    };
    expect(() => parameterGradients(set, broken)).toThrow('boom');
    expect(tf.memory().numTensors).toBe(before);
    const { loss, gradients } = parameterGradients(set, () => set.get('a.bias').square().sum());
    tf.dispose([loss, gradients]);
    expect(tf.memory().numTensors).toBe(before);
  });
});
