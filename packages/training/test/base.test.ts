import { createRandom, StateError } from '@polygate/core';
import { AdamW, allocateParameters, loadParameters, ParameterSet } from '@polygate/nn';
import * as tf from '@tensorflow/tfjs';
import { cp, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  baseOf,
  latestCheckpoint,
  readState,
  requireBase,
  train,
  type CheckpointBase,
  type CheckpointPlace,
} from '../src/index.ts';
import { runTiny, STEPS, tinyModel, tinyOptions, type TinyModel } from './tiny-run.ts';

let folder = '';
beforeAll(async () => {
  await tf.setBackend('cpu');
  folder = await mkdtemp(join(tmpdir(), 'polygate-base-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Biases alone, on the weights of a finished run. */
const tune = async (
  run: string,
  base: CheckpointBase,
  { steps = STEPS, from }: { readonly steps?: number; readonly from: string },
): Promise<{ readonly model: TinyModel; readonly checkpoint: CheckpointPlace }> => {
  const model = tinyModel();
  await loadParameters(model.parameters, join(from, 'model.safetensors'));
  const parameters = model.parameters.select({ roles: ['bias'] });
  using optimizer = new AdamW(parameters);
  await train({ ...tinyOptions(model, run), parameters, optimizer, base, steps });
  return { model, checkpoint: (await latestCheckpoint(run)) as CheckpointPlace };
};

const baseRun = async (name: string): Promise<string> => {
  const run = join(folder, name);
  await runTiny(run, { steps: 5 });
  return (await latestCheckpoint(run))?.path ?? '';
};

describe('a run that trains a part of a model', () => {
  it('leaves the rest alone, stores what it trains, and goes on as one that never stopped', async () => {
    const from = await baseRun('first');
    const whole = join(folder, 'whole');
    const base = await baseOf(from, whole);
    expect(base.path).toBe('../first/checkpoints/step-5');
    const { model, checkpoint } = await tune(whole, base, { from });
    using parameters = model.parameters;
    using before = tinyModel().parameters;
    await loadParameters(before, join(from, 'model.safetensors'));
    for (const { name } of parameters.specs) {
      const [now, was] = [await parameters.read(name), await before.read(name)];
      if (name === 'shared.bias') expect(now, name).not.toEqual(was);
      else expect(now, name).toEqual(was);
    }
    expect((await readState(checkpoint)).base).toEqual(base);
    expect((await readState(checkpoint)).version).toBe(3);

    // Its checkpoint has the bias and nothing else, and opens on the base.
    using bias = parameters.select(['shared.bias']);
    await loadParameters(bias, join(checkpoint.path, 'model.safetensors'));
    expect(await requireBase(checkpoint, await readState(checkpoint))).toBe(join(from, 'model.safetensors'));

    const stopped = join(folder, 'stopped');
    await tune(stopped, base, { from, steps: 11 }).then((half) => half.model.dispose());
    const resumed = await tune(stopped, base, { from });
    expect(await resumed.model.parameters.read('shared.bias')).toEqual(await parameters.read('shared.bias'));
    resumed.model.dispose();
    model.optimizer.dispose();
  });

  it('trains what names select alone, by the steps that it takes in the whole', async () => {
    const names = ['shared.*'];
    using start = tinyModel().parameters;
    const trained = async (run: string, selection: readonly string[]) => {
      const model = tinyModel();
      const parameters = model.parameters.select(selection);
      using optimizer = new AdamW(parameters);
      const { clipNorm: _, ...options } = tinyOptions(model, join(folder, run));
      await train({ ...options, parameters, optimizer, steps: 1 });
      const state = [...optimizer.state().keys()];
      const values = new Map<string, ArrayLike<number>>();
      for (const { name } of model.parameters.specs) values.set(name, await model.parameters.read(name));
      model.dispose();
      return { state, values };
    };
    const whole = await trained('names-all', ['*']);
    const part = await trained('names-alone', names);
    const selected = start.select(names).specs.map(({ name }) => name);
    expect(selected.length).toBeGreaterThan(1);
    expect(selected.length).toBeLessThan(start.specs.length);
    expect(part.state).toEqual(selected);
    for (const { name } of start.specs) {
      const right = selected.includes(name) ? whole.values.get(name) : await start.read(name);
      expect(part.values.get(name), name).toEqual(right);
      if (selected.includes(name)) expect(right, name).not.toEqual(await start.read(name));
    }
  });

  it('joins adapters of its own to the frozen base', async () => {
    const from = await baseRun('adapted');
    const model = tinyModel();
    await loadParameters(model.parameters, join(from, 'model.safetensors'));
    using adapter = allocateParameters(
      [{ name: 'adapter.scale', shape: [3], initializer: { kind: 'ones' }, role: 'scale' }],
      createRandom(1),
    );
    const parameters = ParameterSet.join([adapter, model.parameters.select(['shared.bias'])]);
    using optimizer = new AdamW(parameters);
    const run = join(folder, 'adapter');
    await train({
      ...tinyOptions(model, run),
      loss: (batch, context) => {
        const { loss } = model.loss(batch, context);
        return { loss: tf.mul(loss, tf.mean(adapter.get('adapter.scale'))) as tf.Scalar };
      },
      parameters,
      optimizer,
      base: await baseOf(from, run),
      steps: 3,
    });
    expect([...optimizer.state().keys()]).toEqual(['adapter.scale', 'shared.bias']);
    model.dispose();
  });

  it('is refused without its base, with another, and where the run began on another', async () => {
    const from = await baseRun('good');
    const other = await baseRun('other');
    await runTiny(join(folder, 'other'), { steps: 8 });
    const run = join(folder, 'checked');
    const base = await baseOf(from, run);
    const { model, checkpoint } = await tune(run, base, { from, steps: 4 });
    model.dispose();
    const state = await readState(checkpoint);
    const wrong = (await latestCheckpoint(join(folder, 'other')))?.path ?? '';
    expect(wrong).not.toBe(other);

    await expect(requireBase(checkpoint, state, wrong)).rejects.toThrow(StateError);
    await expect(requireBase(checkpoint, state, wrong)).rejects.toThrow(
      `expected a base whose weights have SHA-256 ${base.sha256}, got ${join(wrong, 'model.safetensors')} with`,
    );
    await expect(tune(run, await baseOf(wrong, run), { from, steps: 6 })).rejects.toThrow(
      `train: expected the base with SHA-256 ${base.sha256}, which the run at ${run} began on, got the base with SHA-256`,
    );

    const moved = join(folder, 'moved');
    await cp(from, moved, { recursive: true });
    await rename(join(folder, 'good'), join(folder, 'elsewhere'));
    await expect(requireBase(checkpoint, state)).rejects.toThrow(
      `expected its base, the weights with SHA-256 ${base.sha256}, in ${from}`,
    );
    expect(await requireBase(checkpoint, state, moved)).toBe(join(moved, 'model.safetensors'));
    await expect(baseOf(join(folder, 'nowhere'), run)).rejects.toThrow('base: expected weights at');
  });

  it('names a base in version 3 alone', async () => {
    const run = join(folder, 'plain');
    await runTiny(run, { steps: 2 });
    const path = join((await latestCheckpoint(run))?.path ?? '', 'state.json');
    expect(JSON.parse(await readFile(path, 'utf8'))).toMatchObject({ version: 2 });
  });
});
