/** Models as folders, candidates as caches, stages in pipes, and recipes that do not fit. */
import { createRandom, parseJson, PolygateError } from '@polygate/core';
import {
  buildTaskSources,
  createUniPerceiverModel,
  defaultTasks,
  encodeCandidates,
  encoderOf,
  encodeStage,
  type UniPerceiverModel,
  labelFrequencies,
  loadModel,
  makeTask,
  openSuite,
  parseRecipe,
  readImage,
  saveModel,
  scoreStage,
  type OpenSuite,
} from '@polygate/generalist';
import { registerModality } from '@polygate/modalities';
import { caption, classify, patchesOf } from '@polygate/tasks';
import { collectSink, fixedListRow, fixedListValues, pipe } from '@polygate/stream';
import { saveTokenizer, trainTokenizer } from '@polygate/tokens';
import { selectEngine } from '@polygate/tensor';
import * as tf from '@tensorflow/tfjs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { taskLoss } from '../src/models/uni-perceiver/loss.ts';
import { classes, drawImage, tinyModel, tinyTokenizer, writeTinySuite } from './tiny-suite.ts';

let folder: string;
let data: OpenSuite;
let model: UniPerceiverModel;
let scratch: string;

beforeAll(async () => {
  await selectEngine({ engine: 'wasm' });
  folder = await writeTinySuite();
  data = await openSuite(folder);
  model = tinyModel();
  scratch = await mkdtemp(join(tmpdir(), 'polygate-model-'));
});

afterAll(async () => {
  model.dispose();
  await data.close();
  await rm(folder, { recursive: true, force: true });
  await rm(scratch, { recursive: true, force: true });
});

const images = () => patchesOf([drawImage('red', 'bar', 1), drawImage('blue', 'square', 2)], model.image);

describe('model folders', () => {
  it('come back with the same predictions', async () => {
    const saved = join(scratch, 'saved');
    await saveModel(model, saved);
    const marked = join(saved, 'config.json');
    await writeFile(marked, `\ufeff${await readFile(marked, 'utf8')}`);
    using again = await loadModel(saved);
    const options = { maximumTokens: 4 };
    expect(await caption(again, images(), options)).toEqual(await caption(model, images(), options));
    expect(again.config).toEqual(model.config);
  });

  it('refuse a tokenizer that the weights were not made with', async () => {
    const saved = join(scratch, 'other-tokenizer');
    await saveModel(model, saved);
    await saveTokenizer(
      trainTokenizer(['other words'], { vocabularySize: 280 }),
      join(saved, 'tokenizer.json'),
    );
    await expect(loadModel(saved)).rejects.toThrow(/expected the one that the .* was made with \(sha256/u);
  });

  it('say what is missing or broken', async () => {
    await expect(loadModel(join(scratch, 'nothing'))).rejects.toThrow(
      /expected a model folder or a run with a checkpoint at .*nothing, got neither config.json nor checkpoints/u,
    );
    const damaged = join(scratch, 'broken');
    await saveModel(model, damaged);
    const path = join(damaged, 'config.json');
    await writeFile(path, '{');
    await expect(loadModel(damaged)).rejects.toThrow(
      /expected JSON, got .* at \d+:\d+; is it a model folder\?/u,
    );
    const saved = parseJson(await readFile(join(scratch, 'saved', 'config.json')), 'saved') as {
      encoder: object;
      image: object;
    };
    // A config that asks for far more than its weights hold allocates nothing.
    const huge = { ...saved.encoder, width: 65_536, heads: 2, hidden: 65_536, layers: 64 };
    await writeFile(path, `\ufeff${JSON.stringify({ ...saved, encoder: huge })}`);
    await expect(loadModel(damaged)).rejects.toThrow(
      /expected weights of the \d+ parameters that config.json/u,
    );
    for (const encoder of [{ layers: 1e9 }, { width: 1e15 }, { patch: { size: 1e9, channels: 3 } }]) {
      await writeFile(path, JSON.stringify({ ...saved, encoder: { ...saved.encoder, ...encoder } }));
      await expect(loadModel(damaged)).rejects.toThrow(PolygateError);
    }
    await writeFile(path, JSON.stringify({ ...saved, image: { ...saved.image, width: 1e9 } }));
    await expect(loadModel(damaged)).rejects.toThrow('image.width');
    await writeFile(path, '{"modelType":"bert"}');
    await expect(loadModel(damaged)).rejects.toThrow('expected a Polygate model: modelType');
    const before = tf.memory().numTensors;
    await writeFile(path, await readFile(join(scratch, 'saved', 'config.json'), 'utf8'));
    await writeFile(join(damaged, 'model.safetensors'), 'no weights');
    await expect(loadModel(damaged)).rejects.toThrow();
    expect(tf.memory().numTensors).toBe(before);
  });

  it('refuse an encoder of another vocabulary', () => {
    const tokenizer = tinyTokenizer();
    const config = { ...model.config, encoder: { ...model.config.encoder, vocabularySize: 90 } };
    const before = tf.memory().numTensors;
    expect(() => createUniPerceiverModel(config, tokenizer, createRandom(1))).toThrow(
      `expected an encoder with the tokenizer's ${tokenizer.size} tokens, got 90`,
    );
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe('encoderOf', () => {
  const sizes = { vocabularySize: 500, channels: 3 };

  it('lays the settings of a recipe over its preset', () => {
    const { model: settings } = parseRecipe({
      model: { preset: 'mini-moe', layers: 2, patchSize: 4, moe: { experts: 3 } },
    });
    expect(encoderOf(settings, sizes)).toMatchObject({
      layers: 2,
      width: 192,
      vocabularySize: 500,
      prefixToken: 498,
      patch: { size: 4, channels: 3 },
      moe: { experts: 3, topK: 2 },
    });
  });

  it('embeds what the recipe names and what tasks show beside images and text, and records their attributes', () => {
    const embedsNothing = (): never => {
      throw new Error('nothing is embedded here');
    };
    registerModality({
      name: 'test-signal',
      summary: 'a signal, for this test',
      attribute: 'signal',
      columns: () => ({}),
      read: embedsNothing,
      tokens: () => 1,
      values: () => 1,
      synthetic: () => ({}),
      resolve: (given) => ({ rate: 8, ...(given as object) }),
      parameters: () => [],
      check: () => undefined,
      embed: embedsNothing,
    });
    const { model: settings } = parseRecipe({
      model: { preset: 'mini-moe', modalities: { 'test-signal': { rate: 4 } } },
    });
    const named = encoderOf(settings, sizes);
    expect(named.modalities).toEqual({ visual: {}, text: {}, 'test-signal': { rate: 4 } });
    expect(named.moe).toMatchObject({ experts: 8, attributes: ['visual', 'text', 'signal'] });
    const { model: plain } = parseRecipe({ model: { preset: 'mini-moe' } });
    const shown = encoderOf(plain, { ...sizes, modalities: { visual: {}, 'test-signal': {}, text: {} } });
    expect(shown.modalities).toEqual({ visual: {}, text: {}, 'test-signal': {} });
    // What tasks need of a modality comes before what the recipe says of it.
    const needed = { 'test-signal': { rate: 2, inputs: 3 } };
    expect(encoderOf(settings, { ...sizes, modalities: needed }).modalities).toEqual({
      visual: {},
      text: {},
      'test-signal': { rate: 4, inputs: 3 },
    });
    const usual = encoderOf(plain, { ...sizes, modalities: { visual: {}, text: {} } });
    expect(usual).toEqual(encoderOf(plain, sizes));
    expect(Object.keys(usual)).not.toContain('modalities');
  });

  it('drops the experts for null', () => {
    const { model: settings } = parseRecipe({ model: { preset: 'mini-moe', moe: null } });
    expect(encoderOf(settings, sizes).moe).toBeUndefined();
  });
});

describe('candidate features', () => {
  it('are encoded once, whatever the size of the pieces, and freed with the caches', () => {
    const before = tf.memory().numTensors;
    model.clearCaches();
    const whole = model.vocabulary.whole();
    const first = model.candidateFeatures(whole);
    expect(model.candidateFeatures(whole)).toBe(first);
    const pieces = encodeCandidates(model, whole.sequences, { chunk: 37 });
    const difference = tf.tidy(() => tf.max(tf.abs(tf.sub(first, pieces))).dataSync()[0]);
    expect(difference).toBeLessThan(1e-5);
    pieces.dispose();
    model.clearCaches();
    expect(tf.memory().numTensors).toBeLessThanOrEqual(before);
  });

  it('of labels replace those of other labels', async () => {
    model.clearCaches();
    await classify(model, images(), ['red', 'blue']);
    const held = tf.memory().numTensors;
    await classify(model, images(), ['green', 'white', 'blue']);
    expect(tf.memory().numTensors).toBe(held);
    model.clearCaches();
  });

  it('are not used by a model that was disposed', () => {
    const gone = tinyModel(2);
    gone.dispose();
    expect(() => gone.candidateFeatures(gone.vocabulary.whole())).toThrow(
      'expected a live model, got one that was disposed; load it anew',
    );
  });
});

describe('taskLoss', () => {
  it('is the cross-entropy of the definition, computed by hand from the features', async () => {
    const task = makeTask(
      'colours',
      {
        ...parseRecipe({ tasks: { a: { family: 'image-classification', dataset: 'colours' } } }).tasks['a']!,
      },
      { suite: data.suite, tokenizer: data.tokenizer, image: model.image },
    );
    const rows = await (await data.shards('colours', 'test')).read([0, 3, 5]);
    const batch = task.collate(rows, { random: createRandom(1), training: false });
    const before = tf.memory().numTensors;
    const { loss, metrics } = taskLoss(model, batch, { training: false });
    const { encodeFeatures } = await import('@polygate/generalist');
    const queries = encodeFeatures(model, batch.inputs).arraySync();
    const targets = encodeFeatures(model, batch.targets.sequences).arraySync();
    const temperature = model.encoder.temperature('image-classification').dataSync()[0] ?? 0;
    let expected = 0;
    let right = 0;
    queries.forEach((query, i) => {
      const logits = targets.map(
        (target) => temperature * target.reduce((sum, x, d) => sum + x * (query[d] ?? 0), 0),
      );
      const labelLogit = logits[batch.labels[i] ?? 0] ?? 0;
      expected += (Math.log(logits.reduce((sum, l) => sum + Math.exp(l), 0)) - labelLogit) / queries.length;
      right += labelLogit === Math.max(...logits) ? 1 / queries.length : 0;
    });
    expect(loss.dataSync()[0]).toBeCloseTo(expected, 3);
    expect(metrics.accuracy?.dataSync()[0]).toBeCloseTo(right, 5);
    tf.dispose([loss, metrics.accuracy]);
    expect(before).toBeGreaterThan(0);
  });

  it('reaches experts of the rows that took part, temperatures, and nothing of other tasks', async () => {
    const recipe = parseRecipe({
      tasks: { colours: { family: 'image-classification', dataset: 'colours', batchSize: 4 } },
    });
    const [source] = await buildTaskSources(data, recipe, { image: model.image });
    const batch = await source?.next(0, { random: createRandom(1) });
    if (!batch) throw new Error('expected a batch');
    const { parameterGradients } = await import('@polygate/nn');
    const { loss, gradients } = parameterGradients(
      model.encoder.parameters,
      () => taskLoss(model, batch, { training: true, random: createRandom(1) }).loss,
    );
    expect(Object.keys(gradients)).toContain('temperature.image-classification');
    expect(Object.keys(gradients)).not.toContain('temperature.image-captioning');
    tf.dispose([loss, ...Object.values(gradients)]);
  });

  it('is differentiable as it is evaluated: the same value as from caches, gradients to experts and routers', async () => {
    const recipe = parseRecipe({
      tasks: { colours: { family: 'image-classification', dataset: 'colours', batchSize: 4 } },
    });
    const [source] = await buildTaskSources(data, recipe, { image: model.image });
    const batch = await source?.next(0, { random: createRandom(1) });
    if (!batch) throw new Error('expected a batch');
    const { parameterGradients } = await import('@polygate/nn');
    model.clearCaches();
    const before = tf.memory().numTensors;
    const { loss, gradients } = parameterGradients(
      model.encoder.parameters,
      () => taskLoss(model, batch, { training: false, differentiable: true }).loss,
    );
    const names = Object.keys(gradients).join('\n');
    expect(names).toMatch(/blocks\.0\.ffn\.fc2\.experts\.\d\.weight/u);
    expect(names).toMatch(/^routers/mu);
    const value = loss.dataSync()[0] ?? NaN;
    tf.dispose([loss, ...Object.values(gradients)]);
    expect(tf.memory().numTensors).toBe(before);
    const evaluated = taskLoss(model, batch, { training: false });
    expect(value).toBeCloseTo(evaluated.loss.dataSync()[0] ?? NaN, 5);
    tf.dispose([evaluated.loss, evaluated.metrics.accuracy]);
  });
});

describe('task sources', () => {
  it('give the same batch for the same cursor and stream', async () => {
    const recipe = parseRecipe({});
    const sources = await buildTaskSources(data, recipe, {
      image: model.image,
      vocabulary: model.vocabulary,
    });
    expect(sources.map(({ name }) => name)).toEqual([
      'colours',
      'images/captioning',
      'images/retrieval',
      'lines',
    ]);
    for (const source of sources) {
      const once = await source.next(3, { random: createRandom(7) });
      expect(await source.next(3, { random: createRandom(7) })).toEqual(once);
    }
  });

  it('count labels: ends and words of captions, words of texts', async () => {
    const { endoftext } = data.tokenizer.specials;
    const captions = await labelFrequencies(
      await data.shards('images', 'train'),
      'image-captioning',
      data.tokenizer,
    );
    expect(captions[endoftext]).toBe(16);
    const words = await labelFrequencies(
      await data.shards('lines', 'train'),
      'masked-language-modelling',
      data.tokenizer,
    );
    expect(words[endoftext]).toBe(0);
    const [night = -1] = data.tokenizer.encode(' night');
    expect(words[night]).toBe(8);
  });

  it('draw what other tasks ask for: an end of captions is a negative of masked tokens', async () => {
    const recipe = parseRecipe({
      tasks: {
        write: {
          family: 'image-captioning',
          dataset: 'images',
          candidates: { kind: 'sampled', negatives: 5 },
        },
        read: {
          family: 'masked-language-modelling',
          dataset: 'lines',
          candidates: { kind: 'sampled', negatives: 5 },
        },
      },
    });
    const sources = await buildTaskSources(data, recipe, { image: model.image });
    const { endoftext } = data.tokenizer.specials;
    let seen = 0;
    for (let cursor = 0; cursor < 40; cursor += 1) {
      const batch = await sources[1]?.next(cursor, { random: createRandom(cursor) });
      if (batch?.targets.ids.includes(endoftext)) seen += 1;
    }
    // One caption token in four or five is an end: q is about 0.07, and 1 - 0.93^5 = 0.3. By its own labels it is 0.002.
    expect(seen).toBeGreaterThan(4);
  });

  it('name the datasets that would do', async () => {
    const recipe = parseRecipe({ tasks: { a: { family: 'image-captioning', dataset: 'lines' } } });
    await expect(buildTaskSources(data, recipe, { image: model.image })).rejects.toThrow(
      'task "a": expected a dataset of kind captioned-image for image-captioning, got "lines" of kind text; images would do',
    );
    const unknown = parseRecipe({ tasks: { a: { family: 'image-captioning', dataset: 'imags' } } });
    await expect(buildTaskSources(data, unknown, { image: model.image })).rejects.toThrow(
      'unknown dataset "imags": did you mean "images"?',
    );
    expect(Object.keys(defaultTasks(data.suite))).toHaveLength(4);
  });

  it('refuse to mix rows that have no classes', async () => {
    const augmentation = [{ kind: 'flip' }, { kind: 'mix' }];
    const recipe = parseRecipe({
      tasks: { a: { family: 'image-captioning', dataset: 'images', augmentation } },
    });
    await expect(buildTaskSources(data, recipe, { image: model.image })).rejects.toThrow(
      'task "a": expected an augmentation of single images, got one that mixes rows, which needs classes; leave its step mix out',
    );
  });

  it('refuse a suite whose tokenizer was exchanged', async () => {
    const other = await writeTinySuite();
    await saveTokenizer(trainTokenizer(['x y z'], { vocabularySize: 270 }), join(other, 'tokenizer.json'));
    await expect(openSuite(other)).rejects.toThrow(
      'use the tokenizer.json beside the data or prepare it again',
    );
    await rm(other, { recursive: true, force: true });
  });
});

describe('stages', () => {
  it('add embeddings and scores to a stream', async () => {
    const before = tf.memory().numTensors;
    const shards = await data.shards('colours', 'test');
    const [batch] = await pipe(
      shards,
      encodeStage(model, { from: 'image' }),
      scoreStage(model, { labels: classes }),
      collectSink(),
    );
    if (!batch) throw new Error('expected a batch');
    const vector = fixedListRow(batch, 'embedding', 2);
    expect(Math.hypot(...vector)).toBeCloseTo(1, 4);
    const scores = fixedListValues(batch, 'scores');
    expect(scores.length).toBe(8 * 4);
    expect(Array.from(scores.subarray(0, 4)).reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 4);
    const [lines] = await pipe(
      await data.shards('lines', 'test'),
      encodeStage(model, { from: 'text' }),
      collectSink(),
    );
    expect(lines && fixedListValues(lines, 'embedding').length).toBe(8 * 16);
    model.clearCaches();
    expect(tf.memory().numTensors).toBeLessThanOrEqual(before);
  });
});

describe('images', () => {
  it('are read from files at the size of the model', async () => {
    const path = join(scratch, 'red.png');
    await sharp({ create: { width: 20, height: 20, channels: 3, background: { r: 255, g: 0, b: 0 } } })
      .png()
      .toFile(path);
    const pixels = await readImage(path, model.image);
    expect(pixels.length).toBe(192);
    expect(Array.from(pixels.subarray(0, 3))).toEqual([255, 0, 0]);
  });

  it('that are missing or no images are named', async () => {
    await expect(readImage(join(scratch, 'none.png'), model.image)).rejects.toThrow(
      /image .*none.png: expected an image file, got nothing at its path; give a PNG/u,
    );
    await writeFile(join(scratch, 'text.png'), 'text');
    await expect(readImage(join(scratch, 'text.png'), model.image)).rejects.toThrow('can be decoded');
    expect(() => patchesOf([new Uint8Array(3)], model.image)).toThrow(
      'images: expected 8 x 8 x 3 = 192 values each, got 3 in image 0',
    );
  });
});
