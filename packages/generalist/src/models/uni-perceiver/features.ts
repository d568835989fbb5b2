/**
 * Features: what the model compares. Hidden states at the queried positions, projected to unit length
 * (Uni-Perceiver-MoE, section 3.1).
 *
 * B sequences · T positions · N queries · C candidates · D width
 */
import type { EncodeOptions, SequenceSide } from '@polygate/encoder';
import { takeSequences, type SequenceBatch } from '@polygate/modalities';
import { embedding, hostTensor } from '@polygate/tensor';
import * as tf from '@tensorflow/tfjs';
import type { EncodingModel } from './comparing-model.ts';

/** What of an encoder's settings a feature may differ by. */
const encodeSettings = ['training', 'random', 'merged', 'routing', 'topK', 'rowWeights', 'whole'] as const;

/**
 * As the encoder's settings of a forward. What `routing` gets of losses belongs to the caller or the enclosing tidy, like
 * the features.
 */
export interface FeatureOptions extends Pick<EncodeOptions, (typeof encodeSettings)[number]> {
  /** Name of the task that the sequences serve, for routers that look at it. @default the batch's own */
  readonly task?: string | undefined;
  /** What the sequences are to their task, for adapters that tell it. @default 'inputs' */
  readonly side?: SequenceSide;
  /** Whether features are brought to unit length. @default true */
  readonly unit?: boolean;
  /** Flat positions in [B * T], or the prefix of each sequence. @default 'prefix' */
  readonly queries?: 'prefix' | Int32Array;
}

const settingsOf = ({ adapter }: EncodingModel, options: FeatureOptions): EncodeOptions => {
  const given = Object.fromEntries(
    encodeSettings.flatMap((name) => (options[name] === undefined ? [] : [[name, options[name]] as const])),
  );
  if (!adapter) return given;
  const { encoder, settings } = adapter;
  const { side = 'inputs' } = options;
  return { ...given, adapter: encoder, side, noise: settings?.noise, dropPath: settings?.dropPath };
};

/**
 * Features of sequences, [N, D] of unit length unless asked otherwise; they belong to the caller or the enclosing tidy.
 * @throws ShapeError for sequences that don't fit the encoder, or tokens of another vocabulary
 */
export const encodeFeatures = (
  model: EncodingModel,
  batch: SequenceBatch,
  options: FeatureOptions = {},
): tf.Tensor2D => {
  const { queries = 'prefix', routing, unit = true } = options;
  const before = routing?.losses.length ?? 0;
  const [features] = tf.tidy((): [tf.Tensor2D, ...tf.Tensor[]] => {
    const task = options.task ?? batch.task;
    const sequences = task === undefined ? batch : { ...batch, task };
    const hidden = model.encoder.encode(sequences, settingsOf(model, options));
    const [size, length, width] = hidden.shape;
    // [B, T, D] -> [B * T, D], so that one look-up takes any positions; its gradient runs on every engine.
    const flat = tf.reshape(hidden, [size * length, width]);
    const [positions, count] =
      queries === 'prefix'
        ? [() => Int32Array.from({ length: size }, (_, b) => b * length), size]
        : [() => queries, queries.length];
    const places = hostTensor<tf.Rank.R1>(positions, [count], 'int32');
    const chosen = embedding(flat as tf.Tensor2D, places) as tf.Tensor2D;
    // The losses of this forward are the caller's too: they must outlive this tidy.
    const losses = routing?.losses.slice(before) ?? [];
    return [
      model.encoder.project(chosen, { adapter: model.adapter?.encoder, unit }),
      ...losses.flatMap(({ weighted, means }) => [weighted, ...Object.values(means)]),
    ];
  });
  return features;
};

/**
 * Prefix features of many sequences, in pieces that bound the memory; no gradient. Sequences are targets unless told.
 * @returns [C, D], the caller's
 */
export const encodeCandidates = (
  model: EncodingModel,
  sequences: SequenceBatch,
  options: { readonly chunk?: number } & Pick<FeatureOptions, 'task' | 'side' | 'unit'> = {},
): tf.Tensor2D => {
  const { chunk = 512, task, side = 'targets', unit = true } = options;
  return tf.tidy(() => {
    const parts: tf.Tensor2D[] = [];
    for (let start = 0; start < sequences.size; start += chunk) {
      const count = Math.min(chunk, sequences.size - start);
      const rows = Int32Array.from({ length: count }, (_, i) => start + i);
      parts.push(
        encodeFeatures(model, count === sequences.size ? sequences : takeSequences(sequences, rows), {
          task,
          side,
          unit,
        }),
      );
    }
    const [only] = parts;
    return parts.length === 1 && only ? only : tf.concat2d(parts, 0);
  });
};

/** Sequences that are embedded at once. */
const EMBEDDED_AT_ONCE = 64;

/** Features of sequences as values, [C * D]. */
export const embedSequences = async (
  model: EncodingModel,
  sequences: SequenceBatch,
  options: Pick<FeatureOptions, 'task' | 'side'>,
): Promise<Float32Array> => {
  const { task, side = 'inputs' } = options;
  const features = encodeCandidates(model, sequences, { chunk: EMBEDDED_AT_ONCE, task, side });
  try {
    return (await features.data()) as Float32Array;
  } finally {
    features.dispose();
  }
};
