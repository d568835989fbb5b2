/** The recipes of tuning, against the published tables, and what they train of the published models. */
import { countsOf, resolveTuneRecipe, tuneRecipes } from '@polygate/app-tune';
import { ConfigError } from '@polygate/core';
import { parseRecipe } from '@polygate/generalist';
import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeTinySuite } from '../../../packages/generalist/test/tiny-suite.ts';

let suite = '';
beforeAll(async () => {
  suite = await writeTinySuite();
});
afterAll(() => rm(suite, { recursive: true, force: true }));

describe('recipes', () => {
  it('are recipes, all of them', () => {
    for (const [name, recipe] of Object.entries(tuneRecipes)) {
      expect(parseRecipe(recipe).name, name).toBe(name);
    }
  });

  // Uni-Perceiver-MoE, Table 9, read line by line: steps, batch, warm-up, rate; first of fine-tuning, then of prompts.
  it.each([
    ['imagenet-1k', [20_000, 2048, 2000, 2e-5], [5000, 1024, 500, 1e-3]],
    ['kinetics-400', [20_000, 64, 2000, 5e-6], [2000, 32, 200, 5e-4]],
    ['coco-caption', [10_000, 512, 1000, 2e-5], [1000, 512, 100, 1e-3]],
    ['flickr30k-caption', [4000, 512, 400, 2e-5], [200, 512, 20, 1e-3]],
    ['coco-retrieval', [10_000, 2048, 1000, 5e-6], [500, 2048, 50, 1e-3]],
    ['flickr30k-retrieval', [5000, 2048, 500, 5e-6], [100, 2048, 10, 1e-3]],
  ])('%s have the numbers of Table 9', (name, fine, prompt) => {
    for (const [method, [steps, batchSize, warmup, learningRate], weightDecay, kind] of [
      ['fine', fine, 1e-4, 'warmup-cosine'],
      ['prompt', prompt, 0, 'constant'],
    ] as const) {
      const recipe = parseRecipe(tuneRecipes[`${name}-${method}`]);
      expect(recipe).toMatchObject({
        steps: `${steps} steps`,
        tune: { method, dropPath: 0.2, noise: true },
        optimizer: { learningRate, weightDecay, clipNorm: 1 },
        schedule: { kind, warmup: `${warmup} steps`, minimum: 0 },
      });
      expect(Object.values(recipe.tasks)).toMatchObject([{ batchSize, labelSmoothing: 0.1 }]);
      // Prompts learn from 1 % of the samples (section 4.4).
      const subset = method === 'prompt' ? { share: 0.01, seed: 1 } : undefined;
      expect(Object.values(recipe.tasks).map((task) => task.subset)).toEqual([subset]);
    }
  });
});

describe('recipes of GLUE', () => {
  // The published configurations, read line by line: batch, steps, rate, warm-up.
  it.each([
    ['mnli', 32, 125_000, 1e-5, 7500],
    ['qnli', 16, 34_000, 1e-5, 2000],
    ['qqp', 32, 115_000, 1e-5, 28_000],
    ['rte', 16, 2500, 2e-5, 150],
    ['sst-2', 32, 22_000, 1e-5, 1500],
    ['mrpc', 16, 2500, 1e-5, 150],
    ['cola', 16, 5600, 1e-5, 400],
  ])('%s has the numbers of the published code', (name, batchSize, steps, learningRate, warmup) => {
    const recipe = parseRecipe(tuneRecipes[`${name}-fine`]);
    expect(recipe).toMatchObject({
      steps: `${steps} steps`,
      tune: { method: 'fine', frozen: [], experts: 'kept' },
      optimizer: { learningRate, beta1: 0.9, beta2: 0.98, epsilon: 1e-8, weightDecay: 0.1, clipNorm: 0.5 },
      schedule: { kind: 'warmup-cosine', warmup: `${warmup} steps`, minimum: 1e-6 },
    });
    expect(recipe.tune?.dropPath).toBeUndefined();
    expect(Object.values(recipe.tasks)).toMatchObject([
      { family: 'text-classification', batchSize, labelSmoothing: 0.1, preset: name, maximumTokens: 256 },
    ]);
  });
});

describe('what low-rank and fine-tuning train', () => {
  it('counts both matrices of every linear, or what is left unfrozen', async () => {
    const tasks = { digits: { family: 'image-classification', dataset: 'digits' } } as const;
    const [ti] = await countsOf(parseRecipe({ tasks, tune: { method: 'lora', rank: 4 } }));
    // 12 blocks of width 192, hidden 768: 4 x (192 + 576) + 4 x (192 + 192) + 2 x 4 x (192 + 768)
    expect(ti?.parts).toEqual({ lora: 12 * (4 * 768 + 4 * 384 + 2 * 4 * 960) });
    const [frozen] = await countsOf(
      parseRecipe({ tasks, tune: { method: 'fine', frozen: ['blocks.*', 'embedding.*'] } }),
    );
    const [whole] = await countsOf(parseRecipe({ tasks, tune: { method: 'fine' } }));
    // The head's norm and square linear, and the temperatures.
    expect(frozen?.trained).toBeGreaterThanOrEqual(192 * 192 + 3 * 192);
    expect(frozen?.trained).toBeLessThan(192 * 192 + 3 * 192 + 20);
    expect(whole?.share).toBe(1);
  });
});

describe('what prompt tuning trains', () => {
  // L blocks of width D, 10 prompts each, one norm before each branch, one of the embedding, one of the head: weight and
  // bias of D each; the prefix bias; a head of 1000 classes with biases and one mix.
  it.each([
    ['ti', 12, 192],
    ['b', 12, 768],
    ['l', 24, 1024],
  ])('%s: the published set, below 2 %% of the model', async (model, layers, width) => {
    const counts = await countsOf(parseRecipe(tuneRecipes['imagenet-1k-prompt']));
    const trained = counts.find((each) => each.model === model);
    expect(trained?.parts).toEqual({
      prompts: 10 * layers * width,
      prefix: width,
      heads: 1000 * width + 1000 + 1,
      replaced: 2 * width * (2 * layers + 2),
    });
    expect(trained?.share).toBeLessThan(0.02);
  });

  it('counts 132,864 scalars of Uni-Perceiver-B beside the head, and twice the prompts for retrieval', async () => {
    const [, b] = await countsOf(parseRecipe(tuneRecipes['imagenet-1k-prompt']));
    // 12 x 10 x 768 + 768 + 26 x 2 x 768
    expect((b?.trained ?? 0) - (b?.parts['heads'] ?? 0)).toBe(132_864);
    const [, retrieval] = await countsOf(parseRecipe(tuneRecipes['coco-retrieval-prompt']));
    expect(retrieval?.parts).toEqual({ prompts: 2 * 92_160, prefix: 768, replaced: 39_936 });
    const [, token] = await countsOf(parseRecipe(tuneRecipes['imagenet-1k-token-prompt-code']));
    expect(token?.parts).toEqual({ prompts: 92_160, prefix: 768, labels: 768_000, replaced: 39_936 });
  });
});

describe('resolveTuneRecipe', () => {
  it('lays base, suite, task and method over a recipe, and settings over all', async () => {
    const recipe = await resolveTuneRecipe({
      from: 'runs/base',
      suite,
      task: 'colours',
      set: ['tune.prompts=4'],
    });
    expect(recipe).toMatchObject({
      name: 'colours-prompt',
      suite,
      initialize: { from: 'runs/base' },
      tune: { method: 'prompt', prompts: 4 },
      tasks: { colours: { family: 'image-classification', dataset: 'colours', batchSize: 32 } },
    });
    const fine = await resolveTuneRecipe({
      from: 'runs/base',
      suite,
      task: 'images/retrieval',
      method: 'fine',
    });
    expect(fine).toMatchObject({ name: 'images-retrieval-fine', tune: { method: 'fine' } });
    expect(Object.values(fine.tasks)).toMatchObject([{ family: 'image-text-retrieval', batchSize: 32 }]);
    const published = await resolveTuneRecipe({ recipe: 'coco-caption', suite, task: 'images/captioning' });
    expect(published).toMatchObject({
      tasks: { 'images/captioning': { batchSize: 512 } },
      steps: '1000 steps',
    });
  });

  it('says which recipes, tasks and methods there are', async () => {
    await expect(resolveTuneRecipe({ recipe: 'imagenet', suite })).rejects.toThrow(ConfigError);
    await expect(resolveTuneRecipe({ suite, task: 'shapes' })).rejects.toThrow(
      'unknown task of the suite tiny "shapes": known: colours, images/captioning, images/retrieval, lines',
    );
    await expect(resolveTuneRecipe({ suite, task: 'images' })).rejects.toThrow(
      '--task: expected one task of the dataset images, got images/captioning, images/retrieval; name one of them',
    );
    await expect(resolveTuneRecipe({ suite })).rejects.toThrow(
      `tune: expected a task of ${suite} to tune on, got mnist; name one by --task: colours, images/captioning, images/retrieval, lines`,
    );
    await expect(resolveTuneRecipe({ task: 'colours' })).rejects.toThrow(
      'tune: expected a prepared suite, got none; give its folder by --suite',
    );
    await expect(resolveTuneRecipe({ suite, task: 'colours', method: 'lore' })).rejects.toThrow(/method/u);
  });
});
