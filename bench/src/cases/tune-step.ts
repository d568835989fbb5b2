/**
 * What a tuning step costs on a base that stays as it is: prompt tuning (10 prompts a block, prefix bias, norms, a head)
 * against fine-tuning of all weights, on the same batch of images and class names. Before anything is timed an adapter at
 * its start, without prompts, must give the loss of the base. Seconds are those of the processor on one thread, so that other
 * work on the machine does not decide.
 */
import { createRandom, StateError } from '@polygate/core';
import { presets, type EncoderConfig } from '@polygate/encoder';
import { createUniPerceiverModel, tuneModel, type Generalist, type TuneSettings } from '@polygate/generalist';
import { imageSequences } from '@polygate/modalities';
import { AdamW, parameterGradients } from '@polygate/nn';
import { nameCandidates, segmentRows, type TaskBatch, type TrainedTask } from '@polygate/tasks';
import { selectEngine } from '@polygate/tensor';
import { trainTokenizer } from '@polygate/tokens';
import * as tf from '@tensorflow/tfjs';
import { measurePair, type PairLine } from '../pair.ts';

const FAMILY = 'image-classification';
const CLASSES = Array.from({ length: 20 }, (_, i) => `class ${i}`);
const SIDE = 224;

const task: TrainedTask = { name: 'classes', family: FAMILY, dataset: 'classes', classes: CLASSES };

const settings = (change: object = {}): TuneSettings => ({
  method: 'prompt',
  noise: true,
  prompts: 10,
  norms: true,
  prefixBias: true,
  ...change,
});

/** A model of the paper's smallest size, whose branches count in full. */
const createBase = (preset: EncoderConfig) => {
  const tokenizer = trainTokenizer(CLASSES, { vocabularySize: 300 });
  const encoder = {
    ...preset,
    vocabularySize: tokenizer.size,
    dropPath: 0,
    layerScale: 1,
    prefixToken: tokenizer.size - 2,
  };
  const image = { height: SIDE, width: SIDE, channels: 3 };
  const config = { encoder, image, tokenizerHash: tokenizer.hash, tasks: [task] };
  return createUniPerceiverModel(config, tokenizer, createRandom(1));
};

const batchOf = (model: Generalist, size: number): TaskBatch => {
  const random = createRandom(2);
  const { patchCount, patchWidth } = model.image;
  const patches = Float32Array.from({ length: size * patchCount * patchWidth }, () => random.normal());
  const grid = { rows: SIDE / model.image.patch, columns: SIDE / model.image.patch, frames: 1 };
  const candidates = nameCandidates(`classes:${task.name}`, CLASSES, {
    tokenizer: model.tokenizer,
    row: segmentRows.name,
  });
  return {
    task: task.name,
    family: FAMILY,
    temperature: FAMILY,
    lossWeight: 1,
    inputs: imageSequences({ size, patches, patchCount, patchWidth, grid }, segmentRows.image),
    queries: 'prefix',
    labels: Int32Array.from({ length: size }, () => random.integer(CLASSES.length)),
    targets: candidates.whole(),
    loss: 'cross-entropy',
    labelSmoothing: 0.1,
  };
};

const lossOf = async (model: Generalist, batch: TaskBatch): Promise<number> => {
  const { loss, metrics } = model.loss(batch, { training: false });
  const [value = Number.NaN] = await loss.data();
  tf.dispose([loss, ...Object.values(metrics)]);
  return value;
};

/** One forward, backward and AdamW update. */
const createStep = (model: Generalist, batch: TaskBatch) => {
  const optimizer = new AdamW(model.parameters, { learningRate: 1e-5 });
  const random = createRandom(3);
  return {
    async run(): Promise<number> {
      const began = process.cpuUsage();
      const { loss, gradients } = parameterGradients(model.parameters, () =>
        tf.tidy(() => model.loss(batch, { training: true, random }).loss),
      );
      await loss.data();
      await optimizer.step(gradients);
      tf.dispose([loss, ...Object.values(gradients)]);
      const { user, system } = process.cpuUsage(began);
      return (user + system) / 1e6;
    },
    dispose: () => optimizer.dispose(),
  };
};

/** @throws StateError when an adapter that adds nothing yet changes the loss */
const validate = async (base: Generalist, batch: TaskBatch): Promise<string> => {
  using start = tuneModel(base, {
    settings: settings({ prompts: 0 }),
    tasks: [task],
    random: createRandom(4),
  });
  const [baseLoss, tuned] = [await lossOf(base, batch), await lossOf(start, batch)];
  const difference = Math.abs(baseLoss - tuned);
  if (difference <= 1e-4)
    return `the adapter's start has the base's loss (difference ${difference.toExponential(1)})`;
  throw new StateError(
    `tune-step: expected the base's loss ${baseLoss} at the start of tuning, got ${tuned}`,
  );
};

interface Variant {
  readonly name: string;
  readonly preset: EncoderConfig;
  readonly noise: boolean;
}

const variants: readonly Variant[] = [
  { name: 'dense', preset: presets.ti, noise: true },
  { name: 'experts', preset: presets['ti-moe'], noise: true },
  { name: 'experts-without-noise', preset: presets['ti-moe'], noise: false },
];

/** The model that the paper tunes. */
const published: Variant = { name: 'dense-b', preset: presets.b, noise: true };

async function* compare({ name, preset, noise }: Variant, size: number): AsyncIterable<PairLine> {
  const threads = 1;
  const precision = 'bf16';
  await selectEngine({ engine: 'torch', precision, threads });
  const base = createBase(preset);
  const frozen = createBase(preset);
  const tuned = tuneModel(frozen, {
    settings: settings({ noise }),
    tasks: [task],
    random: createRandom(5),
    owned: true,
  });
  const batch = batchOf(base, size);
  const [prompts, fine] = [createStep(tuned, batch), createStep(base, batch)];
  try {
    const validated = await validate(frozen, batch);
    yield await measurePair(
      { name: 'prompt tuning', run: () => prompts.run() },
      { name: 'fine-tuning', run: () => fine.run() },
      {
        name: `tune-step-${name}-${precision}-batch${size}`,
        validated,
        pairs: 9,
        detail: {
          batch: size,
          precision,
          threads,
          trained: tuned.parameters.size,
          all: base.parameters.size,
        },
      },
    );
  } finally {
    prompts.dispose();
    fine.dispose();
    tuned.dispose();
    base.dispose();
  }
}

export const tuneStep = {
  describe: 'a step of prompt tuning against one of fine-tuning on the same batch, dense and with experts',
  async *run(): AsyncIterable<PairLine> {
    for (const variant of variants) yield* compare(variant, 4);
    for (const variant of variants) yield* compare(variant, 16);
    yield* compare(published, 4);
  },
};
