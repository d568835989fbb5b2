/**
 * Recipes of tuning as data: Uni-Perceiver-MoE's Table 9 and section 6.1, and beside them what its published code has, which
 * departs from the paper. A row is a task; its columns are what a method is run with.
 *
 * Commands: npx polygate tune --recipe imagenet-1k-prompt --from RUN --suite data/imagenet-1k
 *           npx polygate tune --recipe imagenet-1k-prompt --describe
 * Hardware: batch sizes are those of all GPUs together (16 in the published code's documentation). Nobody has run these to
 * their end here; `mini-prompt`, `mini-lora` and `mini-fine` are those that two cores run in minutes.
 */

/** How a task is tuned by one method. */
export interface TuningColumn {
  readonly steps: number;
  readonly batchSize: number;
  readonly warmup: number;
  readonly learningRate: number;
  readonly weightDecay: number;
  /** @default the base's own */
  readonly dropPath?: number;
  /** @default that of the table */
  readonly betas?: readonly [number, number];
  readonly epsilon?: number;
  readonly labelSmoothing?: number;
  /** What classes get, by method `prompt`. @default the family's */
  readonly classes?: 'head' | 'token' | 'none';
}

/** A task, and the methods that it is tuned by. */
export interface TuningRow {
  /** Leading part of the recipe's name. */
  readonly name: string;
  /** Name of the dataset in a suite. */
  readonly dataset: string;
  readonly family: string;
  /** Of the published dataset, for counts. */
  readonly classes?: number;
  /** Settings of the task beside batch size and smoothing. */
  readonly task?: Readonly<Record<string, unknown>>;
  /** By method. */
  readonly columns: Readonly<Record<string, TuningColumn>>;
}

/** What the rows of a table have in common. */
export interface TuningTable {
  readonly title: string;
  /** Appended to the names of its recipes. */
  readonly suffix: string;
  readonly clipNorm: number;
  readonly betas: readonly [number, number];
  readonly epsilon: number;
  readonly labelSmoothing: number;
  /** By method; the cosine decays to `minimum`. */
  readonly schedule: Readonly<Record<string, 'constant' | 'warmup-cosine'>>;
  readonly minimum: number;
  /** Part of the training split that a method learns from, by method. @default all */
  readonly shares?: Readonly<Record<string, number>>;
  /** Folder of a row's suite. @default the one that the tuned run was trained on */
  readonly suite?: (row: TuningRow) => string;
  readonly rows: readonly TuningRow[];
}

const tasks = {
  imagenet: { name: 'imagenet-1k', dataset: 'imagenet-1k', family: 'image-classification', classes: 1000 },
  kinetics: {
    name: 'kinetics-400',
    dataset: 'kinetics-400',
    family: 'video-classification',
    classes: 400,
    task: { frames: 8 },
  },
  cocoCaption: { name: 'coco-caption', dataset: 'coco', family: 'image-captioning' },
  flickrCaption: { name: 'flickr30k-caption', dataset: 'flickr30k', family: 'image-captioning' },
  cocoRetrieval: { name: 'coco-retrieval', dataset: 'coco', family: 'image-text-retrieval' },
  flickrRetrieval: { name: 'flickr30k-retrieval', dataset: 'flickr30k', family: 'image-text-retrieval' },
  msvdCaption: { name: 'msvd-caption', dataset: 'msvd', family: 'video-captioning', task: { frames: 4 } },
  msvdRetrieval: {
    name: 'msvd-retrieval',
    dataset: 'msvd',
    family: 'video-text-retrieval',
    task: { frames: 4 },
  },
} as const satisfies Record<string, Omit<TuningRow, 'columns'>>;

/** [steps, batch size, warm-up steps, learning rate] */
type Numbers = readonly [steps: number, batchSize: number, warmup: number, learningRate: number];

const published = (
  task: Omit<TuningRow, 'columns'>,
  { fine, prompt }: { readonly fine: Numbers; readonly prompt: Numbers },
): TuningRow => {
  const column = ([steps, batchSize, warmup, learningRate]: Numbers, weightDecay: number): TuningColumn => ({
    steps,
    batchSize,
    warmup,
    learningRate,
    weightDecay,
    dropPath: 0.2,
  });
  return { ...task, columns: { fine: column(fine, 1e-4), prompt: column(prompt, 0) } };
};

/**
 * Table 9: clipping 1, drop path 0.2, weight decay 1e-4 and 0, cosine to 0 and constant. Betas and epsilon are those of
 * pre-training (section 6.1), which the table does not repeat; label smoothing is 0.1 for all tasks. Prompts learn from 1 % of
 * the samples (section 4.4).
 */
const table9: TuningTable = {
  title: 'Uni-Perceiver-MoE, Table 9',
  suffix: '',
  clipNorm: 1,
  betas: [0.9, 0.98],
  epsilon: 1e-6,
  labelSmoothing: 0.1,
  schedule: { fine: 'warmup-cosine', prompt: 'constant' },
  minimum: 0,
  shares: { prompt: 0.01 },
  suite: ({ dataset }) => `data/${dataset}`,
  rows: [
    published(tasks.imagenet, { fine: [20_000, 2048, 2000, 2e-5], prompt: [5000, 1024, 500, 1e-3] }),
    published(tasks.kinetics, { fine: [20_000, 64, 2000, 5e-6], prompt: [2000, 32, 200, 5e-4] }),
    published(tasks.cocoCaption, { fine: [10_000, 512, 1000, 2e-5], prompt: [1000, 512, 100, 1e-3] }),
    published(tasks.flickrCaption, { fine: [4000, 512, 400, 2e-5], prompt: [200, 512, 20, 1e-3] }),
    published(tasks.cocoRetrieval, { fine: [10_000, 2048, 1000, 5e-6], prompt: [500, 2048, 50, 1e-3] }),
    published(tasks.flickrRetrieval, { fine: [5000, 2048, 500, 5e-6], prompt: [100, 2048, 10, 1e-3] }),
  ],
};

/** GPUs of the published code. */
const GPUS = 16;

/** [samples of a GPU, steps, learning rate, warm-up steps, weight decay, drop path] */
type CodeNumbers = readonly [
  perGpu: number,
  steps: number,
  learningRate: number,
  warmup: number,
  weightDecay: number,
  dropPath: number,
];

const coded = (
  [perGpu, steps, learningRate, warmup, weightDecay, dropPath]: CodeNumbers,
  more: Partial<TuningColumn> = {},
): TuningColumn => ({
  steps,
  batchSize: perGpu * GPUS,
  warmup,
  learningRate,
  weightDecay,
  dropPath,
  ...more,
});

const plain = { labelSmoothing: 0 } as const;

/** The published code: AdamW 0.9, 0.95, epsilon 1e-6, clipping 0.1, warm-up and cosine to 1e-6 everywhere. */
const code: TuningTable = {
  title: 'the published code of Uni-Perceiver-MoE',
  suffix: '-code',
  clipNorm: 0.1,
  betas: [0.9, 0.95],
  epsilon: 1e-6,
  labelSmoothing: 0.1,
  schedule: { fine: 'warmup-cosine', prompt: 'warmup-cosine' },
  minimum: 1e-6,
  shares: { prompt: 0.01 },
  suite: ({ dataset }) => `data/${dataset}`,
  rows: [
    {
      ...tasks.imagenet,
      columns: {
        fine: coded([128, 20_000, 2e-5, 2000, 1e-8, 0.1], { betas: [0.9, 0.999] }),
        prompt: coded([64, 2500, 1e-4, 500, 0, 0]),
      },
    },
    {
      ...tasks.imagenet,
      name: 'imagenet-1k-384',
      dataset: 'imagenet-1k-384',
      columns: { fine: coded([64, 40_000, 2e-5, 4000, 1e-8, 0.1], { betas: [0.9, 0.999] }) },
    },
    {
      ...tasks.imagenet,
      name: 'imagenet-1k-token',
      columns: { prompt: coded([64, 2500, 1e-3, 500, 0, 0], { classes: 'token' }) },
    },
    {
      ...tasks.kinetics,
      columns: {
        fine: coded([8, 40_000, 5e-6, 2000, 1e-4, 0.1], plain),
        prompt: coded([4, 2000, 5e-4, 200, 0, 0.1], plain),
      },
    },
    {
      ...tasks.cocoCaption,
      task: { maximumTokens: 30, lossWeight: 2 },
      columns: {
        fine: coded([32, 10_000, 2e-5, 500, 1e-4, 0.2]),
        prompt: coded([32, 1000, 1e-3, 100, 0, 0.2]),
      },
    },
    {
      ...tasks.flickrCaption,
      columns: {
        fine: coded([32, 4000, 2e-6, 500, 1e-4, 0.1]),
        prompt: coded([32, 500, 1e-3, 50, 0, 0.1]),
      },
    },
    {
      ...tasks.cocoRetrieval,
      columns: {
        fine: coded([256, 10_000, 5e-6, 500, 1e-4, 0.2]),
        prompt: coded([256, 500, 1e-3, 50, 0, 0.2]),
      },
    },
    {
      ...tasks.flickrRetrieval,
      columns: {
        fine: coded([256, 5000, 5e-6, 200, 1e-4, 0.1]),
        prompt: coded([256, 1000, 1e-3, 50, 0, 0.1]),
      },
    },
    {
      ...tasks.msvdCaption,
      columns: {
        fine: coded([2, 1000, 2e-5, 100, 1e-4, 0.1]),
        prompt: coded([2, 200, 1e-3, 25, 0, 0.1]),
      },
    },
    {
      ...tasks.msvdRetrieval,
      columns: {
        fine: coded([16, 2000, 5e-6, 200, 1e-4, 0.1]),
        prompt: coded([16, 100, 1e-3, 10, 0, 0.1]),
      },
    },
  ],
};

/** [samples, steps, learning rate, warm-up steps] */
type GlueNumbers = readonly [batchSize: number, steps: number, learningRate: number, warmup: number];

const glueTask = (name: string, classes: number, numbers: GlueNumbers): TuningRow => {
  const [batchSize, steps, learningRate, warmup] = numbers;
  return {
    name,
    dataset: name,
    family: 'text-classification',
    classes,
    task: { preset: name, maximumTokens: 256 },
    columns: { fine: { steps, batchSize, warmup, learningRate, weightDecay: 0.1 } },
  };
};

/**
 * GLUE in cloze form as the published code has it, on one GPU: AdamW 0.9, 0.98, epsilon 1e-8, clipping 0.5, warm-up and
 * cosine to 1e-6. Its documentation says that RTE and MRPC start from the model that was tuned on MNLI.
 */
const glue: TuningTable = {
  title: 'GLUE, the published code of Uni-Perceiver-MoE',
  suffix: '',
  clipNorm: 0.5,
  betas: [0.9, 0.98],
  epsilon: 1e-8,
  labelSmoothing: 0.1,
  schedule: { fine: 'warmup-cosine' },
  minimum: 1e-6,
  suite: ({ dataset }) => `data/${dataset}`,
  rows: [
    glueTask('mnli', 3, [32, 125_000, 1e-5, 7500]),
    glueTask('qnli', 2, [16, 34_000, 1e-5, 2000]),
    glueTask('qqp', 2, [32, 115_000, 1e-5, 28_000]),
    glueTask('rte', 2, [16, 2500, 2e-5, 150]),
    glueTask('sst-2', 2, [32, 22_000, 1e-5, 1500]),
    glueTask('mrpc', 2, [16, 2500, 1e-5, 150]),
    glueTask('cola', 2, [16, 5600, 1e-5, 400]),
  ],
};

/** What two cores tune in minutes: clips that the demo's model never saw, digits of its suite, or whatever task is asked for. */
const mini: TuningTable = {
  title: 'small data and small models',
  suffix: '',
  clipNorm: 1,
  betas: [0.9, 0.98],
  epsilon: 1e-6,
  labelSmoothing: 0.1,
  schedule: { fine: 'warmup-cosine', prompt: 'constant' },
  minimum: 0,
  rows: [
    {
      name: 'mini',
      dataset: 'mnist',
      family: 'image-classification',
      classes: 10,
      columns: {
        fine: { steps: 300, batchSize: 32, warmup: 30, learningRate: 2e-4, weightDecay: 0.01, dropPath: 0 },
        prompt: { steps: 300, batchSize: 32, warmup: 15, learningRate: 5e-3, weightDecay: 0, dropPath: 0 },
        lora: { steps: 300, batchSize: 32, warmup: 15, learningRate: 2e-3, weightDecay: 0.01, dropPath: 0 },
      },
    },
    {
      name: 'demo',
      dataset: 'moving-digits',
      family: 'video-classification',
      classes: 10,
      task: { frames: 4 },
      columns: {
        prompt: { steps: 600, batchSize: 32, warmup: 30, learningRate: 5e-3, weightDecay: 0, dropPath: 0 },
      },
    },
  ],
};

export const tuningTables: readonly TuningTable[] = [mini, table9, code, glue];
