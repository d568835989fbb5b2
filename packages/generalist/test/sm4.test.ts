/** SM^4 as a model: heads by hand, lacking modalities, what numbers of experts and paces change, refusals. */
import { parseRow } from '@polygate/attributes';
import { createRandom } from '@polygate/core';
import {
  configureModel,
  createModel,
  parseRecipe,
  type Generalist,
  type ModelData,
} from '@polygate/generalist';
import { imageSequences, textSequences, type SequenceBatch } from '@polygate/modalities';
import { parameterGradients } from '@polygate/nn';
import { nameCandidates, segmentRows, type TaskBatch } from '@polygate/tasks';
import { leakedTensors, testEngines } from '@polygate/tensor/testing';
import { trainTokenizer } from '@polygate/tokens';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';

const tokenizer = trainTokenizer(['a red square', 'a blue bar'], { vocabularySize: 290 });
const classes = ['square', 'bar', 'dot'];
const [engine] = await testEngines();

const sizes = {
  ...{ width: 8, latents: 2, crossHeadWidth: 4, latentHeads: 2, latentHeadWidth: 4, heads: 2, bands: 2 },
  ...{ experts: 4, patchSize: 4, textWidth: 4, noise: 0 },
};
const made = (model: object = {}, tasks: ModelData['tasks'] = [colours]): Generalist => {
  const settings = parseRecipe({ model: { architecture: 'sm4', ...sizes, ...model } } as never).model;
  const image = { height: 8, width: 8, channels: 3 };
  const data = {
    vocabularySize: tokenizer.size,
    image,
    tokenizerHash: tokenizer.hash,
    ...(tasks ? { tasks } : {}),
  };
  return createModel(configureModel(settings, data), tokenizer, createRandom(3));
};
const colours = { name: 'colours', family: 'image-classification', dataset: 'colours', classes };

const images = (size: number): SequenceBatch => {
  const random = createRandom(6);
  const patches = Float32Array.from({ length: size * 4 * 48 }, () => random.normal());
  const grid = { rows: 2, columns: 2, frames: 1 };
  return imageSequences({ size, patches, patchCount: 4, patchWidth: 48, grid }, segmentRows.image);
};
const named = nameCandidates('classes', classes, { tokenizer, row: segmentRows.name, maximum: 8 });
const batchOf = (inputs: SequenceBatch, change: Partial<TaskBatch> = {}): TaskBatch => ({
  ...{ task: 'colours', family: 'image-classification', temperature: 'x', lossWeight: 1, labelSmoothing: 0 },
  inputs: { ...inputs, task: 'colours' },
  queries: 'prefix',
  labels: Int32Array.from({ length: inputs.size }, (_, i) => i % 3),
  targets: named.whole(),
  loss: 'cross-entropy',
  ...change,
});
const numbersOf = (scalars: Readonly<Record<string, tf.Scalar>>): Record<string, number> => {
  const values = Object.fromEntries(
    Object.entries(scalars).map(([name, scalar]) => [name, scalar.dataSync()[0] ?? Number.NaN]),
  );
  tf.dispose(scalars as never);
  return values;
};

describe('SM^4', () => {
  beforeAll(() => engine?.use());

  it('has losses of classes, of several labels and of numbers, whose running moments count in evaluation', () => {
    using model = made({ allocation: null, pace: null });
    // Every row has the outputs 0, 2 and 0, whatever comes before.
    model.parameters.write('heads.colours.linear.weight', new Float32Array(3 * 8));
    model.parameters.write('heads.colours.linear.bias', Float32Array.of(0, 2, 0));
    const lossOf = (change: Partial<TaskBatch>): Record<string, number> => {
      const { loss, metrics } = model.loss(batchOf(images(2), change), { training: false });
      return numbersOf({ loss, ...metrics });
    };
    const logSum = Math.log(2 + Math.exp(2));
    // Labels 0 and 1: logSum and logSum - 2.
    expect(lossOf({}).loss).toBeCloseTo((2 * logSum - 2) / 2, 5);
    expect(lossOf({}).accuracy).toBeCloseTo(0.5, 6);
    const flags = lossOf({ loss: 'multi-label', values: Float32Array.of(1, 1, 0, 0, 0, 0) });
    // -log sigmoid of 0 four times, of 2 once, and -log(1 - sigmoid(2)).
    expect(flags.loss).toBeCloseTo(
      (4 * Math.log(2) + Math.log1p(Math.exp(-2)) + Math.log1p(Math.exp(2))) / 6,
      5,
    );
    expect(flags.accuracy).toBeCloseTo(4 / 6, 5);
    // Squares of 1, 0, 0 and 0, 2, 0.
    expect(lossOf({ loss: 'regression', values: Float32Array.of(1, 2, 0, 0, 0, 0) }).loss).toBeCloseTo(
      5 / 6,
      5,
    );
    expect(() => lossOf({ loss: 'contrastive' })).toThrow(
      'expected a loss that the model sm4 has (cross-entropy',
    );
  });

  it('moves its running moments by the batch in training alone', () => {
    using model = made({ allocation: null, pace: null, momentum: 0.5 });
    const meanOf = (): number[] => Array.from(model.parameters.get('heads.colours.norm.mean').dataSync());
    const start = meanOf();
    numbersOf({ loss: model.loss(batchOf(images(3)), { training: false }).loss });
    expect(meanOf()).toEqual(start);
    const step = () => {
      const { loss, gradients } = parameterGradients(
        model.parameters,
        () => model.loss(batchOf(images(3)), { training: true, random: createRandom(1) }).loss,
      );
      tf.dispose([loss, gradients]);
      return Object.keys(gradients);
    };
    const names = step();
    const once = meanOf();
    // Halfway from 0 to the mean of the batch, then half of what is left.
    step();
    meanOf().forEach((value, at) => expect(value).toBeCloseTo(1.5 * (once[at] ?? 0), 4));
    expect(names).not.toContain('heads.colours.norm.mean');
    expect(names).toContain('routers.attention.gate.weight');
    expect(leakedTensors(step)).toEqual({ tensors: 0, buffers: 0 });
  });

  it('answers without a modality that nobody of the batch has, and looks tokens of text up', async () => {
    const words = { name: 'words', family: 'text-classification', dataset: 'w', classes: ['no', 'yes'] };
    using model = made({}, [colours, words]);
    const empty = { ...images(2), keyPadding: Uint8Array.from({ length: 10 }, (_, i) => Number(i % 5 > 0)) };
    const asked = { inputs: empty, queries: 'prefix', targets: named.whole(), temperature: 'x' } as const;
    const scores = await model.scores(asked, { task: 'colours' });
    expect(scores).toHaveLength(6);
    expect(scores.every(Number.isFinite)).toBe(true);
    const text = textSequences([[11, 12], [13]], { row: parseRow('01010101'), padding: 1 });
    const targets = nameCandidates('words', words.classes, {
      tokenizer,
      row: segmentRows.name,
      maximum: 8,
    }).whole();
    const told = await model.scores({ ...asked, inputs: text, targets }, { task: 'words' });
    // The second text is shorter: its padding must not matter.
    const alone = textSequences([[13]], { row: parseRow('01010101'), padding: 1 });
    const single = await model.scores({ ...asked, inputs: alone, targets }, { task: 'words' });
    single.forEach((value, at) => expect(value).toBeCloseTo(told[2 + at] ?? Number.NaN, 4));
    await expect(model.scores({ ...asked, targets }, { task: 'words' })).rejects.toThrow(
      'expected inputs of text, got visual',
    );
    await expect(model.scores(asked, { task: 'other' })).rejects.toThrow('unknown task of the model "other"');
  });

  it('raises the experts of a modality at a plateau, which changes what it computes, and records it', async () => {
    using model = made();
    const values = { 'colours/validation/loss-visual': 1, 'colours/validation/loss': 1 };
    const records: unknown[] = [];
    const end = (epoch: number) =>
      model.endOfEpoch?.({
        epoch,
        step: epoch,
        validate: () => Promise.resolve(values),
        record: (entry) => Promise.resolve(void records.push(entry.values)),
      });
    const asked = { inputs: images(2), queries: 'prefix', targets: named.whole(), temperature: 'x' } as const;
    const before = await model.scores(asked, { task: 'colours' });
    await end(1);
    expect(await model.scores(asked, { task: 'colours' })).toEqual(before);
    await end(2);
    const after = await model.scores(asked, { task: 'colours' });
    expect(after).not.toEqual(before);
    expect(records.at(-1)).toMatchObject({
      epoch: 2,
      experts: [{ task: 'colours', modality: 'visual', k: 2, best: 1, open: true }],
    });
    // The same as two experts by configuration.
    using two = made({ topK: 2, allocation: null });
    for (const { name, variable } of model.parameters.entries()) {
      two.parameters.write(name, variable.dataSync() as Float32Array);
    }
    const same = await two.scores(asked, { task: 'colours' });
    same.forEach((value, at) => expect(value).toBeCloseTo(after[at] ?? Number.NaN, 5));
    using restored = made();
    restored.extraState?.restore(JSON.parse(JSON.stringify(model.extraState?.save())));
    expect(restored.extraState?.save()).toEqual(model.extraState?.save());
  });

  it('takes what fits of another one, and says what its settings come to', async () => {
    using start = made();
    using model = made({}, [colours, { ...colours, name: 'more' }]);
    const report = await model.startFrom?.(start, { random: createRandom(1) });
    expect(report?.entries.filter(({ source }) => source.how === 'new').map(({ name }) => name)).toEqual(
      model.parameters.specs.map(({ name }) => name).filter((name) => name.startsWith('heads.more')),
    );
    expect(model.describe()).toContainEqual(['experts', 'attention 4 by token, ffn 4 by token']);
    using dense = made({ attention: 'dense', feedForward: 'dense' });
    expect(dense.describe()).toContainEqual(['experts', 'none']);
    expect(dense.routing).toBeUndefined();
    expect(() => made({ preset: 'huge' })).toThrow('unknown preset of sm4 "huge"');
  });
});
