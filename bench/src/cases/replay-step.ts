/**
 * What a step costs when its operators are run again from a recording, against the same step computed by its functions:
 * forward and backward of the plain encoder (3 blocks of width 128, 32 sequences of 10 tokens; 2 blocks of width 64), and of
 * the mini generalist's size on batches of an image task. Before anything is timed, both must give equal bits. Seconds are
 * those of the processor on one thread, so that other work on the machine does not decide.
 */
import { createBatchRandom, createRandom, followRandom, StateError } from '@polygate/core';
import { presets } from '@polygate/encoder';
import { createUniPerceiverModel } from '@polygate/generalist';
import { imageSequences } from '@polygate/modalities';
import { parameterGradients, type ParameterSet } from '@polygate/nn';
import { nameCandidates, segmentRows, type TaskBatch } from '@polygate/tasks';
import { recordFunction, selectEngine } from '@polygate/tensor';
import { trainTokenizer } from '@polygate/tokens';
import * as tf from '@tensorflow/tfjs';
import { measurePair, type PairLine } from '../pair.ts';
import { createEncoderRun, type EncoderShape } from './encoder-model.ts';

interface Step {
  readonly name: string;
  readonly detail: Readonly<Record<string, unknown>>;
  readonly parameters: ParameterSet;
  /** Comes before each step: its randomness begins. */
  readonly begin: () => void;
  readonly loss: () => tf.Scalar;
  readonly dispose: () => void;
}

const encoderStep = (shape: EncoderShape): Step => {
  const run = createEncoderRun(shape, 1, 1e-4);
  return {
    name: `${shape.layers}x${shape.width}-${shape.length}-tokens`,
    detail: { ...shape },
    parameters: run.parameters,
    begin: () => {},
    loss: run.loss,
    dispose: () => run.dispose(),
  };
};

const SIDE = 32;
const CLASSES = Array.from({ length: 10 }, (_, i) => `class ${i}`);
const FAMILY = 'image-classification';

/** A step of the image classification of the demo's size: images and names of classes through one encoder. */
const generalistStep = (size: number): Step => {
  const tokenizer = trainTokenizer(CLASSES, { vocabularySize: 300 });
  const encoder = {
    ...presets.mini,
    ...{ layers: 4, width: 128, heads: 4, hidden: 256, dropPath: 0.1 },
    vocabularySize: tokenizer.size,
    prefixToken: tokenizer.size - 2,
  };
  const task = { name: 'classes', family: FAMILY, dataset: 'classes', classes: CLASSES };
  const image = { height: SIDE, width: SIDE, channels: 3 };
  const model = createUniPerceiverModel(
    { encoder, image, tokenizerHash: tokenizer.hash, tasks: [task] },
    tokenizer,
    createRandom(1),
  );
  const { patch, patchCount, patchWidth } = model.image;
  const random = createRandom(2);
  const patches = Float32Array.from({ length: size * patchCount * patchWidth }, () => random.normal());
  const grid = { rows: SIDE / patch, columns: SIDE / patch, frames: 1 };
  const batch: TaskBatch = {
    ...{ task: task.name, family: FAMILY, temperature: FAMILY, lossWeight: 1 },
    inputs: imageSequences({ size, patches, patchCount, patchWidth, grid }, segmentRows.image),
    queries: 'prefix',
    labels: Int32Array.from({ length: size }, () => random.integer(CLASSES.length)),
    targets: nameCandidates('classes', CLASSES, { tokenizer, row: segmentRows.name }).whole(),
    loss: 'cross-entropy',
    labelSmoothing: 0.1,
  };
  const noise = createBatchRandom({ samples: createRandom(3), step: createRandom(4) });
  const followed = followRandom(noise);
  return {
    name: `generalist-batch${size}`,
    detail: { layers: encoder.layers, width: encoder.width, batch: size, patches: patchCount, dropPath: 0.1 },
    parameters: model.parameters,
    begin: () => followed.moveTo(noise),
    loss: () => tf.tidy(() => model.loss(batch, { training: true, random: followed.random }).loss),
    dispose: () => model.dispose(),
  };
};

const bitsOf = (tensors: readonly tf.Tensor[]): string =>
  tensors.map((tensor) => [...new Uint32Array(Float32Array.from(tensor.dataSync()).buffer)].join()).join(';');

/** Processor seconds of a step, whose loss is read as in training. */
const timed = (compute: () => readonly tf.Tensor[]): Promise<number> => {
  const began = process.cpuUsage();
  const results = compute();
  results[0]?.dataSync();
  tf.dispose([...results]);
  const { user, system } = process.cpuUsage(began);
  return Promise.resolve((user + system) / 1e6);
};

async function* compare(step: Step, precision: 'f32' | 'bf16'): AsyncIterable<PairLine> {
  const plain = (): readonly tf.Tensor[] => {
    step.begin();
    const { loss, gradients } = parameterGradients(step.parameters, step.loss);
    return [loss, ...Object.values(gradients)];
  };
  try {
    tf.dispose([...plain()]);
    const { results, recording, refusal } = recordFunction(plain);
    if (!recording) throw refusal ?? new StateError('replay-step: expected a recording, got none');
    const replay = (): readonly tf.Tensor[] => {
      step.begin();
      return recording.run();
    };
    const again = replay();
    const isSame = bitsOf(results) === bitsOf(again);
    tf.dispose([...results, ...again]);
    if (!isSame) throw new StateError('replay-step: expected equal bits of a replayed step, got others');
    yield await measurePair(
      { name: 'replayed', run: () => timed(replay) },
      { name: 'plain', run: () => timed(plain) },
      {
        name: `replay-step-${step.name}-${precision}`,
        validated: 'loss and gradients equal bit for bit',
        pairs: 101,
        // What is measured is not the compiler of JavaScript, which is done after some steps.
        warmup: 40,
        detail: { ...step.detail, threads: 1, calls: recording.calls },
      },
    );
    recording.dispose();
  } finally {
    step.dispose();
  }
}

const small = { heads: 4, batch: 32, length: 10 };

export const replayStep = {
  describe: 'forward and backward run again from a recording, against computing them anew',
  async *run(): AsyncIterable<PairLine> {
    for (const precision of ['f32', 'bf16'] as const) {
      await selectEngine({ engine: 'torch', precision, threads: 1 });
      yield* compare(encoderStep({ ...small, layers: 3, width: 128, hidden: 512 }), precision);
      yield* compare(encoderStep({ ...small, layers: 2, width: 64, hidden: 128, batch: 8 }), precision);
      for (const size of [8, 32]) yield* compare(generalistStep(size), precision);
    }
  },
};
