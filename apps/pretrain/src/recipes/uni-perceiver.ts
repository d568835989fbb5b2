/**
 * The paper's sizes and optimisation (Uni-Perceiver-MoE, Table 6 and section 6.1): AdamW 5e-4, weight decay 0.05,
 * beta2 0.98, clipping 0.5, 400k steps; mixing weights are those of Table 7 where a suite holds the same datasets.
 * Command: npx polygate pretrain --recipe uni-perceiver-b --describe
 * Hardware: the paper's run took 32 GPUs of 80 GB; nobody has run these here.
 */
import type { RecipeInput } from '@polygate/generalist';

const published = (preset: string): RecipeInput => ({
  name: `uni-perceiver-${preset}`,
  suite: 'data/pretrain',
  model: { preset },
  optimizer: { learningRate: 5e-4, beta1: 0.9, beta2: 0.98, epsilon: 1e-6, weightDecay: 0.05, clipNorm: 0.5 },
  schedule: { kind: 'warmup-cosine', warmup: '10000 steps', minimum: 1e-6 },
  steps: '400000 steps',
  precision: 'bf16',
});

/** By recipe name; `-dense` is the model without experts. */
export const uniPerceiverRecipes: Readonly<Record<string, RecipeInput>> = Object.freeze(
  Object.fromEntries(
    ['ti', 'b', 'l'].flatMap((size) => [
      [`uni-perceiver-${size}`, published(`${size}-moe`)],
      [`uni-perceiver-${size}-dense`, published(size)],
    ]),
  ),
);
