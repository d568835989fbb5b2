/**
 * Engines that are wrong on purpose: found before anything is computed with them, named, and worked around or passed over.
 * A file of its own: the torch engine looks for faults when it is loaded.
 */
import { EngineError } from '@polygate/core';
import * as tf from '@tensorflow/tfjs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { linear, probeEngines, selectEngine, type EngineOptions } from '../src/index.ts';

const fault = (text: string): void => {
  process.env['POLYGATE_TEST_FAULTS'] = text;
};

const failure = async (options: EngineOptions): Promise<EngineError> => {
  try {
    await selectEngine(options);
  } catch (error) {
    if (error instanceof EngineError) return error;
    throw error;
  }
  throw new Error('expected an EngineError');
};

let cache = '';
beforeAll(async () => {
  fault('torch/nothing');
  cache = await mkdtemp(join(tmpdir(), 'polygate-trust-'));
  process.env['XDG_CACHE_HOME'] = cache;
});
afterEach(() => {
  fault('torch/nothing');
});
afterAll(() => rm(cache, { recursive: true, force: true }));

fault('torch/nothing');
const torch = (await probeEngines()).some(({ name, available }) => name === 'torch' && available);

/** Gradient of a convolution of 3x3 ones over 4x4 ones, summed, to its image: how many windows a pixel is in. */
const windowCounts = (): number[] => {
  const filter = tf.ones([3, 3, 1, 1]) as tf.Tensor4D;
  const gradient = tf.grad((x) => tf.sum(tf.conv2d(x as tf.Tensor4D, filter, 1, 'same')));
  return [...gradient(tf.ones([1, 4, 4, 1])).dataSync()];
};

describe.runIf(torch)('a torch engine that is wrong on purpose', () => {
  it('a gradient of convolutions: goes past oneDNN in convolutions, and says so', async () => {
    fault('torch/convolution_backward@onednn');
    const { answers, line } = await selectEngine({ engine: 'torch' });
    expect(answers.workarounds).toEqual(['convolutions without oneDNN']);
    expect(answers.found.map(({ question }) => question)).toContain(
      'convolution 3x3 of channels-first images',
    );
    expect(new Set(answers.found.map(({ family }) => family))).toEqual(new Set(['convolution', 'volume']));
    expect(answers.wrong).toEqual([]);
    expect(line).toMatch(
      /, as asked; with convolutions without oneDNN: convolution 3x3: gradient to the \w+ is off by 25 % of the largest value, and 9 more$/u,
    );
    // 4 windows hold a corner pixel, 6 one at the border, 9 one inside.
    expect(windowCounts()).toEqual([4, 6, 6, 4, 6, 9, 9, 6, 6, 9, 9, 6, 4, 6, 6, 4]);
  });

  it('the same fault unseen would be computed with', async () => {
    await selectEngine({ engine: 'torch' });
    fault('torch/convolution_backward@onednn');
    expect(windowCounts()[0]).toBe(5);
  });

  it('products of bf16 in oneDNN: ATen goes without it', async () => {
    fault('torch/matmul@onednn:bf16');
    const { answers, precision } = await selectEngine({ engine: 'torch', precision: 'bf16' });
    expect(precision).toBe('bf16');
    expect(answers.workarounds).toEqual(['ATen without oneDNN']);
    expect(answers.found.map(({ question }) => question)).toContain('matrix product');
    const square = tf.matMul(tf.eye(64), tf.fill([64, 64], 2) as tf.Tensor2D);
    expect(square.dataSync().every((value) => value === 2)).toBe(true);
  });

  it('blocks of our own: ATen multiplies', async () => {
    fault('torch/polygate::span_linear@blocks');
    const { answers } = await selectEngine({ engine: 'torch', precision: 'f32' });
    expect(answers.wrong).toEqual([]);
    // A processor without AVX2 has no blocks to be wrong.
    if (answers.found.length > 0) {
      expect(answers.workarounds).toEqual(["ATen's products, not blocks of our own"]);
      expect(answers.found).toContainEqual(
        expect.objectContaining({ question: 'linear layer with bias', part: 'result' }),
      );
    }
    const y = linear(tf.ones([40, 64]), tf.eye(64));
    expect(y.dataSync().every((value) => value === 1 || value === 0)).toBe(true);
  });

  it('the tile unit: bf16 goes to the vector registers', async () => {
    fault('torch/polygate::span_linear_backward@unit');
    const { answers } = await selectEngine({ engine: 'torch', precision: 'bf16' });
    expect(answers.wrong).toEqual([]);
    if (answers.found.length > 0) {
      expect(answers.workarounds).toEqual(['bf16 products in AVX-512 registers, not on the tile unit']);
    }
  });

  it('two faults at once need two ways', async () => {
    fault('torch/matmul@onednn:bf16,torch/polygate::layer_norm');
    const { answers } = await selectEngine({ engine: 'torch', precision: 'bf16' });
    expect(answers.workarounds).toEqual([
      'ATen without oneDNN',
      "ATen's operators, not fused ones of our own",
    ]);
  });

  it('a reduction without another way: the engine is refused by name and passed over by auto', async () => {
    fault('torch/sum.dim_IntList');
    const error = await failure({ engine: 'torch' });
    expect(error.code).toBe('engine-wrong');
    expect(error.message).toMatch(
      /^engine torch: expected it to start and to compute rightly, got: it answers \d+ of \d+ known questions wrongly in f32: .* is off by [\d.]+ % of the largest value, and \d more; take another engine, or another version of its library; `polygate doctor` lists the answers$/u,
    );
    const choice = await selectEngine({ engine: 'auto' });
    expect(choice.name).not.toBe('torch');
    expect(choice.passedOver[0]).toMatchObject({ name: 'torch' });
    expect(choice.line).toContain('passed over torch: it answers');
    expect(tf.getBackend()).toBe(choice.name === 'wasm' ? 'wasm' : 'tensorflow');
  });

  it('bf16 alone without another way: auto takes f32 of the same engine', async () => {
    fault('torch/matmul:bf16');
    const choice = await selectEngine({ engine: 'auto', precision: 'bf16' });
    expect(choice).toMatchObject({
      name: 'torch',
      precision: 'f32',
      reason: 'first of the ladder that works; its bf16 does not',
    });
    expect(choice.passedOver[0]?.why).toContain('known questions wrongly in bf16: matrix product');
    const fastest = await selectEngine({ engine: 'torch', precision: 'auto' });
    expect(fastest.precision).toBe('f32');
    expect(fastest.speeds?.order).toEqual(['f32']);
  });
});

describe('other engines that are wrong on purpose', () => {
  it.each(['wasm', 'cpu'] as const)('%s is refused, and right again without the fault', async (engine) => {
    fault(`${engine}/Max`);
    const error = await failure({ engine });
    expect(error.message).toContain('known questions wrongly in f32: ');
    fault('');
    expect((await selectEngine({ engine })).answers.wrong).toEqual([]);
  });

  it('an engine that was refused leaves the current one current', async () => {
    await selectEngine({ engine: 'cpu' });
    fault('wasm/Max');
    await failure({ engine: 'wasm' });
    expect(tf.getBackend()).toBe('cpu');
  });

  it('a kernel of wasm that adds to memory it did not clear is withdrawn', async () => {
    fault('');
    const { answers, line } = await selectEngine({ engine: 'wasm', ask: 'always' });
    expect(answers.workarounds).toEqual(['Conv3DBackpropInputV2 withdrawn']);
    expect(answers.found).toMatchObject([
      { question: 'convolution of volumes', part: 'gradient to the volume' },
    ]);
    expect(line).toBe('engine wasm on cpu, f32 (WebAssembly with SIMD), as asked');
  });

  it('what is wrong on purpose is never remembered', async () => {
    fault('cpu/Max');
    await failure({ engine: 'cpu' });
    fault('');
    expect((await selectEngine({ engine: 'cpu' })).answers.found).toEqual([]);
    expect(await readdir(join(cache, 'polygate'))).toEqual(['engine-answers.json']);
  });
});
