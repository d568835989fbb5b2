/** The temperatures of a model are those of its tasks' families, and stay those that it was made with. */
import { createRandom } from '@polygate/core';
import {
  architectureOf,
  configureModel,
  createUniPerceiverModel,
  parseRecipe,
  type UniPerceiverConfig,
} from '@polygate/generalist';
import { imageSequences } from '@polygate/modalities';
import { nameCandidates, patchesOf, segmentRows, type TrainedTask } from '@polygate/tasks';
import { selectEngine } from '@polygate/tensor';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { classes, drawImage, tinyModel, tinyTasks } from './tiny-suite.ts';

beforeAll(async () => {
  await selectEngine({ engine: 'wasm' });
});

const image = { height: 8, width: 8, channels: 3 };
const tasksOf = (...families: readonly string[]): readonly TrainedTask[] =>
  families.map((family) => ({ name: `a ${family}`, family, dataset: 'any' }));
const configured = (tasks: readonly TrainedTask[]): UniPerceiverConfig =>
  configureModel(parseRecipe({ model: { preset: 'mini' } }).model, {
    vocabularySize: 300,
    image,
    tokenizerHash: '0',
    tasks,
  }) as UniPerceiverConfig;

describe('temperatures of a configuration', () => {
  it('are those of the families of its tasks, shared ones once', () => {
    const tasks = tasksOf('video-text-retrieval', 'text-classification', 'image-text-retrieval');
    expect(configured(tasks).encoder.temperatures).toEqual([
      'image-text-retrieval',
      'masked-language-modelling',
    ]);
  });

  it('grow by those of other tasks, after the five of a file that names none', () => {
    const record = architectureOf({});
    const { encoder, ...config } = configured(tasksOf('image-captioning'));
    const { temperatures: _, ...unnamed } = encoder;
    const change = { tasks: tasksOf('video-classification', 'image-captioning'), dropPath: undefined };
    const grown = (start: typeof encoder): readonly string[] | undefined =>
      (record.forTasks?.({ ...config, encoder: start } as UniPerceiverConfig, change) as UniPerceiverConfig)
        .encoder.temperatures;
    expect(grown(encoder)).toEqual(['image-captioning', 'video-classification']);
    // The five have both, so the file goes on saying nothing.
    expect(grown(unnamed)).toBeUndefined();
  });
});

it('a family that a model was not trained on is scored by the value that temperatures start from', async () => {
  const { config, tokenizer } = tinyModel();
  const [naming] = tinyTasks;
  const made = (temperatures: readonly string[]) =>
    createUniPerceiverModel(
      { ...config, encoder: { ...config.encoder, temperatures } },
      tokenizer,
      createRandom(1),
    );
  using trained = made(['image-classification']);
  using untrained = made(['image-captioning']);
  const targets = nameCandidates('classes:naming', classes, { tokenizer, row: segmentRows.name }).whole();
  const patches = patchesOf([drawImage('red', 'bar', 1)], trained.image);
  const batch = {
    inputs: { ...imageSequences(patches, segmentRows.image), task: 'naming' },
    queries: 'prefix',
    targets,
    temperature: 'image-classification',
  } as const;
  // Both start from exp(ln(1 / 0.07)).
  const [wanted, got] = [await trained.scores(batch), await untrained.scores(batch)];
  got.forEach((score, i) => expect(score).toBeCloseTo(wanted[i] ?? Number.NaN, 5));
  const whole = {
    ...batch,
    ...{ task: 'naming', family: naming?.family ?? '', lossWeight: 1, labelSmoothing: 0 },
    labels: Int32Array.of(0),
    loss: 'cross-entropy',
  };
  const lossOf = (training: boolean): number => {
    const { loss, metrics } = untrained.loss(whole, { training, random: createRandom(2) });
    const [value = Number.NaN] = loss.dataSync();
    tf.dispose([loss, ...Object.values(metrics)]);
    return value;
  };
  expect(Number.isFinite(lossOf(false))).toBe(true);
  expect(() => lossOf(true)).toThrow('unknown temperature "image-classification"');
});
