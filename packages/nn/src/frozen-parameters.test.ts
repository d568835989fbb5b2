import { createRandom } from '@polygate/core';
import { conditionalLinear, embedding, layerNorm, linear, type LinearExpert } from '@polygate/tensor';
import { relativeDifference } from '@polygate/tensor/testing';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { parameterGradients } from './parameter-gradients.ts';
import type { ParameterRole } from './parameter-spec.ts';
import { allocateParameters, type ParameterSet } from './parameters.ts';

beforeAll(async () => {
  await tf.setBackend('cpu');
});

const spec = (name: string, shape: readonly number[], role: ParameterRole = 'weight') => ({
  name,
  shape,
  initializer: { kind: 'normal', std: 0.5 } as const,
  role,
});

const allocate = (): ParameterSet =>
  allocateParameters(
    [
      spec('table', [5, 3], 'embedding'),
      spec('first.weight', [3, 3]),
      spec('norm.gamma', [3], 'norm'),
      spec('norm.beta', [3], 'norm'),
      spec('experts.0.weight', [3, 3]),
      spec('experts.0.bias', [3], 'bias'),
      spec('experts.1.weight', [3, 3]),
      spec('experts.1.bias', [3], 'bias'),
      spec('gates', [1, 2], 'gate'),
      spec('head.weight', [2, 3]),
    ],
    createRandom(3),
  );

/** A table, a linear layer, a norm, experts of merged weights and a head. */
const lossOf = (set: ParameterSet) => (): tf.Scalar => {
  const matrix = (name: string): tf.Tensor2D => set.get(name) as unknown as tf.Tensor2D;
  const vector = (name: string): tf.Tensor1D => set.get(name) as unknown as tf.Tensor1D;
  const x = embedding(matrix('table'), tf.tensor2d([[0, 3, 1]], [1, 3], 'int32'));
  const h = layerNorm(linear(x, matrix('first.weight')), vector('norm.gamma'), vector('norm.beta'));
  const experts: LinearExpert[] = [0, 1].map((id) => ({
    weight: matrix(`experts.${id}.weight`),
    bias: vector(`experts.${id}.bias`),
  }));
  const mixed = conditionalLinear(h as tf.Tensor3D, {
    gates: tf.softmax(matrix('gates')),
    experts,
    chosen: [[0, 1]],
    segments: [{ row: 0, start: 0, length: 3 }],
  });
  return tf.mean(tf.square(linear(tf.add(mixed, h), matrix('head.weight')))).asScalar();
};

const all = ['table', 'first.weight', 'norm.*', 'experts.*', 'gates', 'head.weight'];

describe('a subset of the parameters', () => {
  it.each([
    ['norms', ['norm.*']],
    ['the head', ['head.weight']],
    ['gates alone', ['gates']],
    ['one expert', ['experts.1.*']],
    ['the table', ['table']],
    ['what is below and above the experts', ['table', 'head.weight']],
  ])('has the gradients that it has in the whole: %s', (_, names) => {
    using set = allocate();
    const whole = parameterGradients(set, lossOf(set));
    const view = set.select(names);
    const before = tf.memory().numTensors;
    const part = parameterGradients(view, lossOf(set));
    const wanted = view.specs.map(({ name }) => name);
    expect(Object.keys(part.gradients)).toEqual(wanted);
    for (const name of wanted) {
      const [got, right] = [part.gradients[name], whole.gradients[name]] as [tf.Tensor, tf.Tensor];
      expect(relativeDifference(got.dataSync(), right.dataSync()), name).toBeLessThan(1e-6);
    }
    expect(tf.memory().numTensors).toBe(before + 1 + wanted.length);
    tf.dispose([part.loss, part.gradients, whole.loss, whole.gradients]);
  });

  it('costs less: what is frozen has no gradient computed', async () => {
    using set = allocate();
    const products = async (names: readonly string[]): Promise<number> => {
      const view = set.select(names);
      const { kernels } = await tf.profile(() => {
        const { loss, gradients } = parameterGradients(view, lossOf(set));
        tf.dispose([loss, gradients]);
        return tf.scalar(0);
      });
      return kernels.filter(({ name }) => name === 'BatchMatMul').length;
    };
    // Forward: first layer, experts, head: 3. Backward of all: inputs and weights of each, and the sum of the places of
    // gates: 7. Of the head alone: its weight and, in the same pass, its input.
    expect(await products(all)).toBe(10);
    expect(await products(['head.weight'])).toBe(5);
    expect(await products(['norm.*'])).toBe(5);
    expect(await products(['table'])).toBe(6);
  });
});
