/**
 * SM^4 in the three settings of its paper (tables 1 and 17), on suites of the same modalities. Batch sizes, rates and
 * balance are the paper's; it trains for 100 epochs, which is `--set "steps=100 epochs"`.
 * Command: npx polygate prepare --recipe sm4-small && npx polygate pretrain --recipe sm4-small
 */
import type { RecipeInput } from '@polygate/generalist';

const recipe = (
  preset: 'small' | 'medium' | 'large',
  {
    learningRate,
    weightDecay,
    batchSize,
    tasks,
  }: {
    readonly learningRate: number;
    readonly weightDecay: number;
    readonly batchSize: number;
    readonly tasks: readonly string[];
  },
): RecipeInput => ({
  name: `sm4-${preset}`,
  suite: `data/sm4-${preset}`,
  model: { architecture: 'sm4', preset },
  tasks: Object.fromEntries(
    tasks.map((name) => [
      name,
      { family: 'multimodal-classification', dataset: name, batchSize, labelSmoothing: 0, weight: 1 },
    ]),
  ) as NonNullable<RecipeInput['tasks']>,
  optimizer: { learningRate, weightDecay, beta2: 0.999, clipNorm: 1 },
  // Only the medium setting anneals its rate.
  schedule: preset === 'medium' ? { warmup: '0 steps' } : { kind: 'constant', warmup: '0 steps' },
  steps: '10 epochs',
  checkpoint: { every: '20%', keep: 2 },
  validation: { every: '1 epochs', limit: 256 },
});

export const sm4Recipes: Readonly<Record<string, RecipeInput>> = {
  'sm4-small': recipe('small', {
    learningRate: 5e-4,
    weightDecay: 0,
    batchSize: 28,
    tasks: ['push', 'touch'],
  }),
  'sm4-medium': recipe('medium', {
    ...{ learningRate: 1e-3, weightDecay: 0, batchSize: 32 },
    tasks: ['push', 'screens', 'digits'],
  }),
  'sm4-large': recipe('large', {
    ...{ learningRate: 8e-4, weightDecay: 1e-3, batchSize: 32 },
    tasks: ['humour', 'health', 'digits'],
  }),
};
