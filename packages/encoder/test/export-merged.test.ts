/** Exported encoders: the same outputs without routers and experts, the deployed size, and what cannot be exported. */
import { createRandom } from '@polygate/core';
import {
  accountParameters,
  createUniPerceiver,
  exportMerged,
  mergedConfigOf,
  presets,
  type EncoderConfig,
  type ExpertConfig,
} from '@polygate/encoder';
import { describeMergedEncoder, loadMergedEncoder } from '@polygate/encoder/merged';
import { saveParameters, sizeOf, type ParameterSpec } from '@polygate/nn';
import { leakedTensors, maximumDifference, testEngines } from '@polygate/tensor/testing';
import * as tf from '@tensorflow/tfjs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { captionBatch, drawnModel, inputOf, keys, prompted, textBatch, tiny } from './tiny-models.ts';

const engines = await testEngines();
let scratch: string;

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'polygate-merged-'));
});
afterAll(() => rm(scratch, { recursive: true, force: true }));

const count = (specs: readonly ParameterSpec[]): number =>
  specs.reduce((sum, { shape }) => sum + sizeOf(shape), 0);

const conditions: readonly (readonly [string, ExpertConfig, sets: number])[] = [
  ['attribute', { experts: 4 }, 3],
  ['modality', { experts: 4, condition: 'modality', topK: 3 }, 2],
  ['task', { experts: 4, condition: 'task', tasks: ['b', 'a'], renormalize: false }, 1],
  ['task-specific', { condition: 'task-specific', tasks: ['b', 'a'] }, 1],
  ['attribute, gates for each linear', { experts: 4, separateGates: true }, 3],
  ['modality, every other block, feed-forward', { condition: 'modality', every: 2, attention: false }, 2],
  ['task, every third block, attention', { condition: 'task', tasks: ['a'], every: 3, ffn: false }, 1],
];

const met = [keys.captionImage, keys.captionText, keys.text];

describe.each(engines)('exported encoders on $title', (engine) => {
  beforeAll(() => engine.use());

  it.each(conditions)('by %s give the outputs of the live one', async (_, moe, sets) => {
    const config: EncoderConfig = { ...tiny, moe };
    const model = drawnModel(config, 3);
    const exported = exportMerged(model, met);
    expect(exported.parameters.size).toBe(accountParameters(config, sets).deployed);
    const names = exported.parameters.specs.map(({ name }) => name).join(' ');
    expect(names).not.toMatch(/expert|router/u);
    const prompts = [tf.randomNormal<tf.Rank.R2>([2, 8], 0, 1, 'float32', 4), undefined, undefined];
    for (const [batch, options] of [
      [captionBatch(2, 5), {}],
      [textBatch(3, 4, 6), {}],
      [captionBatch(2, 7), prompted(prompts)],
    ] as const) {
      const input = inputOf(batch);
      const live = model.encode(input, options);
      const exportedStates = exported.encode(input, options);
      expect(maximumDifference(exportedStates.dataSync(), live.dataSync())).toBeLessThan(
        engine.precision === 'bf16' ? 0.03 : 1e-5,
      );
      tf.dispose([live, exportedStates]);
    }
    tf.dispose(prompts.filter((prompt) => prompt !== undefined));
    model.dispose();
    exported.dispose();
  });
});

describe('exporting', () => {
  beforeAll(async () => {
    await engines[0]?.use();
  });

  it('keeps the deployed parameters of the paper: 124M to 167M and 354M to 505M for image and text', () => {
    for (const name of ['b-moe', 'l-moe'] as const) {
      const config = presets[name];
      const merged = mergedConfigOf(config, [keys.image, keys.name]);
      const account = accountParameters(config, 2);
      expect(count(describeMergedEncoder(merged))).toBe(account.deployed);
    }
  });

  it('keeps one set for segments of one identity, whatever else differs', () => {
    const config = { ...tiny, moe: { condition: 'modality', experts: 4 } };
    const { merged } = mergedConfigOf(config, [keys.image, keys.captionImage, keys.name, keys.text]);
    expect(merged).toEqual({
      groups: [
        {
          name: 'experts',
          condition: 'modality',
          blocks: [0, 1, 2],
          linears: ['attention.qkv', 'attention.output', 'ffn.fc1', 'ffn.fc2'],
          by: ['modality'],
          rows: [
            { modality: 'visual', set: 0 },
            { modality: 'text', set: 1 },
          ],
        },
      ],
    });
    const byRow = mergedConfigOf({ ...tiny, moe: {} }, [keys.image, keys.name]).merged;
    expect(byRow.groups[0]?.rows).toEqual([
      { attributes: '10011001', set: 0 },
      { attributes: '10010100', set: 1 },
    ]);
  });

  it('leaks nothing, and shares nothing with the encoder', () => {
    const model = drawnModel({ ...tiny, moe: {} }, 8);
    const input = inputOf(textBatch(1, 2, 9));
    const life = (): void => {
      const mergedModel = exportMerged(model, met);
      mergedModel.encode(input).dispose();
      mergedModel.dispose();
      mergedModel.dispose();
    };
    life();
    expect(leakedTensors(life)).toEqual({ tensors: 0, buffers: 0 });
    const exported = exportMerged(model, met);
    model.dispose();
    exported.encode(input).dispose();
    exported.dispose();
    expect(() => exported.encode(input)).toThrow('expected a live encoder, got one that was disposed');
  });

  it('says why an encoder has nothing to merge, and which segments it lacks', () => {
    const dense = createUniPerceiver(tiny, createRandom(1));
    expect(() => exportMerged(dense, met)).toThrow(
      'exportMerged: expected an encoder with experts, got a dense one; it is deployed as it is',
    );
    dense.dispose();
    const model = drawnModel({ ...tiny, moe: { condition: 'task', tasks: ['a', 'b'] } }, 1);
    expect(() => exportMerged(model, [])).toThrow(
      'exportMerged: expected one segment or more to serve, got none; name the tasks that the model is for',
    );
    expect(() => exportMerged(model, [{ ...keys.text, task: 'c' }])).toThrow('unknown task "c"');
    model.dispose();
  });

  it('names the rows that were exported where another is asked for', () => {
    const model = drawnModel({ ...tiny, moe: {} }, 2);
    const exported = exportMerged(model, [keys.image, keys.name]);
    const input = inputOf(textBatch(1, 2, 3));
    expect(() => exported.encode(input)).toThrow(
      'encode: expected a row that this merged model was exported with: [attributes 10011001] [attributes 10010100]; got [attributes 01010101]; export the trained model again with the task that has it (polygate export --tasks)',
    );
    exported.dispose();
    model.dispose();
    const byTask = drawnModel({ ...tiny, moe: { condition: 'task', tasks: ['a', 'b'] } }, 2);
    const ofA = exportMerged(byTask, [keys.text]);
    expect(() => ofA.encode({ ...input, task: 'b' })).toThrow(
      'expected a row that this merged model was exported with: [task a]; got [task b]',
    );
    const { task: _, ...nameless } = input;
    expect(() => ofA.encode(nameless)).toThrow(
      'encode: expected the name of a task, which the condition "task" routes by, got none; pass task, one of a',
    );
    ofA.dispose();
    byTask.dispose();
  });
});

describe('the loader of exported encoders', () => {
  beforeAll(async () => {
    await engines[0]?.use();
  });

  it('reads a folder of configuration and weights', async () => {
    const model = drawnModel({ ...tiny, moe: {} }, 4);
    const exported = exportMerged(model, met);
    // A byte order mark, as editors write it, is skipped.
    await writeFile(join(scratch, 'config.json'), `\ufeff${JSON.stringify({ encoder: exported.config })}`);
    await saveParameters(exported.parameters, join(scratch, 'model.safetensors'));
    const loaded = await loadMergedEncoder(scratch);
    const input = inputOf(captionBatch(1, 5));
    const [a, b] = [loaded.encode(input), exported.encode(input)];
    expect(Array.from(a.dataSync())).toEqual(Array.from(b.dataSync()));
    expect(loaded.config).toEqual(exported.config);
    tf.dispose([a, b]);
    for (const each of [loaded, exported, model]) each.dispose();
  });

  it('says what a folder lacks', async () => {
    await expect(loadMergedEncoder(join(scratch, 'none'))).rejects.toThrow(
      'give the folder of an exported model',
    );
    const file = join(scratch, 'config.json');
    await writeFile(file, '{');
    await expect(loadMergedEncoder(scratch)).rejects.toThrow(
      /expected JSON, got .* at \d+:\d+; export it anew/u,
    );
    await writeFile(file, JSON.stringify({ encoder: tiny }));
    await expect(loadMergedEncoder(scratch)).rejects.toThrow(
      `merged encoder: expected the configuration of a merged encoder in ${file}, got another; write one with polygate export`,
    );
  });
});
