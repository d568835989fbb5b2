/** Adapters in folders of their own, on the base that they belong to and on what was exported from it. */
import { createRandom, StateError } from '@polygate/core';
import { sha256File } from '@polygate/core/node';
import {
  exportMerged,
  loadModel,
  openAdapter,
  parseRecipe,
  saveAdapter,
  saveModel,
  type Generalist,
  type TuneSettings,
  type UniPerceiverModel,
} from '@polygate/generalist';
import { openPredictor, openRun } from '@polygate/runs';
import type { LabelPrediction, TrainedTask } from '@polygate/tasks';
import { selectEngine } from '@polygate/tensor';
import * as tf from '@tensorflow/tfjs';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { classes, conditionalModel, drawImage } from '../../generalist/test/tiny-suite.ts';

let folder = '';
const pathOf = (name: string): string => join(folder, name);
const size = { height: 8, width: 8, channels: 3 } as const;
const images = [drawImage('red', 'bar', 1), drawImage('blue', 'square', 2)].map((pixels) => ({
  ...size,
  pixels,
}));
const naming: TrainedTask = { name: 'naming', family: 'image-classification', dataset: 'colours', classes };
const settings = (change: object = {}): TuneSettings => {
  const { tune: parsed } = parseRecipe({
    tune: { method: 'prompt', ...('method' in change ? {} : { prompts: 2 }), ...change },
  });
  if (!parsed) throw new Error('expected settings');
  return parsed;
};

/** Draws every parameter of an adapter anew, so that none is at a start value which would change nothing. */
const disturb = async (model: Generalist, seed: number): Promise<void> => {
  const random = createRandom(seed);
  for (const { name } of model.parameters.specs) {
    const stream = random.fork(name);
    const values = await model.parameters.read(name);
    model.parameters.write(
      name,
      values.map((value) => value + 0.4 * stream.normal()),
    );
  }
};

const tune = async (base: UniPerceiverModel, seed: number, change: object = {}): Promise<Generalist> => {
  const model = base.tuned({ settings: settings(change), tasks: [naming], random: createRandom(seed) });
  await disturb(model, seed);
  return model;
};

const flat = (answers: readonly (readonly LabelPrediction[])[]): readonly number[] =>
  answers.flatMap((labels) =>
    classes.map((name) => labels.find(({ label }) => label === name)?.probability ?? -1),
  );

const expectAlike = (a: readonly number[], b: readonly number[]): void => {
  a.forEach((value, i) => expect(value).toBeCloseTo(b[i] ?? NaN, 4));
};

beforeAll(async () => {
  await selectEngine({ engine: 'wasm' });
  folder = await mkdtemp(join(tmpdir(), 'polygate-adapters-'));
  using base = conditionalModel({ experts: 3 });
  await saveModel(base, pathOf('base'));
  const sha256 = await sha256File(join(pathOf('base'), 'model.safetensors'));
  for (const [seed, change] of [
    [1, {}],
    [2, { classes: 'token', sides: 'separate' }],
    [3, { method: 'lora', rank: 2, alpha: 2, linears: ['attention.query', 'ffn.*'], classes: 'head' }],
  ] as const) {
    using tuned = await tune(base, seed, change);
    await saveAdapter(tuned, pathOf(`adapter-${seed}`), sha256);
  }
  using exported = exportMerged(base, { tasks: ['naming'] });
  await saveModel(exported, pathOf('exported'), { source: sha256 });
  using other = conditionalModel({ experts: 3 }, 9);
  await saveModel(other, pathOf('other'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('several adapters on one base', () => {
  it.each(['base', 'exported'])('answer as each alone, and leave the base as it is: %s', async (on) => {
    using alone = await openPredictor(pathOf(on), { engine: 'wasm' });
    const untuned = flat(await alone.classify(images, { labels: classes }));
    const adapters = { first: pathOf('adapter-1'), second: pathOf('adapter-2'), third: pathOf('adapter-3') };
    using predictor = await openPredictor(pathOf(on), { engine: 'wasm', adapters });
    expect(predictor.adapters).toEqual(['first', 'second', 'third']);
    const together = await Promise.all(
      ['first', 'second', 'third'].map(async (name) => flat(await predictor.adapter(name).classify(images))),
    );
    for (const [i, name] of Object.values(adapters).entries()) {
      using opened = await openRun(pathOf('base'), { engine: 'wasm', adapter: name });
      using single = await openPredictor(pathOf('base'), { engine: 'current', adapters: { name } });
      const expected = flat(await single.adapter('name').classify(images));
      expectAlike(together[i] ?? [], expected);
      expect(opened.model.config.adapter?.method).toBe(i < 2 ? 'prompt' : 'lora');
    }
    expect(together[0]).not.toEqual(together[1]);
    expect(flat(await predictor.classify(images, { labels: classes }))).toEqual(untuned);
    expect(() => predictor.adapter('fourth')).toThrow(/unknown adapter "fourth": .*first, second, third/u);
  });

  it('are small files, which name method, tasks with classes, and base', async () => {
    const bytes = async (path: string): Promise<number> => (await stat(path)).size;
    expect(await bytes(join(pathOf('adapter-1'), 'adapter.safetensors'))).toBeLessThan(
      (await bytes(join(pathOf('base'), 'model.safetensors'))) / 4,
    );
    expect(JSON.parse(await readFile(join(pathOf('adapter-1'), 'adapter.json'), 'utf8'))).toMatchObject({
      modelType: 'polygate-adapter',
      version: 1,
      adapter: { method: 'prompt', prompts: 2 },
      tasks: [{ name: 'naming', classes }],
      base: { sha256: await sha256File(join(pathOf('base'), 'model.safetensors')) },
    });
  });

  it('free nothing of the base with themselves, and all of it with the predictor', async () => {
    const before = tf.memory().numTensors;
    using base = await loadModel(pathOf('base'));
    const tensors = tf.memory().numTensors;
    using tuned = await openAdapter({ model: base, folder: pathOf('base') }, pathOf('adapter-1'));
    tuned.dispose();
    expect(tf.memory().numTensors).toBe(tensors);
    base.dispose();
    const predictor = await openPredictor(pathOf('base'), {
      engine: 'current',
      adapters: { one: pathOf('adapter-1') },
    });
    await predictor.adapter('one').classify(images);
    predictor.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe('an adapter', () => {
  it('is refused on another base, naming both', async () => {
    const [baseHash, other] = await Promise.all(
      ['base', 'other'].map((name) => sha256File(join(pathOf(name), 'model.safetensors'))),
    );
    const opening = openRun(pathOf('other'), { engine: 'wasm', adapter: pathOf('adapter-1') });
    await expect(opening).rejects.toThrow(StateError);
    await expect(opening).rejects.toThrow(
      `adapter ${pathOf('adapter-1')}: expected its base, a model whose weights have SHA-256 ${baseHash}, got ${pathOf('other')} with ${other}; it belongs to that base and what was exported from it alone: open it there, or tune this model`,
    );
  });

  it('is refused where a bit of it flipped, or on a model that has one', async () => {
    const broken = pathOf('broken');
    using base = await loadModel(pathOf('base'));
    const at = { model: base, folder: pathOf('base') };
    using tuned = await openAdapter(at, pathOf('adapter-1'));
    await saveAdapter(tuned, broken, await sha256File(join(pathOf('base'), 'model.safetensors')));
    const file = join(broken, 'adapter.safetensors');
    const bytes = await readFile(file);
    await writeFile(
      file,
      bytes.map((byte, i) => (i === bytes.length - 2 ? byte ^ 1 : byte)),
    );
    await expect(openAdapter(at, broken)).rejects.toThrow(
      /^adapter .*: expected adapter\.safetensors of SHA-256 [0-9a-f]{64}, which adapter\.json says, got [0-9a-f]{64}; restore/u,
    );
    await expect(openAdapter({ model: tuned, folder: pathOf('base') }, pathOf('adapter-2'))).rejects.toThrow(
      'tune: expected a base without an adapter, got one that was tuned by prompt; tune the base that it was tuned on',
    );
    await expect(saveAdapter(base, pathOf('none'), '')).rejects.toThrow(
      'adapter: expected a model that was tuned by an adapter, got one whose own weights were trained; export it as a model',
    );
  });

  it('goes into a model folder with its base, merged or not, and answers the same', async () => {
    using base = (await loadModel(pathOf('base'))) as UniPerceiverModel;
    using tuned = await openAdapter({ model: base, folder: pathOf('base') }, pathOf('adapter-1'));
    await saveModel(tuned, pathOf('whole'));
    const merged = tuned.exports?.merged?.({ tasks: ['naming'] }).model;
    if (!merged) throw new Error('expected a merged model');
    await saveModel(merged, pathOf('merged'));
    merged.dispose();
    using live = await openPredictor(pathOf('base'), {
      engine: 'current',
      adapters: { own: pathOf('adapter-1') },
    });
    const expected = flat(await live.adapter('own').classify(images));
    for (const name of ['whole', 'merged']) {
      using opened = await openPredictor(pathOf(name), { engine: 'current' });
      expect([...opened.classes]).toEqual([['naming', classes]]);
      expectAlike(flat(await opened.classify(images)), expected);
    }
  });

  it('scores other words than its classes by their similarity alone', async () => {
    using base = (await loadModel(pathOf('base'))) as UniPerceiverModel;
    const headless = base.tuned({
      settings: settings({ classes: 'none' }),
      tasks: [naming],
      random: createRandom(1),
    });
    await disturb(headless, 1);
    await saveAdapter(
      headless,
      pathOf('headless'),
      await sha256File(join(pathOf('base'), 'model.safetensors')),
    );
    headless.dispose();
    using predictor = await openPredictor(pathOf('base'), {
      engine: 'current',
      adapters: { head: pathOf('adapter-1'), none: pathOf('headless') },
    });
    const labels = ['red', 'night'];
    const [head, none] = await Promise.all(
      ['head', 'none'].map((name) => predictor.adapter(name).classify(images, { labels })),
    );
    expect(head).toEqual(none);
    expect(await predictor.adapter('head').classify(images)).not.toEqual(
      await predictor.adapter('none').classify(images),
    );
  });
});
