/** Our optimizer and our parameters in models of tf.layers. */
import { createRandom } from '@polygate/core';
import { AdamW, layerParameters, ParameterSet, parameterGradients } from '@polygate/nn';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';

beforeAll(async () => {
  await tf.setBackend('cpu');
});

const line = tf.tensor2d([[0], [1], [2], [3]]);
const goal = tf.tensor2d([[1], [3], [5], [7]]); // 2 x + 1

const denseModel = (): tf.Sequential => {
  const model = tf.sequential();
  model.add(
    tf.layers.dense({ units: 1, inputShape: [1], kernelInitializer: 'ones', biasInitializer: 'zeros' }),
  );
  return model;
};
const lossOf = (model: tf.LayersModel): tf.Scalar =>
  tf.mean(tf.squaredDifference(model.apply(line, { training: true }) as tf.Tensor, goal)) as tf.Scalar;

describe('AdamW.of', () => {
  it('makes the step on weights of tf.layers that a hand computes, and decays kernels alone', async () => {
    const model = denseModel();
    const [kernel, bias] = model.trainableWeights;
    using optimizer = AdamW.of(model.trainableWeights, { epsilon: 1e-12, weightDecay: 0.1 });
    const { grads, value } = tf.variableGrads(
      () => lossOf(model),
      model.trainableWeights.map((weight) => weight.read() as tf.Variable),
    );
    const report = await optimizer.step(grads, { learningRate: 0.1 });
    expect(report.updated).toBe(2);
    // A first step of Adam goes by lr against the sign of the gradient, which is negative for both; the kernel, 1,
    // loses lr * decay = 0.01 of itself before.
    expect(kernel?.read().dataSync()[0]).toBeCloseTo(1 * 0.99 + 0.1, 5);
    expect(bias?.read().dataSync()[0]).toBeCloseTo(0.1, 5);
    tf.dispose([grads, value]);
    model.dispose();
  });

  it('takes plain variables, and roles from whoever knows them', async () => {
    const table = tf.variable(tf.ones([2, 2]), true, 'of.table');
    using optimizer = AdamW.of([table], { role: () => 'embedding', weightDecay: 0.5 });
    const gradient = tf.tensor2d([
      [1, 1],
      [1, 1],
    ]);
    await optimizer.step({ 'of.table': gradient }, { learningRate: 0.1 });
    expect([...table.dataSync()].every((value) => Math.abs(value - 0.9) < 1e-5)).toBe(true);
    table.dispose();
  });

  it('says that a model without weights is not built', () => {
    const model = tf.sequential();
    expect(() => AdamW.of(model.weights)).toThrow(
      'ParameterSet.of: expected at least one variable, got none; a tf.layers model has its own when it is built, by an inputShape or its first input',
    );
  });
});

describe('ParameterSet.of', () => {
  it('has gradients by the names of variables, trains, and leaves the variables when it is disposed', async () => {
    const model = denseModel();
    const parameters = ParameterSet.of(model.trainableWeights);
    using optimizer = AdamW.of(model.trainableWeights, { weightDecay: 0 });
    let last = Infinity;
    for (let step = 0; step < 200; step += 1) {
      const { loss, gradients } = parameterGradients(parameters, () => lossOf(model));
      await optimizer.step(gradients, { learningRate: 0.05 });
      last = loss.dataSync()[0] ?? NaN;
      tf.dispose([loss, gradients]);
    }
    expect(last).toBeLessThan(1e-3);
    parameters.dispose();
    expect(model.trainableWeights[0]?.read().isDisposed).toBe(false);
    model.dispose();
  });
});

/** y = x w, with a parameter of ours. */
class Scale extends tf.layers.Layer {
  static className = 'TestScale';
  #parameters: ParameterSet | undefined;
  override build(): void {
    const specs = [{ name: 'w', shape: [1], initializer: { kind: 'ones' }, role: 'weight' }] as const;
    this.#parameters = layerParameters(this, specs, createRandom(1));
    this.built = true;
  }
  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    const [x] = Array.isArray(inputs) ? inputs : [inputs];
    return tf.mul(x as tf.Tensor, (this.#parameters as ParameterSet).get('w'));
  }
}

describe('layerParameters', () => {
  it('makes parameters that fit trains, getWeights gives and the layer frees', async () => {
    const model = tf.sequential();
    model.add(new Scale({ inputShape: [1] }));
    expect(model.trainableWeights).toHaveLength(1);
    model.compile({ optimizer: tf.train.sgd(0.1), loss: 'meanSquaredError' });
    await model.fit(line, line.mul(3), { epochs: 40, verbose: 0 });
    expect(model.getWeights()[0]?.dataSync()[0]).toBeCloseTo(3, 1);
    const [weight] = model.trainableWeights.map((variable) => variable.read());
    model.dispose();
    expect(weight?.isDisposed).toBe(true);
  });
});
