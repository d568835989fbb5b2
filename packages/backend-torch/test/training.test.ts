import * as tf from '@tensorflow/tfjs';
import { expect, it } from 'vitest';
import { registerTorchEngine } from '@polygate/backend-torch';
import { describeOnTorch } from './torch-suite.ts';

interface Example {
  readonly model: () => tf.LayersModel;
  readonly inputShape: number[];
  readonly classes: number;
}

const seeded = (seed: number) => ({ kernelInitializer: tf.initializers.glorotUniform({ seed }) });

/** tf.layers models as users write them; nothing in them knows the engine. */
const EXAMPLES: Readonly<Record<string, Example>> = {
  'a convolutional network': {
    inputShape: [8, 8, 1],
    classes: 4,
    model: () =>
      tf.sequential({
        layers: [
          tf.layers.conv2d({
            inputShape: [8, 8, 1],
            filters: 4,
            kernelSize: 3,
            activation: 'relu',
            ...seeded(1),
          }),
          tf.layers.batchNormalization(),
          tf.layers.maxPooling2d({ poolSize: 2 }),
          tf.layers.separableConv2d({
            filters: 6,
            kernelSize: 2,
            padding: 'same',
            depthwiseInitializer: tf.initializers.glorotUniform({ seed: 2 }),
            pointwiseInitializer: tf.initializers.glorotUniform({ seed: 3 }),
          }),
          tf.layers.averagePooling2d({ poolSize: 2, padding: 'same' }),
          tf.layers.flatten(),
          tf.layers.dense({ units: 4, activation: 'softmax', ...seeded(4) }),
        ],
      }),
  },
  'an LSTM': {
    inputShape: [5, 3],
    classes: 3,
    model: () =>
      tf.sequential({
        layers: [
          tf.layers.lstm({
            inputShape: [5, 3],
            units: 6,
            ...seeded(5),
            recurrentInitializer: tf.initializers.glorotUniform({ seed: 6 }),
          }),
          tf.layers.dense({ units: 3, activation: 'softmax', ...seeded(7) }),
        ],
      }),
  },
  'a dense network over embeddings': {
    inputShape: [6],
    classes: 3,
    model: () =>
      tf.sequential({
        layers: [
          tf.layers.embedding({
            inputShape: [6],
            inputDim: 4,
            outputDim: 5,
            embeddingsInitializer: tf.initializers.randomUniform({ minval: -1, maxval: 1, seed: 8 }),
          }),
          tf.layers.flatten(),
          tf.layers.dense({ units: 8, activation: 'elu', ...seeded(9) }),
          tf.layers.layerNormalization(),
          tf.layers.dense({ units: 3, activation: 'softmax', ...seeded(10) }),
        ],
      }),
  },
};

const SAMPLES = 24;

/** Losses and accuracies of three epochs, the same data and order everywhere. */
const train = async (example: Example): Promise<number[]> => {
  const size = tf.util.sizeFromShape(example.inputShape);
  // Small whole numbers serve as pixels, series and vocabulary ids alike.
  const x = tf.tensor(
    Float32Array.from({ length: SAMPLES * size }, (_, i) => (i * 7 + (i >> 3)) % 4),
    [SAMPLES, ...example.inputShape],
  );
  const labels = tf.tensor1d(
    Int32Array.from({ length: SAMPLES }, (_, i) => (i * 5) % example.classes),
    'int32',
  );
  const y = tf.oneHot(labels, example.classes);
  const model = example.model();
  model.compile({ optimizer: tf.train.adam(0.02), loss: 'categoricalCrossentropy', metrics: ['accuracy'] });
  const { history } = await model.fit(x, y, { epochs: 3, batchSize: 8, shuffle: false, verbose: 0 });
  tf.dispose([x, y, labels]);
  model.dispose();
  return [...(history['loss'] ?? []), ...(history['acc'] ?? [])].map(Number);
};

describeOnTorch('tf.layers', () => {
  it.each(Object.entries(EXAMPLES))('trains %s as the reference backend does', async (_, example) => {
    await tf.setBackend('cpu');
    const expected = await train(example);
    await tf.setBackend('torch');
    const got = await train(example);
    expect(got).toHaveLength(6);
    got.forEach((value, i) => expect(value).toBeCloseTo(expected[i] ?? NaN, 4));
    // It learns: otherwise equal losses would say little.
    expect(got[2]).toBeLessThan(got[0] ?? 0);
  });

  it('gives equal bits twice, with the deterministic option', async () => {
    const [example] = Object.values(EXAMPLES);
    await registerTorchEngine({ threads: 2, deterministic: true });
    const first = await train(example as Example);
    const second = await train(example as Example);
    expect(second).toEqual(first);
    await registerTorchEngine({ threads: 1 });
  });
});
