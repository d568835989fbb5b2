/**
 * Settings for a few hundred to some thousand images with classes, by how many there are and how large they are: pure
 * functions of counts, each setting with its reason. What they were measured on: docs/choosing.md.
 */
import { ConfigError } from '@polygate/core';
import type { Suite } from '@polygate/datasets';
import type { RecipeInput } from './recipe.ts';
import { datasetText } from './suite-data.ts';

/** What is known of prepared images before a model is chosen. */
export interface ImageCounts {
  /** Training samples. */
  readonly samples: number;
  readonly classes: number;
  /** Samples that training may look at without learning from them. */
  readonly validation: number;
  /** Side of an image in pixels. */
  readonly size: number;
}

/** A recipe without data, and why it is so, a line for each decision. */
export interface FittedRecipe {
  readonly recipe: RecipeInput;
  readonly reasons: readonly string[];
}

/** How a model that is there already is tuned to the images. */
export type TunedBy = 'fine' | 'prompt' | 'lora';

/** Side of a patch that is wanted, in pixels, and patches a side: smaller patches cost more and learn more slowly. */
const PATCH = 16;
const GRID = { least: 3, most: 8 } as const;
/** Samples that a run sees at least, over all epochs, and at most. */
const SEEN = { least: 16_000, most: 40_000 } as const;
const EPOCHS = { least: 10, most: 60 } as const;
/** Validation samples below which its accuracy says too little to end a run by. */
const LEAST_VALIDATION = 40;
const PATIENCE = 6;
/** Largest changes of an image, as a share of its side and in degrees. */
const SHIFT = 0.08;
const TURN = 8;

/** Patches a side into which an image of this size can be cut. */
const gridsOf = (size: number): readonly number[] =>
  Array.from({ length: GRID.most - GRID.least + 1 }, (_, i) => GRID.least + i).filter(
    (grid) => size % grid === 0,
  );

/** The size nearest below at which an image can be cut into patches, and the grid whose patches are nearest to those wanted. */
const cutOf = (size: number): { readonly size: number; readonly grid: number } => {
  let cut = size;
  while (cut > GRID.least && gridsOf(cut).length === 0) cut -= 1;
  const wanted = Math.min(Math.max(size / PATCH, GRID.least), GRID.most);
  const distance = (grid: number): number => Math.abs(Math.log(grid / wanted));
  const [first = GRID.least, ...others] = gridsOf(cut);
  return {
    size: cut,
    grid: others.reduce(
      (best, candidate) => (distance(candidate) < distance(best) ? candidate : best),
      first,
    ),
  };
};

const epochsFor = (samples: number): number => {
  const wanted = Math.min(Math.max(EPOCHS.most * samples, SEEN.least), SEEN.most) / samples;
  return Math.max(EPOCHS.least, Math.round(wanted));
};

const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`;

/**
 * How long, looked at how often, and when it ends.
 * @param counts of all tasks together
 */
const course = ({ samples, validation }: ImageCounts): FittedRecipe => {
  const epochs = epochsFor(samples);
  const isLookedAt = validation >= LEAST_VALIDATION;
  return {
    recipe: {
      steps: `${epochs} epochs`,
      validation: {
        every: '5%',
        limit: 1000,
        splits: ['validation'],
        ...(isLookedAt ? { best: { score: 'validation/accuracy' }, stop: { patience: PATIENCE } } : {}),
      },
    },
    reasons: [
      `steps=${epochs} epochs: of ${counted(samples, 'sample')} that is ${epochs * samples} to learn from, ${SEEN.least} to ${SEEN.most} where they allow it`,
      isLookedAt
        ? `validation.best.score=validation/accuracy, validation.stop.patience=${PATIENCE}: ${counted(validation, 'validation sample')} tell when it gets no better; looked at 20 times`
        : `no early stop: ${counted(validation, 'validation sample')} tell too little, and the last checkpoint counts; prepare ${LEAST_VALIDATION} or more (validationPercent)`,
    ],
  };
};

/** What one step is made of, and what training sees of an image. */
const seen = ({ size, samples }: ImageCounts) => {
  const batchSize = samples < 256 ? 16 : 32;
  // Turns and zooms blur images of few pixels; mirroring is another image where sides mean something.
  const augmentation = { shift: SHIFT, turn: TURN };
  return {
    task: { batchSize, augmentation },
    reasons: [
      `augmentation shift ${SHIFT} (${Math.round(SHIFT * size)} of ${size} pixels) and turn ${TURN} degrees: what changes more than that needs more epochs than small data are given; no flip, as letters, digits and directions are not their mirror images`,
    ],
  };
};

/** A model from scratch. */
const scratch = ({ size }: ImageCounts): FittedRecipe => {
  const { size: cut, grid } = cutOf(size);
  const patchSize = cut / grid;
  return {
    recipe: {
      model: { preset: 'mini', layers: 3, width: 128, heads: 4, hidden: 512, patchSize, layerScale: 1 },
      ...(cut === size ? {} : { image: { size: cut } }),
      optimizer: { learningRate: 8e-4, weightDecay: 0.05, clipNorm: 1 },
    },
    reasons: [
      ...(cut === size
        ? []
        : [
            `image.size=${cut}: ${size} pixels can't be cut into ${GRID.least} to ${GRID.most} patches a side`,
          ]),
      `model.patchSize=${patchSize}: ${grid} x ${grid} patches of an image of ${cut} pixels: smaller ones cost more and learn more slowly`,
      'model: dense, 3 blocks of width 128: experts and width have nothing to learn from so few images',
    ],
  };
};

/** By method; what is best differs by how much of the model is trained. */
const tunings: Readonly<Record<TunedBy, Pick<RecipeInput, 'tune' | 'optimizer' | 'schedule'>>> = {
  fine: {
    tune: { method: 'fine', dropPath: 0 },
    optimizer: { learningRate: 3e-4, weightDecay: 0.01, clipNorm: 1, beta2: 0.98 },
    schedule: { kind: 'warmup-cosine', warmup: '5%', minimum: 0 },
  },
  prompt: {
    tune: { method: 'prompt', dropPath: 0 },
    optimizer: { learningRate: 5e-3, weightDecay: 0, clipNorm: 1, beta2: 0.98 },
    schedule: { kind: 'constant', warmup: '5%' },
  },
  lora: {
    tune: { method: 'lora', dropPath: 0 },
    optimizer: { learningRate: 2e-3, weightDecay: 0.01, clipNorm: 1, beta2: 0.98 },
    schedule: { kind: 'constant', warmup: '5%' },
  },
};

/** Labelled images of a suite, with what counts of them. */
const labelledImages = (suite: Suite, dataset: string | undefined): ReadonlyMap<string, ImageCounts> =>
  new Map(
    suite.datasets.flatMap(({ name, kind, splits, classes = [] }) => {
      const samples = splits['train']?.rows ?? 0;
      if (kind !== 'labelled-image' || samples === 0 || name !== (dataset ?? name)) return [];
      const counts = {
        samples,
        classes: classes.length,
        validation: splits['validation']?.rows ?? 0,
        size: suite.image.width,
      };
      return [[name, counts] as const];
    }),
  );

export interface SmallImagesOptions {
  /** Folder of the suite. */
  readonly folder: string;
  /** How a model that is there is tuned. @default a model is trained from scratch */
  readonly tuned?: TunedBy | undefined;
  /** Name of the dataset. @default all that have labelled images */
  readonly dataset?: string | undefined;
}

/**
 * The recipe `small-images`: all labelled images of a suite, with what their number and size decide.
 * @throws ConfigError (code `no-images`) for a suite without labelled images
 */
export const smallImages = (
  suite: Suite,
  { folder, tuned, dataset: only }: SmallImagesOptions,
): FittedRecipe => {
  const datasets = labelledImages(suite, only);
  const [first] = datasets.values();
  if (!first) {
    throw new ConfigError(
      `recipe small-images: expected images with classes and a split "train" in ${folder}, got ${suite.datasets.map(datasetText).join('; ') || 'no dataset'}; take another recipe for these`,
      { code: 'no-images', fields: { suite: folder } },
    );
  }
  const sum = (of: keyof ImageCounts): number =>
    [...datasets.values()].reduce((all, ofDataset) => all + ofDataset[of], 0);
  const counts = { ...first, samples: sum('samples'), validation: sum('validation') };
  const { task, reasons } = seen(counts);
  const made = tuned === undefined ? scratch(counts) : { recipe: tunings[tuned], reasons: [] };
  const length = course(counts);
  const tasks = [...datasets.keys()].map((dataset) => [
    dataset,
    { family: 'image-classification', dataset, ...task } as const,
  ]);
  return {
    recipe: {
      name: suite.name,
      suite: folder,
      ...made.recipe,
      ...length.recipe,
      tasks: Object.fromEntries(tasks) as NonNullable<RecipeInput['tasks']>,
    },
    reasons: [...made.reasons, ...reasons, ...length.reasons],
  };
};

/** Training samples of a suite up to which the recipe is worth advising. */
const FEW = 10_000;

/** Whether a suite has few images with classes and nothing else to learn from. */
export const areFewImages = ({ datasets }: Suite): boolean =>
  datasets.length > 0 &&
  datasets.every(({ kind, splits }) => kind === 'labelled-image' && (splits['train']?.rows ?? 0) > 0) &&
  datasets.reduce((sum, { splits }) => sum + (splits['train']?.rows ?? 0), 0) <= FEW;
