/** Layers of experts in models of other teams: values by hand, and training by fit and by AdamW. */
import { parseRow } from '@polygate/attributes';
import { createRandom } from '@polygate/core';
import { AdamW, allocateParameters, ParameterSet, parameterGradients } from '@polygate/nn';
import {
  conditionNamed,
  routeRows,
  describeRouters,
  moeDense,
  moeLinear,
  registerCondition,
  routeTokens,
  routingTelemetry,
  unstackRouters,
  type MoeLinearConfig,
  type RoutingKey,
} from '@polygate/routers';
import { testEngines } from '@polygate/tensor/testing';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';

const key: RoutingKey = { attributes: parseRow('10011001'), modality: 'visual', task: '' };
const config: MoeLinearConfig = { inputs: 2, outputs: 1, experts: 2, topK: 1, balanceLoss: 0.5, zLoss: 0 };

/** Router: logits (x0, x1); experts: 10 x0 and 100 x1 + 1. */
const handMade = (given: MoeLinearConfig = config): ParameterSet => {
  const parameters = allocateParameters(moeLinear(given).specs, createRandom(1));
  const values: Record<string, number[]> = {
    'moe.router.gate.weight': [1, 0, 0, 1],
    'moe.experts.0.weight': [10, 0],
    'moe.experts.1.weight': [0, 100],
    'moe.experts.1.bias': [1],
  };
  for (const [name, numbers] of Object.entries(values)) parameters.write(name, Float32Array.from(numbers));
  return parameters;
};

describe.each(await testEngines())('moeLinear on $title', ({ use, tolerance }) => {
  beforeAll(use);
  const near = (value: number | undefined, expected: number): void =>
    expect(Math.abs((value ?? NaN) - expected) / Math.abs(expected)).toBeLessThan(tolerance);

  it('sends each token to its expert, weighted by its probability', () => {
    const parameters = handMade();
    tf.tidy(() => {
      const x = tf.tensor2d([
        [Math.log(3), 0],
        [0, Math.log(4)],
      ]);
      const { output, loss, counts } = moeLinear(config).apply(x, { parameters });
      // Softmax of (ln 3, 0) is (3/4, 1/4), of (0, ln 4) is (1/5, 4/5).
      const [first = NaN, second = NaN] = output.dataSync();
      near(first, 0.75 * 10 * Math.log(3));
      near(second, 0.8 * (100 * Math.log(4) + 1));
      expect(output.shape).toEqual([2, 1]);
      // Each expert has half of the choices: E sum f P = 2 (0.5 * 0.475 + 0.5 * 0.525) = 1, times 0.5.
      near(loss.dataSync()[0], 0.5);
      expect(routingTelemetry(counts()).load).toEqual([0.5, 0.5]);
    });
    parameters.dispose();
  });

  it('gives padding nothing, and sequences the shape they have', () => {
    const parameters = handMade();
    tf.tidy(() => {
      const { output } = moeLinear(config).apply(tf.ones([2, 3, 2]), {
        parameters,
        visible: tf.tensor2d([
          [1, 1, 0],
          [1, 0, 0],
        ]),
      });
      expect(output.shape).toEqual([2, 3, 1]);
      const values = [...output.dataSync()];
      expect(values.map((value) => value !== 0)).toEqual([true, true, false, true, false, false]);
    });
    parameters.dispose();
  });

  it('merges experts by rows where the condition does not look at tokens', () => {
    const byRow: MoeLinearConfig = { inputs: 2, outputs: 3, experts: 2, topK: 2, condition: 'attribute' };
    const layer = moeLinear(byRow);
    const parameters = allocateParameters(layer.specs, createRandom(3));
    tf.tidy(() => {
      const x = tf.tensor3d([1, 2, 3, 4, 5, 6, 7, 8], [1, 4, 2]);
      const other = { ...key, attributes: parseRow('01010011') };
      const both = layer.apply(x, {
        parameters,
        rows: [key, other],
        segments: [
          { row: 0, start: 0, length: 1 },
          { row: 1, start: 1, length: 3 },
        ],
      });
      const alone = layer.apply(x.slice([0, 0, 0], [1, 1, 2]), { parameters, rows: [key] });
      const first = both.output.slice([0, 0, 0], [1, 1, 3]);
      expect([...first.dataSync()]).toEqual([...alone.output.dataSync()]);
      expect(both.loss.dataSync()[0]).toBe(0);
      expect(both.counts().tokens).toBe(4);
      expect(() => layer.apply(x, { parameters })).toThrow(
        'moeLinear: expected the rows that condition "attribute" decides for, got 0 rows; pass rows, and segments where there is more than one',
      );
    });
    parameters.dispose();
  });

  it('trains router and experts by gradients, and leaks nothing', async () => {
    const layer = moeLinear({ inputs: 2, outputs: 1, experts: 4, name: 'mine' });
    const parameters = allocateParameters(layer.specs, createRandom(1));
    const random = createRandom(2);
    const x = tf.randomUniform([32, 2], -1, 1, 'float32', 5);
    const goal = tf.tidy(() => tf.abs(x.slice([0, 0], [32, 1]))); // two linear pieces
    using optimizer = new AdamW(parameters, { weightDecay: 0 });
    const losses: number[] = [];
    const step = async (): Promise<void> => {
      const { loss, gradients } = parameterGradients(parameters, () => {
        const { output, loss: routerLoss } = layer.apply(x, { parameters, training: true, random });
        return tf.add(tf.losses.meanSquaredError(goal, output), routerLoss) as tf.Scalar;
      });
      expect(gradients).toHaveProperty(['mine.router.gate.weight']);
      await optimizer.step(gradients, { learningRate: 0.02 });
      losses.push(loss.dataSync()[0] ?? NaN);
      tf.dispose([loss, gradients]);
    };
    await step();
    // Moments of experts that nobody chose so far are made when somebody does: after a few steps all are there.
    for (let at = 0; at < 60; at += 1) await step();
    const { numTensors } = tf.memory();
    await step();
    expect(tf.memory().numTensors).toBe(numTensors);
    const mean = (part: number[]): number => part.reduce((sum, value) => sum + value, 0) / part.length;
    expect(mean(losses.slice(-5))).toBeLessThan(0.5 * mean(losses.slice(0, 5)));
    parameters.dispose();
    tf.dispose([x, goal]);
  });
});

describe('moeLinear', () => {
  beforeAll(async () => {
    await tf.setBackend('cpu');
  });
  it('says what is wrong with sizes, inputs and choices', () => {
    expect(() => moeLinear({ inputs: 0, outputs: 1 })).toThrow(
      'moeLinear: expected inputs of at least 1, got 0; give a whole number',
    );
    expect(() => moeLinear({ inputs: 1, outputs: 1, condition: 'tokn' })).toThrow(/"tokn".*token/u);
    expect(() => moeLinear({ inputs: 1, outputs: 1, experts: 2, topK: 3 })).toThrow(/topK/u);
    const parameters = handMade();
    expect(() => moeLinear(config).apply(tf.ones([4, 3]), { parameters })).toThrow(
      'moeLinear: expected an input of shape [B, L, 2] or [N, 2], got [4, 3]; reshape it',
    );
    parameters.dispose();
  });
});

describe('conditions by name', () => {
  beforeAll(async () => {
    await tf.setBackend('cpu');
  });
  const sizes = { prefix: 'r', sites: 1, width: 2, experts: 2, topK: 1 };
  const nobody = { modalities: ['visual', 'text'], tasks: [] };

  it('fit the functions that take conditions, as they come', () => {
    const rows = { ...sizes, condition: conditionNamed('attribute').create(nobody) };
    const tokens = { ...sizes, condition: conditionNamed('token').create(nobody) };
    const registered = registerCondition({
      name: 'moe-layers-mean',
      summary: 'the mean of the sequence',
      create: () => ({
        name: 'moe-layers-mean',
        dataIndependent: false,
        reads: ['token', 'context'],
        representationWidth: ({ width }) => width,
        parameters: () => [],
        flops: ({ width, experts }) => ({ decision: width, sequence: 2 * experts * width }),
        represent: (_parameters, context) => ({ samples: tf.mean(context.tokens, 1) as tf.Tensor2D }),
      }),
    });
    const mean = { ...sizes, condition: registered.create(nobody) };
    tf.tidy(() => {
      using ofRows = allocateParameters(describeRouters(rows), createRandom(1));
      expect(routeRows(rows, [key], { parameters: ofRows })[0]?.gates.shape).toEqual([1, 2]);
      for (const stack of [tokens, mean]) {
        using parameters = allocateParameters(describeRouters(stack), createRandom(1));
        const context = { site: 0, tokens: tf.ones<tf.Rank.R3>([1, 3, 2]) };
        const decision = routeTokens(stack, context, { parameters: unstackRouters(stack, parameters) });
        expect(decision.gates.shape).toEqual([3, 2]);
      }
    });
  });

  it('of a name that only the program knows are checked where they are used', () => {
    const named = (name: string) => ({ ...sizes, condition: conditionNamed(name).create(nobody) });
    using parameters = allocateParameters(describeRouters(named('token')), createRandom(1));
    expect(() => routeRows(named('token'), [key], { parameters })).toThrow(
      'routeRows: expected a condition that is known before tokens are, got "token", which looks at each token; use routeTokens',
    );
    const context = { site: 0, tokens: tf.ones<tf.Rank.R3>([1, 3, 2]) };
    expect(() => routeTokens(named('modality'), context, { parameters: [] })).toThrow(
      'routeTokens: expected a condition on tokens, got "modality", which decides for rows; use routeRows',
    );
  });
});

describe('moeDense', () => {
  const build = (): tf.Sequential => {
    const model = tf.sequential();
    model.add(moeDense({ units: 1, experts: 4, inputShape: [2], seed: 3, name: 'experts' }));
    return model;
  };
  let x: tf.Tensor;
  let goal: tf.Tensor;
  beforeAll(async () => {
    await tf.setBackend('cpu');
    x = tf.randomUniform([64, 2], -1, 1, 'float32', 5);
    goal = tf.abs(x.slice([0, 0], [64, 1]));
  });

  it('is trained by fit, router too', async () => {
    const model = build();
    expect(model.trainableWeights).toHaveLength(1 + 2 * 4);
    const before = model.getWeights().map((weight) => weight.dataSync().slice());
    model.compile({ optimizer: tf.train.adam(0.02), loss: 'meanSquaredError' });
    const { history } = await model.fit(x, goal, { epochs: 40, batchSize: 64, verbose: 0 });
    const { loss = [] } = history as { loss?: number[] };
    expect(loss.at(-1)).toBeLessThan(0.5 * (loss[0] ?? 0));
    const moved = model
      .getWeights()
      .filter((weight, at) => weight.dataSync().some((v, i) => v !== before[at]?.[i]));
    expect(moved).toHaveLength(model.trainableWeights.length);
    model.dispose();
  });

  it('adds the losses of its router to those of the model', async () => {
    const lossWith = async (balanceLoss: number): Promise<number> => {
      const model = tf.sequential();
      model.add(
        moeDense({
          units: 1,
          experts: 2,
          topK: 1,
          inputShape: [2],
          noise: 0,
          balanceLoss,
          zLoss: 0,
          seed: 3,
        }),
      );
      model.compile({ optimizer: tf.train.sgd(1e-9), loss: 'meanSquaredError' });
      const { history } = await model.fit(x, goal, { epochs: 1, batchSize: 64, shuffle: false, verbose: 0 });
      model.dispose();
      return Number((history['loss'] as number[])[0]);
    };
    // The balance of two experts is between 1 and 2.
    const added = (await lossWith(1)) - (await lossWith(0));
    expect(added).toBeGreaterThan(0.9);
    expect(added).toBeLessThan(2.1);
  });

  it('is the same after save and load, and takes sequences and images', async () => {
    const model = build();
    const artifacts = await new Promise<tf.io.ModelArtifacts>((resolve, reject) => {
      const handler = tf.io.withSaveHandler(async (given) => {
        resolve(given);
        return { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: 'JSON' } };
      });
      model.save(handler).catch(reject);
    });
    const copy = await tf.loadLayersModel(tf.io.fromMemory(artifacts));
    const ofModel = model.predict(x) as tf.Tensor;
    const ofCopy = copy.predict(x) as tf.Tensor;
    expect([...ofCopy.dataSync()]).toEqual([...ofModel.dataSync()]);
    const layer = moeDense({ units: 5, experts: 2 });
    const feature = layer.apply(tf.ones([2, 3, 4, 6])) as tf.Tensor;
    expect(feature.shape).toEqual([2, 3, 4, 5]);
    model.dispose();
    copy.dispose();
  });

  it('trains by AdamW.of', async () => {
    const model = build();
    const parameters = ParameterSet.of(model.trainableWeights);
    using optimizer = AdamW.of(model.trainableWeights, { weightDecay: 0 });
    const losses: number[] = [];
    for (let at = 0; at < 60; at += 1) {
      const { loss, gradients } = parameterGradients(
        parameters,
        () => tf.losses.meanSquaredError(goal, model.apply(x, { training: true }) as tf.Tensor) as tf.Scalar,
      );
      await optimizer.step(gradients, { learningRate: 0.02 });
      losses.push(loss.dataSync()[0] ?? NaN);
      tf.dispose([loss, gradients]);
    }
    expect(losses.at(-1)).toBeLessThan(0.5 * (losses[0] ?? 0));
    model.dispose();
  });

  it('refuses conditions that a model of tf.layers has no input for', () => {
    const layer = moeDense({ units: 1, condition: 'attribute' });
    expect(() => layer.apply(tf.ones([1, 2]))).toThrow(
      'MoeDense: expected a condition on tokens, got "attribute", which decides for rows that a tf.layers model has no input for; take moeLinear for it',
    );
  });
});
