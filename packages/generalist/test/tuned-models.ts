/** A task of classes on tiny models, its batch, and what a tuned model says of it. */
import { createRandom } from '@polygate/core';
import { parseRecipe, type Generalist, type TuneSettings } from '@polygate/generalist';
import { parameterGradients } from '@polygate/nn';
import { imageSequences } from '@polygate/modalities';
import { nameCandidates, patchesOf, segmentRows, type TaskBatch, type TrainedTask } from '@polygate/tasks';
import * as tf from '@tensorflow/tfjs';
import { expect } from 'vitest';
import { classes, drawImage } from './tiny-suite.ts';

export const naming: TrainedTask = {
  name: 'naming',
  family: 'image-classification',
  dataset: 'colours',
  classes,
};

/** `tune` of a recipe, filled in. */
export const settingsOf = (
  tune: { readonly method: string } & Readonly<Record<string, unknown>>,
): TuneSettings => {
  const parsed = parseRecipe({ tune }).tune;
  if (!parsed) throw new Error('expected settings');
  return parsed;
};

/** Two images; all classes, or those of the ids. */
export const batchOf = (model: Generalist, ids?: Int32Array): TaskBatch => {
  const set = nameCandidates('classes:naming', classes, {
    tokenizer: model.tokenizer,
    row: segmentRows.name,
  });
  const images = patchesOf([drawImage('red', 'bar', 1), drawImage('blue', 'square', 2)], model.image);
  const targets = ids
    ? { key: set.key, whole: false, ids, sequences: set.pick(ids), logQ: new Float32Array(ids.length) }
    : set.whole();
  return {
    task: 'naming',
    family: 'image-classification',
    temperature: 'image-classification',
    lossWeight: 1,
    inputs: { ...imageSequences(images, segmentRows.image), task: 'naming' },
    queries: 'prefix',
    labels: Int32Array.of(0, 1),
    targets,
    loss: 'cross-entropy',
    labelSmoothing: 0,
  };
};

export const lossOf = (model: Generalist, batch: TaskBatch, training = false): number => {
  const { loss, metrics } = model.loss(batch, { training, ...(training ? { random: createRandom(9) } : {}) });
  const [value = Number.NaN] = loss.dataSync();
  tf.dispose([loss, ...Object.values(metrics)]);
  return value;
};

/** Draws every parameter anew around its start. */
export const disturb = (model: Generalist): void => {
  const random = createRandom(5);
  for (const { name, variable } of model.parameters.entries()) {
    const stream = random.fork(name);
    const values = Float32Array.from(variable.dataSync(), (value) => value + 0.3 * stream.normal());
    model.parameters.write(name, values);
  }
  model.clearCaches();
};

const valuesOf = (model: Pick<Generalist, 'parameters'>): readonly Float32Array[] =>
  model.parameters.entries().map(({ variable }) => Float32Array.from(variable.dataSync()));

/** Expects the gradients of a tuned model to agree with central differences, and the base to stay as it is. */
export const expectGradients = (model: Generalist, base: Generalist): void => {
  const batch = batchOf(model);
  const before = valuesOf(base);
  const { loss, gradients } = parameterGradients(model.parameters, () =>
    tf.tidy(() => model.loss(batch, { training: true, random: createRandom(9) }).loss),
  );
  loss.dispose();
  expect(Object.keys(gradients).toSorted()).toEqual(
    model.parameters.specs.map(({ name }) => name).toSorted(),
  );
  for (const { name } of model.parameters.specs) {
    const start = Float32Array.from(model.parameters.get(name).dataSync());
    const got = Float32Array.from(gradients[name]?.dataSync() ?? []);
    const at = got.reduce((best, value, i) => (Math.abs(value) > Math.abs(got[best] ?? 0) ? i : best), 0);
    const [up = NaN, down = NaN] = [5e-3, -5e-3].map((step) => {
      model.parameters.write(
        name,
        start.map((value, i) => (i === at ? value + step : value)),
      );
      return lossOf(model, batch, true);
    });
    model.parameters.write(name, start);
    const difference = (up - down) / 1e-2;
    expect(Math.abs(difference - (got[at] ?? NaN)), name).toBeLessThan(0.02 + 0.05 * Math.abs(difference));
  }
  expect(valuesOf(base)).toEqual(before);
  tf.dispose(gradients);
};
