/**
 * The paper's sizes, mixture and optimisation: Uni-Perceiver-MoE, Table 6 (sizes), Table 7 (batch sizes, sampling and loss
 * weights) and section 6.1: AdamW 5e-4, weight decay 0.05, beta2 0.98, epsilon 1e-6, clipping 0.5, label smoothing 0.1 for
 * all tasks, LayerScale 1e-3, drop path by size, 400k steps; experts in all layers of Ti and in every other of B and L.
 *
 * Commands: npx polygate pretrain --recipe uni-perceiver-b --describe
 *           npx polygate pretrain --recipe uni-perceiver-b --synthetic --set "steps=2 steps"
 *           ... --set model.moe.condition=token for another condition (Table 3)
 * Hardware: the paper's run took 32 GPUs of 80 GB, batch sizes are each GPU's. Nobody has run these to their end here.
 *
 * Departs from the paper: video classification (K700, MiT: 3 % of the draws) is left out, as no suite holds video yet;
 * cosine decay with 10k steps of warm-up is the published code's, the paper names no schedule. B and L are trained at
 * 160 pixels as the paper's first stage: prepare the suite so (`image.size=160`); Ti at 224.
 */
import type { RecipeInput } from '@polygate/generalist';

type Tasks = NonNullable<RecipeInput['tasks']>;
type TaskInput = Tasks[string];

/** As the paper augments images: flips and random crops; stronger changes are not published for pairs. */
const images = { flip: 0.5, shift: 0.1, zoom: 0.25 } as const;

const labelSmoothing = 0.1;

/** Sampling weights of the image-text sets; captioning and retrieval share them. */
const imageTextSets = {
  yfcc: 0.0584,
  cc12m: 0.05057,
  cc3m: 0.026295,
  'visual-genome': 0.01766,
  coco: 0.01144,
  sbu: 0.01383,
} as const;

/** Longest caption in tokens; the phrases of Visual Genome are shorter (published code). */
const captionTokens = (dataset: string): number => (dataset === 'visual-genome' ? 30 : 50);

/** Names and vocabulary are always compared whole, as published. */
const whole = { kind: 'whole' } as const;

const byDataset = (suffix: string, make: (dataset: string, weight: number) => TaskInput): Tasks =>
  Object.fromEntries(
    Object.entries(imageTextSets).map(([dataset, weight]) => [`${dataset}/${suffix}`, make(dataset, weight)]),
  );

/** Table 7 without video. */
const pretrainingTasks: Tasks = {
  'imagenet-21k': {
    family: 'image-classification',
    dataset: 'imagenet-21k',
    batchSize: 220,
    weight: 0.2486,
    lossWeight: 1,
    labelSmoothing,
    candidates: whole,
    augmentation: images,
  },
  'books-wiki': {
    family: 'masked-language-modelling',
    dataset: 'books-wiki',
    batchSize: 256,
    weight: 0.275,
    lossWeight: 0.5,
    labelSmoothing,
    candidates: whole,
    maximumTokens: 128,
  },
  ...byDataset('captioning', (dataset, weight) => ({
    family: 'image-captioning',
    dataset,
    batchSize: 100,
    weight,
    lossWeight: 1,
    labelSmoothing,
    candidates: whole,
    maximumTokens: captionTokens(dataset),
    augmentation: images,
  })),
  ...byDataset('retrieval', (dataset, weight) => ({
    family: 'image-text-retrieval',
    dataset,
    batchSize: 160,
    weight,
    lossWeight: 0.5,
    labelSmoothing,
    maximumTokens: captionTokens(dataset),
    augmentation: images,
  })),
};

interface Size {
  readonly dropPath: number;
  readonly pixels: number;
}

const published = (name: string, preset: string, { dropPath, pixels }: Size): RecipeInput => ({
  name,
  suite: `data/pretrain-${pixels}`,
  model: { preset, dropPath, layerScale: 1e-3 },
  tasks: pretrainingTasks,
  optimizer: {
    learningRate: 5e-4,
    beta1: 0.9,
    beta2: 0.98,
    epsilon: 1e-6,
    weightDecay: 0.05,
    clipNorm: 0.5,
  },
  schedule: { kind: 'warmup-cosine', warmup: '10000 steps', minimum: 1e-6 },
  steps: '400000 steps',
  precision: 'bf16',
});

const sizes = {
  ti: { dropPath: 0, pixels: 224 },
  b: { dropPath: 0.1, pixels: 160 },
  l: { dropPath: 0.2, pixels: 160 },
} as const satisfies Record<string, Size>;

/** By recipe name; `-dense` is the model without experts. */
export const uniPerceiverRecipes: Readonly<Record<string, RecipeInput>> = Object.freeze(
  Object.fromEntries(
    Object.entries(sizes).flatMap(([size, own]) => {
      const name = `uni-perceiver-${size}`;
      return [
        [name, published(name, `${size}-moe`, own)],
        [`${name}-dense`, published(`${name}-dense`, size, own)],
      ];
    }),
  ),
);
