/** Models that were exported with merged experts, and models that start from others. */
import { createRandom, silentLogger } from '@polygate/core';
import type { ExpertConfig } from '@polygate/encoder';
import { MergedEncoder } from '@polygate/encoder/merged';
import {
  createUniPerceiverModel,
  encodeFeatures,
  evaluateSuite,
  exportMerged,
  initialize,
  loadModel,
  saveModel,
  parseRecipe,
  settingsOfStart,
  taskSegments,
  type UniPerceiverModel,
} from '@polygate/generalist';
import { caption, classify, fill, patchesOf, retrieve } from '@polygate/tasks';
import { trainTokenizer } from '@polygate/tokens';
import * as tf from '@tensorflow/tfjs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { conditionalModel, drawImage, tinyModel, tinyTasks, useTinySuite } from './tiny-suite.ts';

const tiny = useTinySuite();

const images = (model: UniPerceiverModel) =>
  patchesOf([drawImage('red', 'bar', 1), drawImage('blue', 'square', 2)], model.image);

/** Largest difference of the features of the given candidates. */
const apart = (a: UniPerceiverModel, b: UniPerceiverModel, task: string): number => {
  const { sequences } = a.vocabulary.whole();
  return tf.tidy(() => {
    const difference = tf.sub(encodeFeatures(a, sequences, { task }), encodeFeatures(b, sequences, { task }));
    return tf.max(tf.abs(difference)).dataSync()[0] ?? NaN;
  });
};

describe.each<readonly [string, ExpertConfig, number]>([
  // Rows: image, name = caption, text, vocabulary, caption's image and words.
  ['attribute', { condition: 'attribute', experts: 3 }, 6],
  ['modality', { condition: 'modality', experts: 3, every: 1 }, 2],
  ['task', { condition: 'task', experts: 3 }, 4],
  ['task-specific', { condition: 'task-specific' }, 4],
])('a model routed by %s', (name, moe, sets) => {
  it('answers the same after its export, from a folder like any other', async () => {
    using model = conditionalModel(moe);
    using exported = exportMerged(model, { tasks: tinyTasks.map((task) => task.name) });
    const folder = join(tiny.scratch, name);
    await saveModel(exported, folder);
    using loaded = (await loadModel(folder)) as UniPerceiverModel;
    expect(loaded.encoder).toBeInstanceOf(MergedEncoder);
    expect(loaded.config).toEqual(exported.config);
    // One bit of the weights would change answers and nothing else.
    const weights = join(folder, 'model.safetensors');
    const whole = await readFile(weights);
    await writeFile(
      weights,
      whole.map((byte, i) => (i === whole.length - 2 ? byte ^ 1 : byte)),
    );
    await expect(loadModel(folder)).rejects.toThrow(
      new RegExp(
        `^model .*: expected model\\.safetensors of ${whole.length} bytes and SHA-256 [0-9a-f]{64}, which config\\.json says, got ${whole.length} bytes and [0-9a-f]{64}; the weights are damaged or another model's: restore the folder or export the model anew; if you changed them on purpose, leave "weights" out of config\\.json$`,
        'u',
      ),
    );
    await writeFile(weights, whole);
    expect(JSON.parse(await readFile(join(folder, 'config.json'), 'utf8'))).toMatchObject({
      encoder: { merged: { groups: [{ condition: name }] } },
    });
    const rows = exported.encoder.config.merged.groups.flatMap((group) => group.rows);
    expect(new Set(rows.map(({ set }) => set)).size).toBe(sets);
    expect(apart(model, loaded, 'reading')).toBeLessThan(1e-5);

    const options = { maximumTokens: 3 };
    const [captions] = await caption(model, images(model), options);
    const [other] = await caption(loaded, images(loaded), options);
    expect(other?.map(({ text }) => text)).toEqual(captions?.map(({ text }) => text));
    const labels = await classify(model, images(model), ['red', 'blue']);
    const others = await classify(loaded, images(loaded), ['red', 'blue']);
    others.flat().forEach(({ label, probability }, i) => {
      expect(label).toBe(labels.flat()[i]?.label);
      expect(probability).toBeCloseTo(labels.flat()[i]?.probability ?? 0, 4);
    });
    expect(await retrieve(loaded, 'a red bar', images(loaded))).toHaveLength(2);
    const scores = await evaluateSuite(loaded, tiny.data, {
      limit: 3,
      predict: { 'image-captioning': { maximumTokens: 2 } },
    });
    expect(new Set(scores.map(({ task }) => task)).size).toBe(4);
  });
});

describe('an export for some tasks', () => {
  it('keeps their rows alone, and names them where another is asked for', async () => {
    using model = conditionalModel({ experts: 3 });
    using exported = exportMerged(model, { tasks: ['naming', 'finding'] });
    expect(exported.encoder.config.merged.groups[0]?.rows.map(({ attributes }) => attributes)).toEqual([
      '10011001',
      '10010100',
    ]);
    expect(exported.config.tasks?.map(({ name }) => name)).toEqual(['naming', 'finding']);
    expect(await classify(exported, images(exported), ['red'])).toHaveLength(2);
    await expect(fill(exported, 'the ___')).rejects.toThrow(
      'encode: expected a row that this merged model was exported with: [attributes 10011001] [attributes 10010100]; got [attributes 01010101]; export the trained model again with the task that has it (polygate export --tasks)',
    );
    using rows = exportMerged(model, {
      rows: taskSegments({ name: 'x', family: 'masked-language-modelling' }),
    });
    expect(await fill(rows, 'the ___')).toHaveLength(1);
  });

  it('is scored by the families that it has weights for', async () => {
    const families = async (tasks: readonly string[], moe: ExpertConfig) => {
      using model = conditionalModel(moe);
      using exported = exportMerged(model, { tasks });
      const warnings: string[] = [];
      const logger = { ...silentLogger, warn: (line: string) => void warnings.push(line) };
      const scores = await evaluateSuite(exported, tiny.data, {
        limit: 2,
        logger,
        predict: { 'image-captioning': { maximumTokens: 2 } },
      });
      return { tasks: [...new Set(scores.map(({ task }) => task))], warnings };
    };
    expect(await families(['finding'], { condition: 'task', experts: 3 })).toEqual({
      tasks: ['images retrieval'],
      warnings: [
        'colours, test: image-classification left out: the model was not exported for it',
        'images, test: image-captioning left out: the model was not exported for it',
        'lines, test: masked-language-modelling left out: the model was not exported for it',
      ],
    });
    // Images and short texts are the same rows for both.
    expect((await families(['finding'], { experts: 3 })).tasks).toEqual([
      'colours classification',
      'images retrieval',
    ]);
    using reader = tinyModel(1, {
      moe: { condition: 'task', experts: 2, tasks: ['reading'] },
      tasks: tinyTasks.filter(({ name }) => name === 'reading'),
    });
    const scores = await evaluateSuite(reader, tiny.data, { limit: 2 });
    expect(new Set(scores.map(({ task }) => task))).toEqual(new Set(['lines masked tokens']));
    await expect(evaluateSuite(reader, tiny.data, { datasets: ['images'] })).rejects.toThrow(
      'evaluate: expected a family that the model has weights for, got images, test: image-captioning; images, test: image-text-retrieval (experts go by tasks, and the model was trained on none of this family); name datasets of its tasks, or export the run for these tasks',
    );
  });

  it('whose export is cut short is no model yet, and is written at the same place', async () => {
    using model = conditionalModel({ experts: 3 });
    using exported = exportMerged(model, { tasks: ['naming'] });
    const folder = join(tiny.scratch, 'cut-short');
    // A folder in the way of the last of the small files stands for a disk that is full.
    await mkdir(join(folder, 'tokenizer_config.json'), { recursive: true });
    await expect(saveModel(exported, folder)).rejects.toMatchObject({ code: 'not-writable' });
    expect(await readdir(folder)).not.toContain('config.json');
    await expect(loadModel(folder)).rejects.toMatchObject({ code: 'model-missing' });
    await rm(join(folder, 'tokenizer_config.json'), { recursive: true });
    await saveModel(exported, folder);
    using _loaded = await loadModel(folder);
  });

  it('says what cannot be exported', async () => {
    using model = conditionalModel({ experts: 3 });
    expect(() => exportMerged(model, { tasks: ['nameing'] })).toThrow(
      'unknown task "nameing": did you mean "naming"?',
    );
    using exported = exportMerged(model, { tasks: ['naming'] });
    expect(() => exportMerged(exported, { tasks: ['naming'] })).toThrow(
      'export: expected a trained model, got one that was exported before; give the run that it was exported from',
    );
    using byToken = conditionalModel({ condition: 'token', experts: 3 });
    expect(() => exportMerged(byToken, { tasks: ['naming'] })).toThrow(
      'by which every token chooses its own',
    );
  });
});

describe('initialize', () => {
  it('makes a conditional model of a dense folder, which then predicts what the dense one does', async () => {
    using dense = conditionalModel(undefined, 5);
    const folder = join(tiny.scratch, 'dense');
    await saveModel(dense, folder);
    for (const condition of ['attribute', 'task']) {
      using model = conditionalModel({ condition, experts: 3 }, 6);
      model.candidateFeatures(model.vocabulary.whole(), 'reading');
      await initialize(model, { from: folder, random: createRandom(1) });
      expect(apart(model, dense, 'reading')).toBeLessThan(1e-5);
      const words = await fill(model, 'the ___ is red');
      expect(words[0]?.map(({ word }) => word)).toEqual(
        (await fill(dense, 'the ___ is red'))[0]?.map(({ word }) => word),
      );
    }
  });

  it('tells of images that the start did not see', async () => {
    const folder = join(tiny.scratch, 'larger');
    using larger = conditionalModel({ experts: 3 }, 9);
    const image = { ...larger.config.image, height: 16, width: 12, fit: 'contain' as const };
    using start = createUniPerceiverModel(
      { ...larger.config, encoder: larger.encoder.config, image },
      larger.tokenizer,
      createRandom(1),
    );
    await saveModel(start, folder);
    using model = createUniPerceiverModel(
      { ...larger.config, encoder: larger.encoder.config, image: { ...larger.config.image, fit: 'cover' } },
      larger.tokenizer,
      createRandom(2),
    );
    const { settings } = await initialize(model, { from: folder, random: createRandom(1) });
    expect(settings).toEqual([
      'image size (model 8 x 8, start 16 x 12)',
      'images (model cover on #ffffff, start contain on #ffffff)',
    ]);
    // 4 patches along the longer side of the start's images, 2 along that of the model's.
    const recipe = parseRecipe({ model: { patchSize: 4 } });
    const recipeSettings = { model: recipe.model, image: model.config.image };
    expect(await settingsOfStart({ from: folder }, recipeSettings)).toEqual({ gridScale: 2 });
  });

  it('refuses a start that does not fit', async () => {
    using start = conditionalModel({ condition: 'task', experts: 3 }, 7);
    const folder = join(tiny.scratch, 'start');
    await saveModel(start, folder);
    using model = conditionalModel({ condition: 'attribute', experts: 3 }, 8);
    const other = trainTokenizer(['other words'], { vocabularySize: 300 });
    const { config } = model;
    using foreign = createUniPerceiverModel(
      {
        ...config,
        encoder: { ...start.config.encoder, vocabularySize: other.size, prefixToken: other.size - 2 },
        tokenizerHash: other.hash,
      },
      other,
      createRandom(1),
    );
    await saveModel(foreign, folder);
    await expect(initialize(model, { from: folder, random: createRandom(1) })).rejects.toThrow(
      /initialize: expected a start with the suite's tokenizer .* prepare the suite for the start: polygate prepare --recipe RECIPE --for /u,
    );
  });
});
