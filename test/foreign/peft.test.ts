/**
 * Low-rank adapters that peft made and saved (fixtures/make_peft.py): the same adapter on the same linear gives the same
 * output, gradients and merged weight, and is written as peft writes it.
 */
import { createRandom } from '@polygate/core';
import { parseRecipe, savePeftAdapter, type UniPerceiverModel } from '@polygate/generalist';
import { parameterGradients, readSafetensors } from '@polygate/nn';
import { linear } from '@polygate/tensor';
import { maximumDifference } from '@polygate/tensor/testing';
import * as tf from '@tensorflow/tfjs';
import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { conditionalModel } from '../../packages/generalist/test/tiny-suite.ts';
import { batchOf, naming } from '../../packages/generalist/test/tuned-models.ts';

type LayerPart = 'weight' | 'bias' | 'x' | 'y' | 'dy' | 'dx' | 'da' | 'db' | 'merged';

interface Case {
  readonly name: string;
  readonly layers: Readonly<Record<string, Readonly<Record<LayerPart, readonly number[]>>>>;
}

interface PeftConfig {
  readonly r: number;
  readonly lora_alpha: number;
  readonly use_rslora: boolean;
  readonly target_modules: readonly string[];
  readonly modules_to_save: readonly string[] | null;
  readonly [field: string]: unknown;
}

const fixtures = join(import.meta.dirname, 'fixtures');
const { cases } = JSON.parse(readFileSync(join(fixtures, 'peft.json'), 'utf8')) as { cases: readonly Case[] };
const PREFIX = 'base_model.model.';

const configOf = async (folder: string): Promise<PeftConfig> =>
  JSON.parse(await readFile(join(folder, 'adapter_config.json'), 'utf8')) as PeftConfig;

const tensorsOf = async (folder: string): Promise<ReadonlyMap<string, readonly number[]>> => {
  const { tensors } = await readSafetensors(join(folder, 'adapter_model.safetensors'));
  return new Map([...tensors].map(([name, { data }]) => [name, [...(data as Float32Array)]]));
};

let scratch = '';
beforeAll(async () => {
  await tf.setBackend('cpu');
  scratch = await mkdtemp(join(tmpdir(), 'polygate-peft-'));
});
afterAll(() => rm(scratch, { recursive: true, force: true }));

/** The adapter of a case on a model that has the case's base weights. */
const opened = async ({ name, layers }: Case, base: UniPerceiverModel): Promise<UniPerceiverModel> => {
  const folder = join(fixtures, 'peft', name);
  const { r, lora_alpha: alpha, use_rslora: rankStabilized, modules_to_save: saved } = await configOf(folder);
  for (const [module, { weight, bias }] of Object.entries(layers)) {
    base.parameters.write(`blocks.0.${module}.weight`, Float32Array.from(weight));
    base.parameters.write(`blocks.0.${module}.bias`, Float32Array.from(bias));
  }
  const linears = Object.keys(layers);
  const { tune } = parseRecipe({
    tune: { method: 'lora', rank: r, alpha, rankStabilized, linears, norms: saved !== null },
  });
  if (!tune) throw new Error('expected settings');
  const model = base.tuned({ settings: tune, tasks: [naming], random: createRandom(1) });
  for (const [key, values] of await tensorsOf(folder)) {
    const [, module = '', matrix] =
      /^base_model\.model\.blocks\.0\.(.+?)(?:\.lora_([AB]))?\.\w+$/u.exec(key) ?? [];
    const parameter = matrix
      ? `adapter.lora.0.${module}.${matrix.toLowerCase()}`
      : `adapter.replaced.${key.slice(PREFIX.length)}`;
    model.parameters.write(parameter, Float32Array.from(values));
  }
  return model;
};

describe.each(cases)('an adapter of peft: $name', (adapter) => {
  it('has the same output, gradients and merged weights', async () => {
    using base = conditionalModel(undefined);
    using model = await opened(adapter, base);
    using folded = model.exports?.folded?.() as UniPerceiverModel;
    for (const [name, layer] of Object.entries(adapter.layers)) {
      const of = (part: LayerPart, shape: readonly number[]): tf.Tensor =>
        tf.tensor([...layer[part]], [...shape]);
      const [out = 0, inputs = 0] = base.parameters.get(`blocks.0.${name}.weight`).shape;
      const forward = (x: tf.Tensor): tf.Tensor => {
        const { linear: added } =
          model.adapter?.encoder.begin({
            batch: batchOf(model).inputs,
            side: 'inputs',
            training: true,
            random: createRandom(2),
          }) ?? {};
        const [weight, bias] = ['weight', 'bias'].map((part) =>
          base.parameters.get(`blocks.0.${name}.${part}`),
        );
        const y = linear(x, weight as tf.Tensor2D, bias as tf.Tensor1D);
        const more = added?.(x as tf.Tensor3D, { block: 0, linear: name }, { prompts: false });
        return more ? tf.add(y, more) : y;
      };
      const x = of('x', [2, 3, inputs]);
      const value = (): tf.Scalar => tf.sum(tf.mul(forward(x), of('dy', [2, 3, out])));
      expect(maximumDifference(forward(x).dataSync(), layer.y)).toBeLessThan(1e-5);
      const { gradients } = parameterGradients(model.parameters, () => tf.tidy(value));
      for (const [matrix, part] of [
        ['a', 'da'],
        ['b', 'db'],
      ] as const) {
        const gradient = gradients[`adapter.lora.0.${name}.${matrix}`]?.dataSync() ?? [];
        expect(maximumDifference(gradient, layer[part])).toBeLessThan(5e-5);
      }
      const toInput = tf.grad((input) => tf.sum(tf.mul(forward(input), of('dy', [2, 3, out]))))(x);
      expect(maximumDifference(toInput.dataSync(), layer.dx)).toBeLessThan(5e-5);
      const merged = folded.parameters.get(`blocks.0.${name}.weight`).dataSync();
      expect(maximumDifference(merged, layer.merged)).toBeLessThan(1e-6);
    }
  });

  it('is written as peft writes it', async () => {
    using base = conditionalModel(undefined);
    using model = await opened(adapter, base);
    const folder = join(scratch, adapter.name);
    await savePeftAdapter(model, folder, '0'.repeat(64));
    const [got, expected] = [await tensorsOf(folder), await tensorsOf(join(fixtures, 'peft', adapter.name))];
    for (const [name, values] of expected) expect(got.get(name), name).toEqual(values);
    const [config, theirs] = [await configOf(folder), await configOf(join(fixtures, 'peft', adapter.name))];
    const fields = [
      'peft_type',
      'r',
      'lora_alpha',
      'lora_dropout',
      'use_rslora',
      'use_dora',
      'bias',
      'fan_in_fan_out',
    ];
    for (const field of [...fields, 'task_type', 'inference_mode', 'rank_pattern', 'alpha_pattern']) {
      expect(config[field], field).toEqual(theirs[field]);
    }
    expect(config.target_modules.toSorted()).toEqual(theirs.target_modules.toSorted());
    if (theirs.modules_to_save) {
      // Polygate's adapters have all norms or none.
      expect(config.modules_to_save).toEqual(expect.arrayContaining([...theirs.modules_to_save]));
    } else {
      expect(config.modules_to_save).toBeNull();
      expect(got.size).toBe(expected.size);
    }
  });
});
