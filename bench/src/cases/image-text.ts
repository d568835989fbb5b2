/**
 * What the cases on the price of experts share: image-text samples of 197 tokens (prefix and 144 patches with one row,
 * 52 words with another) and an encoder that trains on them or infers.
 */
import { attributeRow } from '@polygate/attributes';
import { createRandom, StateError } from '@polygate/core';
import {
  createRoutingTrace,
  createUniPerceiver,
  type EncoderConfig,
  type UniPerceiver,
} from '@polygate/encoder';
import { joinSegments, textSegment, visualSegment, type SequenceBatch } from '@polygate/modalities';
import { AdamW, parameterGradients } from '@polygate/nn';
import * as tf from '@tensorflow/tfjs';

const signature = { inputs: ['visual', 'text'], targets: ['text'] } as const;
const visualRow = attributeRow(signature, { modality: 'visual', causal: false, source: 'input' });
const textRow = attributeRow(signature, { modality: 'text', causal: true, source: 'input' });

/**
 * The vocabulary is no part of the comparisons: a small table keeps its update out of all sides. Branches count in full,
 * so that a wrong one is seen where outputs are compared.
 */
export const sharedSizes = { vocabularySize: 512, dropPath: 0, layerScale: 1 } as const;

/** Name of the task of all samples, for conditions that look at it. */
export const TASK = 'captioning';

/** A batch of image-text samples. */
export const makeInput = (batch: number): SequenceBatch => {
  const random = createRandom(3);
  const patches = Float32Array.from({ length: batch * 144 * 768 }, () => random.normal());
  const ids = Int32Array.from({ length: batch * 52 }, () => random.integer(512));
  const grid = { rows: 12, columns: 12, frames: 1 };
  const images = { size: batch, patches, patchCount: 144, patchWidth: 768, grid };
  return {
    ...joinSegments(batch, [
      { segment: visualSegment(images, visualRow) },
      { segment: textSegment({ ids, length: 52 }, textRow) },
    ]),
    task: TASK,
  };
};

/** An encoder with its optimizer. */
export interface Trainer {
  readonly model: UniPerceiver;
  /** One forward, backward and AdamW update. */
  step(): Promise<number>;
  /** One forward as in evaluation. */
  infer(): Promise<void>;
  dispose(): void;
}

export const createTrainer = (config: EncoderConfig, input: SequenceBatch): Trainer => {
  const model = createUniPerceiver(config, createRandom(5));
  const optimizer = new AdamW(model.parameters, { learningRate: 1e-4 });
  const random = createRandom(6);
  return {
    model,
    async step() {
      const { loss, gradients } = parameterGradients(model.parameters, () =>
        tf.tidy(() => {
          const routing = createRoutingTrace();
          const hidden = model.encode(input, { training: true, random, routing });
          // As in training: routers on tokens add their balance losses.
          return routing.losses.reduce(
            (sum, { weighted }) => tf.add(sum, weighted),
            tf.mean(tf.square(hidden)) as tf.Scalar,
          );
        }),
      );
      const [value = Number.NaN] = await loss.data();
      await optimizer.step(gradients);
      tf.dispose([loss, ...Object.values(gradients)]);
      return value;
    },
    async infer() {
      const out = tf.tidy(() => tf.mean(model.encode(input)));
      await out.data();
      out.dispose();
    },
    dispose() {
      optimizer.dispose();
      model.dispose();
    },
  };
};

/**
 * The merged evaluation path must equal the experts merged on the tape before either is timed.
 * @throws StateError when they differ by more
 */
export const validateMerged = async (
  model: UniPerceiver,
  input: SequenceBatch,
  options: { readonly name: string; readonly tolerance: number },
): Promise<string> => {
  const difference = tf.tidy(() =>
    tf.max(tf.abs(tf.sub(model.encode(input), model.encode(input, { merged: false })))),
  );
  const [worst = Number.NaN] = await difference.data();
  difference.dispose();
  if (!(worst <= options.tolerance)) {
    throw new StateError(
      `${options.name}: expected merged and unmerged outputs equal within ${options.tolerance}, got a difference of ${worst}`,
    );
  }
  return `merged and unmerged outputs differ by at most ${worst.toExponential(1)}`;
};
