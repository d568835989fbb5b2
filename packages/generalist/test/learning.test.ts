/** Every family learns: a tiny model fits a few samples, through sources, loss, optimizer and back. */
import { createRandom } from '@polygate/core';
import {
  buildTaskSources,
  evaluateSuite,
  openSuite,
  parseRecipe,
  type UniPerceiverModel,
  type OpenSuite,
} from '@polygate/generalist';
import { caption, classify, createImageCaptioning, fill, patchesOf, retrieve } from '@polygate/tasks';
import { AdamW, parameterGradients } from '@polygate/nn';
import { buildBatch, defineSchema } from '@polygate/stream';
import { selectEngine } from '@polygate/tensor';
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { rm } from 'node:fs/promises';
import { taskLoss } from '../src/models/uni-perceiver/loss.ts';
import { drawImage, tinyModel, writeTinySuite } from './tiny-suite.ts';

const steps = 70;
const losses = new Map<string, number[]>();
let folder: string;
let data: OpenSuite;
let model: UniPerceiverModel;
let tensorsBefore: number;
let tensorsAfter: number;

const families = {
  'image-classification': 'colours',
  'image-captioning': 'images',
  'image-text-retrieval': 'images',
  'masked-language-modelling': 'lines',
} as const;

beforeAll(async () => {
  await selectEngine({ engine: 'wasm' });
  folder = await writeTinySuite();
  data = await openSuite(folder);
  model = tinyModel();
  const recipe = parseRecipe({
    tasks: Object.fromEntries(
      Object.entries(families).map(([family, dataset]) => [
        family,
        {
          family,
          dataset,
          batchSize: 8,
          labelSmoothing: 0,
          ...(dataset === 'images' && family === 'image-captioning'
            ? { candidates: { kind: 'sampled', negatives: 80, distribution: 'uniform' } }
            : {}),
          ...(family === 'masked-language-modelling'
            ? { candidates: { kind: 'sampled', negatives: 40, distribution: 'uniform' }, maskRate: 0.3 }
            : {}),
        },
      ]),
    ),
  });
  const sources = await buildTaskSources(data, recipe, { image: model.image, vocabulary: model.vocabulary });
  const { parameters } = model.encoder;
  using optimizer = new AdamW(parameters, { learningRate: 0.015, weightDecay: 0 });
  const random = createRandom(3);
  tensorsBefore = 0;
  for (let step = 0; step < steps; step += 1) {
    for (const source of sources) {
      const stream = random.fork(source.name).fork(step);
      const batch = await source.next(step, { random: stream });
      const { loss, gradients } = parameterGradients(
        parameters,
        () => taskLoss(model, batch, { training: true, random: stream }).loss,
      );
      await optimizer.step(gradients, { learningRate: 0.015, clipNorm: 1 });
      losses.set(source.name, [...(losses.get(source.name) ?? []), (await loss.data())[0] ?? NaN]);
      tf.dispose([loss, ...Object.values(gradients)]);
    }
    if (step === 5) tensorsBefore = tf.memory().numTensors;
  }
  tensorsAfter = tf.memory().numTensors;
});

afterAll(async () => {
  model.dispose();
  await data.close();
  await rm(folder, { recursive: true, force: true });
});

const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

describe('a tiny model', () => {
  it.each(Object.keys(families))('fits %s', (family) => {
    const curve = losses.get(family) ?? [];
    const start = mean(curve.slice(0, 5));
    const end = mean(curve.slice(-10));
    expect(end).toBeLessThan(0.5 * start);
  });

  it('holds no more tensors after seventy steps than after six', () => {
    expect(tensorsAfter).toBe(tensorsBefore);
  });

  it('classifies by any words, in any order, with probabilities', async () => {
    const images = patchesOf([drawImage('red', 'square', 77), drawImage('blue', 'bar', 78)], model.image);
    const [red, blue] = await classify(model, images, ['blue', 'green', 'red', 'white']);
    expect(red?.[0]?.label).toBe('red');
    expect(blue?.[0]?.label).toBe('blue');
    expect(red?.reduce((sum, { probability }) => sum + probability, 0)).toBeCloseTo(1, 5);
    await expect(classify(model, images, ['red', 'red'])).rejects.toThrow(
      'classify: expected one or more labels that differ, got red, red',
    );
  });

  it('writes captions, the same alone and in company', async () => {
    const images = patchesOf([drawImage('green', 'bar', 79), drawImage('red', 'square', 80)], model.image);
    const both = await caption(model, images, { maximumTokens: 12 });
    expect(both[0]?.[0]?.text).toMatch(/^a green/u);
    expect(both[1]?.[0]?.text).toMatch(/^a red/u);
    const alone = await caption(model, patchesOf([drawImage('red', 'square', 80)], model.image), {
      maximumTokens: 12,
    });
    expect(alone[0]?.map(({ text }) => text)).toEqual(both[1]?.map(({ text }) => text));
    expect(alone[0]?.[0]?.score).toBeCloseTo(both[1]?.[0]?.score ?? 0, 4);
  });

  it('gives captions the log-probability that the training loss sees', async () => {
    // The same words through the training layout: the mean loss is minus the mean log p, which is the score at penalty 1.
    const images = patchesOf([drawImage('green', 'bar', 79)], model.image);
    const [beams = []] = await caption(model, images, { maximumTokens: 12, beam: 3, lengthPenalty: 1 });
    expect(beams).toHaveLength(3);
    const task = createImageCaptioning({
      name: 'check',
      tokenizer: model.tokenizer,
      image: model.image,
      vocabulary: model.vocabulary,
    });
    const schema = defineSchema({
      id: 'utf8',
      image: { fixedList: 'uint8', size: 192 },
      captions: { list: { list: 'int32' } },
    });
    for (const { tokens, score } of beams) {
      const rows = buildBatch(schema, {
        id: ['a'],
        image: drawImage('green', 'bar', 79),
        captions: [[[...tokens]]],
      });
      const batch = task.collate(rows, { random: createRandom(1), training: false });
      const { loss, metrics } = taskLoss(model, batch, { training: false });
      expect((await loss.data())[0]).toBeCloseTo(-score, 3);
      tf.dispose([loss, metrics.accuracy]);
    }
  });

  it('finds images for a text', async () => {
    const images = patchesOf(
      [drawImage('red', 'square', 81), drawImage('white', 'bar', 82), drawImage('blue', 'square', 83)],
      model.image,
    );
    const matches = await retrieve(model, 'a white bar', images);
    expect(matches[0]?.index).toBe(1);
    for (const { similarity } of matches) expect(Math.abs(similarity)).toBeLessThanOrEqual(1.0001);
  });

  it('fills blanks with whole words', async () => {
    const [word] = await fill(model, 'the square is red and the night is ___');
    expect(word?.[0]?.word).toBe('dark');
    const two = await fill(model, 'the ___ is red and the ______ is dark');
    expect(two).toHaveLength(2);
    expect(two[1]?.[0]?.word).toBe('night');
    await expect(fill(model, 'no blank here')).rejects.toThrow(
      'fill: expected a text with a blank ___ (three underscores or more), got "no blank here"',
    );
  });

  it('scores held-out splits beside chance and baselines, and leaks nothing', async () => {
    model.clearCaches();
    const before = tf.memory().numTensors;
    const reports = await evaluateSuite(model, data, {
      predict: { 'image-captioning': { maximumTokens: 12 } },
    });
    const of = (task: string, metric: string) =>
      reports.find((report) => report.task === task && report.metric === metric);
    const top = of('colours classification', 'top-1');
    expect(top).toMatchObject({ split: 'test', chance: 0.25, count: 8 });
    expect(top?.value).toBeGreaterThan(0.8);
    expect(top?.baselines).toMatchObject({ majority: 0.25, pixelNearestNeighbour: 1 });
    expect(of('images captioning', 'token-F1')?.value).toBeGreaterThan(0.8);
    expect(of('images captioning', 'token-F1')?.baselines['nearest image']).toBe(1);
    expect(of('images retrieval', 'text recall@1')).toMatchObject({ chance: 1 / 8, count: 8 });
    expect(of('images retrieval', 'image recall@1')?.value).toBeGreaterThan(0.6);
    const perplexity = of('lines masked tokens', 'perplexity');
    expect(perplexity?.better).toBe('lower');
    expect(perplexity?.value).toBeLessThan(perplexity?.baselines['unigram'] ?? 0);
    expect(perplexity?.interval[0]).toBeLessThanOrEqual(perplexity?.value ?? 0);
    model.clearCaches();
    expect(tf.memory().numTensors).toBe(before);
    const again = await evaluateSuite(model, data, {
      predict: { 'image-captioning': { maximumTokens: 12 } },
    });
    expect(again).toEqual(reports);
  });

  it('names an unknown split and dataset', async () => {
    await expect(evaluateSuite(model, data, { splits: ['tset'] })).rejects.toThrow(
      'unknown split "tset": did you mean "test"? known: test, train',
    );
    await expect(evaluateSuite(model, data, { datasets: ['x'] })).rejects.toThrow(
      'known: colours, images, lines',
    );
  });
});
