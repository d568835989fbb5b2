/** A model that is kept: images from files, bytes and pixels; class names that go with the model. */
import {
  exportMerged,
  predictorOf,
  saveModel,
  trainedTasks,
  type Predictor,
  type PredictorVerbs,
} from '@polygate/generalist';
import { openPredictor } from '@polygate/runs';
import {
  classify,
  patchesOf,
  taskPredictors,
  type CaptionOptions,
  type LabelPrediction,
  type TaskRecipe,
} from '@polygate/tasks';
import { StateError } from '@polygate/core';
import { readSuite } from '@polygate/datasets';
import { selectEngine } from '@polygate/tensor';
import * as tf from '@tensorflow/tfjs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, expectTypeOf, it } from 'vitest';
import {
  classes,
  conditionalModel,
  drawImage,
  tinyModel,
  tinyTasks,
  writeTinySuite,
} from '../../generalist/test/tiny-suite.ts';

let folder = '';
const pixels = [drawImage('red', 'bar', 1), drawImage('blue', 'square', 2), drawImage('white', 'bar', 3)];
const size = { height: 8, width: 8, channels: 3 } as const;
const files: Uint8Array[] = [];
const trained = tinyTasks.map((task) => (task.name === 'naming' ? { ...task, classes } : task));

beforeAll(async () => {
  await selectEngine({ engine: 'wasm' });
  folder = await mkdtemp(join(tmpdir(), 'polygate-predictor-'));
  for (const each of pixels) files.push(await sharp(each, { raw: size }).png().toBuffer());
  await writeFile(join(folder, 'red.png'), files[0] ?? '');
  using model = tinyModel(1, {
    moe: { experts: 3, tasks: tinyTasks.map(({ name }) => name) },
    tasks: trained,
  });
  await saveModel(model, join(folder, 'model'));
  using exported = exportMerged(model, { tasks: ['naming'] });
  await saveModel(exported, join(folder, 'exported'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Verbs are those of the records, and so are their options and answers. */
type Answers<Verb extends keyof PredictorVerbs> = Awaited<ReturnType<PredictorVerbs[Verb]>>;
const askedByVerb = (predictor: Predictor): void => {
  expectTypeOf<Answers<'classify'>>().toEqualTypeOf<readonly (readonly LabelPrediction[])[]>();
  expectTypeOf<Answers<'classify-video'>>().toEqualTypeOf<readonly (readonly LabelPrediction[])[]>();
  expectTypeOf<Parameters<PredictorVerbs['caption']>[1]>().toExtend<CaptionOptions | undefined>();
  void predictor['classify-text']('good', { labels: ['good', 'bad'], pair: 'bad' }).then(
    ([best]) => best?.label,
  );
  // @ts-expect-error the verb has no such option
  void predictor.fill('the ___', { pair: 'b' });
  expectTypeOf<keyof PredictorVerbs>().toEqualTypeOf<
    | 'classify'
    | 'fill'
    | 'caption'
    | 'retrieve'
    | 'classify-video'
    | 'classify-text'
    | 'caption-video'
    | 'retrieve-video'
    | 'classify-sample'
    | 'label-sample'
    | 'estimate-sample'
  >();
};

describe('openPredictor', () => {
  it('has a typed method for each verb that is registered', () => {
    expect(askedByVerb).toBeTypeOf('function');
    expect(
      taskPredictors()
        .map(({ predictor }) => predictor.verb)
        .sort(),
    ).toEqual([
      'caption',
      'caption-video',
      'classify',
      'classify-sample',
      'classify-text',
      'classify-video',
      'estimate-sample',
      'fill',
      'label-sample',
      'retrieve',
      'retrieve-video',
    ]);
  });

  it.each(['model', 'exported'])('answers for files, bytes and pixels alike: %s', async (name) => {
    using predictor = await openPredictor(join(folder, name), { engine: 'wasm', batch: 2 });
    const [file, bytes, raw] = [
      join(folder, 'red.png'),
      files[0] ?? '',
      { ...size, pixels: pixels[0] ?? files[0]! },
    ];
    const answers = await predictor.classify([file, bytes, raw]);
    expect(answers).toHaveLength(3);
    expect(answers[1]).toEqual(answers[0]);
    expect(answers[2]).toEqual(answers[0]);
    const [expected] = await classify(
      predictor.model,
      patchesOf(pixels.slice(0, 1), predictor.model.image),
      classes,
    );
    expect(answers[0]).toEqual(expected);
    expect([...predictor.classes]).toEqual([['naming', classes]]);
    expect(new Set(answers[0]?.map(({ label }) => label))).toEqual(new Set(classes));
  });

  it('serves calls that overlap, each with its own labels, and leaves nothing behind', async () => {
    using predictor = await openPredictor(join(folder, 'model'), { engine: 'current' });
    const ask = (labels: readonly string[]) => predictor.classify(files, { labels });
    const alone = [await ask(['red', 'blue']), await ask(['bar', 'square', 'red'])];
    const all = () =>
      Promise.all([
        ask(['red', 'blue']),
        ask(['bar', 'square', 'red']),
        predictor.caption(files[0] ?? '', { beam: 1, maximumTokens: 3 }),
        predictor.retrieve('a red bar', files),
        predictor.fill('the bar is ___', { count: 2 }),
        ask(['bar', 'square', 'red']),
      ]);
    const together = await all();
    // Features of the vocabulary and merged experts are kept from the first time.
    const { numTensors } = tf.memory();
    await all();
    expect(tf.memory().numTensors).toBe(numTensors);
    expect([together[0], together[1]]).toEqual(alone);
    expect(together[5]).toEqual(alone[1]);
    expect(together[2]).toHaveLength(1);
    expect(together[3].map(({ index }) => index).sort()).toEqual([0, 1, 2]);
    expect(together[4][0]).toHaveLength(2);
  });

  it('goes on after an image that is none', async () => {
    using predictor = await openPredictor(join(folder, 'model'), { engine: 'current' });
    const bad = predictor.classify([files[0] ?? '', new TextEncoder().encode('no image')]);
    await expect(bad).rejects.toThrow(/^image number 1: /u);
    expect(await predictor.classify(files)).toHaveLength(3);
    await expect(openPredictor(join(folder, 'nowhere'), { engine: 'current' })).rejects.toThrow(StateError);
  });

  it('says that a model without class names wants labels', async () => {
    using predictor = predictorOf(conditionalModel({ experts: 3 }));
    await expect(predictor.classify(files)).rejects.toThrow(
      'classify: expected labels, since the model does not say the names of the classes of "naming"; give words to choose from',
    );
  });
});

describe('a model folder', () => {
  it('says how images are made, and the classes, also when it is exported', async () => {
    for (const name of ['model', 'exported']) {
      const json = async (file: string) =>
        JSON.parse(await readFile(join(folder, name, file), 'utf8')) as Record<string, unknown>;
      expect(await json('preprocessor_config.json')).toEqual({
        do_convert_rgb: true,
        do_resize: true,
        size: { height: 8, width: 8 },
        resample: 1,
        fit: 'contain',
        background: '#ffffff',
        do_rescale: true,
        rescale_factor: 1 / 255,
        do_normalize: true,
        image_mean: [0.485, 0.456, 0.406],
        image_std: [0.229, 0.224, 0.225],
      });
      expect((await json('config.json'))['tasks']).toContainEqual(trained[0]);
    }
  });

  it('gets its classes from the suite', async () => {
    const suiteFolder = await writeTinySuite();
    const recipe = { split: 'train', lossWeight: 1, batchSize: 1, labelSmoothing: 0.1 };
    const tasks: Record<string, TaskRecipe> = {
      naming: { ...recipe, family: 'image-classification', dataset: 'colours' },
      writing: { ...recipe, family: 'image-captioning', dataset: 'images' },
    };
    expect(trainedTasks(tasks, await readSuite(suiteFolder))).toEqual(trained.slice(0, 2));
    await rm(suiteFolder, { recursive: true, force: true });
  });
});
