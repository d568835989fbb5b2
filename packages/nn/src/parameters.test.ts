import { createRandom } from '@polygate/core';
import { embedding, layerNorm, linear } from '@polygate/tensor';
import { relativeDifference } from '@polygate/tensor/testing';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { parameterGradients } from './parameter-gradients.ts';
import type { ParameterSpec } from './parameter-spec.ts';
import { allocateParameters, ParameterSet } from './parameters.ts';

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

describe('parameterGradients of fused operators', () => {
  const square: ParameterSpec = {
    name: 'c.weight',
    shape: [2, 2],
    initializer: { kind: 'xavierUniform' },
    role: 'weight',
  };
  const norm = (name: string, kind: 'ones' | 'zeros'): ParameterSpec => ({
    name: `n.${name}`,
    shape: [2],
    initializer: { kind },
    role: 'norm',
  });
  const specs = [weight, bias, table, square, norm('scale', 'ones'), norm('shift', 'zeros')];
  const x = (): tf.Tensor2D =>
    tf.tensor2d([
      [0.3, -1.2],
      [2, 0.7],
    ]);

  /** Variables that fused operators alone read, that tfjs's own read, too, and one that is read twice. */
  const lossOf = (set: ParameterSet) => (): tf.Scalar => {
    const get = <T extends tf.Tensor>(name: string): T => set.get(name) as tf.Tensor as T;
    const rows = embedding(get<tf.Tensor2D>('b.table'), tf.tensor1d([4, 1], 'int32'));
    const once = linear(tf.add(rows, x()), get<tf.Tensor2D>('c.weight'), undefined, { activation: 'gelu' });
    const twice = linear(once, get<tf.Tensor2D>('c.weight'));
    const normed = layerNorm(twice, get<tf.Tensor1D>('n.scale'), get<tf.Tensor1D>('n.shift'));
    const y = linear(normed, get<tf.Tensor2D>('a.weight'), get<tf.Tensor1D>('a.bias'));
    return tf.add(tf.sum(tf.square(y)), tf.sum(tf.mul(get('c.weight'), get('n.scale'))));
  };
  const allocate = () => allocateParameters(specs, createRandom(3));

  it('are those of the tape alone, with shared variables and beside tfjs operators', () => {
    using set = allocate();
    const variables = set.entries().map(({ variable }) => variable);
    const twin = tf.variableGrads(lossOf(set), variables);
    const before = tf.memory().numTensors;
    const actual = parameterGradients(set, lossOf(set));
    expect(Object.keys(actual.gradients)).toEqual(specs.map(({ name }) => name));
    for (const { name, variable } of set.entries()) {
      const [mine, wanted] = [actual.gradients[name], twin.grads[variable.name]];
      if (!mine || !wanted) throw new Error(`expected a gradient of ${name}`);
      expect(relativeDifference(mine.dataSync(), wanted.dataSync()), name).toBeLessThan(1e-6);
    }
    expect(actual.loss.dataSync()).toEqual(twin.value.dataSync());
    tf.dispose([actual.loss, actual.gradients]);
    expect(tf.memory().numTensors).toBe(before);
    tf.dispose([twin.value, twin.grads]);
  });

  it('reach a subset and variables that are trained, and no others', () => {
    using set = allocate();
    const all = parameterGradients(set, lossOf(set));
    // The first operator on the tape reads a table that is in no set; views share the variables.
    const entries = set.entries().filter(({ name }) => ['c.weight', 'a.bias'].includes(name));
    const some = parameterGradients(new ParameterSet(entries), lossOf(set));
    expect(Object.keys(some.gradients)).toEqual(['a.bias', 'c.weight']);
    for (const [name, gradient] of Object.entries(some.gradients)) {
      expect(gradient.dataSync(), name).toEqual(all.gradients[name]?.dataSync());
    }
    set.get('n.scale').trainable = false;
    const frozen = parameterGradients(set, lossOf(set));
    expect(Object.keys(frozen.gradients)).not.toContain('n.scale');
    expect(frozen.gradients['b.table']?.dataSync()).toEqual(all.gradients['b.table']?.dataSync());
    tf.dispose([all.loss, all.gradients, some.loss, some.gradients, frozen.loss, frozen.gradients]);
  });

  it('belong to the enclosing tidy', () => {
    using set = allocate();
    const before = tf.memory().numTensors;
    tf.tidy(() => void parameterGradients(set, lossOf(set)));
    expect(tf.memory().numTensors).toBe(before);
  });

  it('leave gradients within the loss alone', () => {
    using set = allocate();
    const weight = (): tf.Tensor2D => set.get('c.weight') as tf.Tensor as tf.Tensor2D;
    // The inner gradient is a constant to the outer one: fused operators can't be differentiated twice.
    const { loss, gradients } = parameterGradients(set, () => {
      const inner = tf.grad((w) => tf.sum(linear(x(), w as tf.Tensor2D)))(weight());
      return tf.sum(tf.mul(inner, linear(tf.eye(2), weight())));
    });
    const columns = x().sum(0).dataSync();
    // d/dw of sum(inner * w^T) = inner^T, with inner[o, i] = sum over rows of x[., i].
    const [first = NaN, second = NaN] = columns;
    expect(Object.keys(gradients)).toEqual(['c.weight']);
    expect([...(gradients['c.weight']?.dataSync() ?? [])].map((value) => value.toFixed(5))).toEqual(
      [first, first, second, second].map((value) => value.toFixed(5)),
    );
    tf.dispose([loss, gradients]);
  });

  it('free what was collected when a gradient throws', () => {
    using set = allocate();
    const before = tf.memory().numTensors;
    const broken = tf.customGrad((y) => ({
      value: (y as tf.Tensor).clone(),
      gradFunc: (): tf.Tensor => {
        throw new Error('boom');
      },
    }));
    const loss = (): tf.Scalar => {
      const first = linear(broken(x().mul(set.get('n.scale'))) as tf.Tensor2D, weightOf(set));
      return tf.sum(first);
    };
    expect(() => parameterGradients(set, loss)).toThrow('boom');
    expect(tf.memory().numTensors).toBe(before);
    const { loss: value, gradients } = parameterGradients(set, lossOf(set));
    tf.dispose([value, gradients]);
    expect(tf.memory().numTensors).toBe(before);
  });

  const weightOf = (set: ParameterSet): tf.Tensor2D => set.get('c.weight') as tf.Tensor as tf.Tensor2D;
});
