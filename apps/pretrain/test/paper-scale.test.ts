import { createLogger } from '@polygate/core';
import { describeRecipe } from '@polygate/runs';
import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { pretrainRecipes, pretrainSynthetic, resolvePretrainRecipe } from '../src/index.ts';

const recipeOf = (name: string, ...set: string[]) => resolvePretrainRecipe({ recipe: name, set });

describe('recipes at the paper’s scale', () => {
  it('mix as Table 7 does: 16 tasks whose weights sum to 1, with video', () => {
    const { tasks } = recipeOf('uni-perceiver-b');
    expect(Object.keys(tasks)).toHaveLength(16);
    const weight = Object.values(tasks).reduce((sum, task) => sum + (task.weight ?? 0), 0);
    // 0.2486 + 0.275 + 2 (0.0584 + 0.05057 + 0.026295 + 0.01766 + 0.01144 + 0.01383) = 0.5236 + 2 * 0.178195
    // = 0.87999, and 0.1 + 0.02 of video; the table prints 0.01 for K700, with which its column would sum to 0.91.
    expect(weight).toBeCloseTo(0.99999, 9);
    expect(tasks['kinetics-700']).toMatchObject({ batchSize: 6, weight: 0.1, lossWeight: 0.1, frames: 4 });
    expect(tasks['moments-in-time']).toMatchObject({
      batchSize: 24,
      weight: 0.02,
      lossWeight: 0.1,
      frames: 3,
    });
    expect(tasks['imagenet-21k']).toMatchObject({
      batchSize: 220,
      lossWeight: 1,
      augmentation: 'classification-mixed',
    });
    expect(tasks['books-wiki']).toMatchObject({ batchSize: 256, weight: 0.275, lossWeight: 0.5 });
    expect(tasks['coco/retrieval']).toMatchObject({ batchSize: 160, weight: 0.01144, lossWeight: 0.5 });
    expect(tasks['visual-genome/captioning']).toMatchObject({ batchSize: 100, maximumTokens: 30 });
    expect(Object.values(tasks).every((task) => task.labelSmoothing === 0.1)).toBe(true);
  });

  it('place experts in all layers of Ti and in every other of B and L, with drop path by size', () => {
    // Table 4 deploys 167M and 505M: the parameter table holds both for the recipes' encoders.
    expect(describeRecipe(recipeOf('uni-perceiver-b'))).toMatch(/167/u);
    expect(describeRecipe(recipeOf('uni-perceiver-l'))).toMatch(/505/u);
    expect(recipeOf('uni-perceiver-l').model).toHaveProperty('dropPath', 0.2);
    expect(recipeOf('uni-perceiver-ti').model).toHaveProperty('dropPath', 0);
  });

  it('go on at 224 pixels for a tenth of the steps, from where the first stage ended', () => {
    for (const name of ['uni-perceiver-b', 'uni-perceiver-l-dense']) {
      const [first, second] = [recipeOf(name), recipeOf(`${name}-224`)];
      expect(second.initialize).toMatchObject({ from: `runs/${name}` });
      expect([first.suite, second.suite]).toEqual(['data/pretrain-160', 'data/pretrain-224']);
      expect([first.steps, second.steps]).toEqual(['400000 steps', '40000 steps']);
      expect(second.model).toEqual(first.model);
      expect(second.optimizer).toEqual({ ...first.optimizer, learningRate: 2e-5 });
      expect(second.tasks['kinetics-700']).toMatchObject({ frames: 8 });
      expect(second.tasks['imagenet-21k']).toMatchObject({ augmentation: 'classification' });
      expect(describeRecipe(second)).toMatch(/40000 steps/u);
    }
    expect(() => recipeOf('uni-perceiver-ti-224')).toThrow('uni-perceiver-b-224');
  });

  it('say what they will need', () => {
    // weights, gradients and two moments of 4 bytes each: 16 bytes a parameter
    const text = describeRecipe(recipeOf('uni-perceiver-l'));
    const [, parameters, state] =
      /uni-perceiver-l: ([\d.]+)M parameters.*about ([\d.]+) GiB for/u.exec(text) ?? [];
    expect(Number(state)).toBeCloseTo((Number(parameters) * 1e6 * 16) / 2 ** 30, 0);
    expect(text).toMatch(/400000 steps/u);
  });

  it('are read without error, with any condition', () => {
    for (const name of Object.keys(pretrainRecipes)) expect(recipeOf(name).name).toBeDefined();
    for (const condition of ['modality', 'task', 'attribute']) {
      const text = describeRecipe(recipeOf('uni-perceiver-ti', `model.moe.condition=${condition}`));
      expect(text).toMatch(/routers/u);
    }
  });

  it('Ti takes two steps on made-up data and warns of its size', async () => {
    const run = join(await mkdtemp(join(tmpdir(), 'polygate-synthetic-')), 'run');
    const lines: string[] = [];
    const logger = createLogger((level, message) => void lines.push(`${level}: ${message}`));
    const result = await pretrainSynthetic(
      {
        recipe: 'uni-perceiver-ti',
        set: ['steps=2 steps', 'precision=f32', 'schedule.warmup=1 steps', 'threads=1'],
        run,
      },
      { logger },
    );
    expect(result).toMatchObject({ status: 'finished', step: 2 });
    expect(lines[0]).toMatch(
      /^warn: uni-perceiver-ti: 5\d\.\dM parameters, 2 steps, about .* GiB .*made-up images of 32x32 and at most 4 samples a step$/u,
    );
    const steps = (await readFile(join(run, 'metrics.jsonl'), 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { kind: string; loss?: number })
      .filter(({ kind }) => kind === 'train');
    expect(steps).toHaveLength(2);
    // Losses of an untrained model lie near chance, far from what a broken one gives.
    for (const { loss = NaN } of steps) expect(loss).toBeLessThan(12);
    // The recipe of the run names the made-up suite: its evaluation would, too.
    expect(result.recipe.suite).toBe(join(run, 'synthetic-suite'));
  });
});
