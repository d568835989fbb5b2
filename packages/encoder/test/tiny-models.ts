/** Encoders of a few hundred parameters, and batches for them, as plain numbers and as tensors. */
import { parseRow } from '@polygate/attributes';
import { createRandom } from '@polygate/core';
import {
  createUniPerceiver,
  type EncoderConfig,
  type EncodeOptions,
  type UniPerceiver,
} from '@polygate/encoder';
import { joinSegments, textSegment, visualSegment, type SequenceBatch } from '@polygate/modalities';
import type * as tf from '@tensorflow/tfjs';
import type { PlainSegment } from './plain-encoder.ts';

export const tiny: EncoderConfig = {
  layers: 3,
  width: 8,
  heads: 2,
  hidden: 12,
  vocabularySize: 11,
  patch: { size: 2, channels: 1 },
  maxPositions: 6,
  maxFrames: 4,
  layerScale: 1,
};

/** Attribute rows by what they stand for. */
export const rows = {
  image: parseRow('10011001'),
  name: parseRow('10010100'),
  captionImage: parseRow('11011001'),
  captionText: parseRow('11010111'),
  text: parseRow('01010101'),
} as const;

/** The routing keys of those rows, for task `a`. */
export const keys = {
  image: { attributes: rows.image, modality: 'visual', task: 'a' },
  name: { attributes: rows.name, modality: 'text', task: 'a' },
  captionImage: { attributes: rows.captionImage, modality: 'visual', task: 'a' },
  captionText: { attributes: rows.captionText, modality: 'text', task: 'a' },
  text: { attributes: rows.text, modality: 'text', task: 'a' },
} as const;

/**
 * A model whose every parameter is drawn: biases, norms, scales and temperatures too, so that none of them is at a
 * value (0 or 1) that would hide a slip.
 */
export const drawnModel = (config: EncoderConfig, seed: number): UniPerceiver => {
  const model = createUniPerceiver(config, createRandom(seed));
  const random = createRandom(seed).fork('drawn');
  for (const { name, spec, variable } of model.parameters.entries()) {
    const stream = random.fork(name);
    const start = variable.dataSync();
    const values = Float32Array.from({ length: variable.size }, (_, i) => {
      if (spec.role === 'weight') return start[i] ?? 0;
      return spec.role === 'gate' ? stream.normal() : (start[i] ?? 0) + 0.4 * stream.normal();
    });
    model.parameters.write(name, values);
  }
  return model;
};

/** The segments of one sample. */
export type PlainSample = readonly PlainSegment[];

/** A batch of samples of one layout. */
export type PlainBatch = readonly PlainSample[];

/** An image of 2 x 2 patches in each of two frames, and a text of three tokens with chosen positions. */
export const captionBatch = (size: number, seed: number): PlainBatch => {
  const random = createRandom(seed);
  return Array.from({ length: size }, () => [
    {
      kind: 'visual',
      patches: Array.from({ length: 8 }, () => Array.from({ length: 4 }, () => random.normal())),
      rows: 2,
      columns: 2,
      startFrame: 1,
      row: rows.captionImage,
    },
    {
      kind: 'text',
      ids: Array.from({ length: 3 }, () => random.integer(11)),
      positions: [0, 1, 1],
      row: rows.captionText,
    },
  ]);
};

/** Texts of `length` tokens. */
export const textBatch = (size: number, length: number, seed: number): PlainBatch => {
  const random = createRandom(seed);
  return Array.from({ length: size }, () => [
    { kind: 'text', ids: Array.from({ length }, () => random.integer(11)), row: rows.text },
  ]);
};

/** Deep prompts by block as the adapter that has nothing else. */
export const prompted = (deep: readonly (tf.Tensor2D | undefined)[]): Pick<EncodeOptions, 'adapter'> => ({
  adapter: { begin: () => ({ prompts: (block) => deep[block] }) },
});

/** Flags of positions as bytes. @param shown how a flag of the plain form is written */
const flagsOf = (rows: readonly (readonly number[])[], shown: (flag: number) => boolean): Uint8Array =>
  Uint8Array.from(rows.flat(), (flag) => (shown(flag) ? 1 : 0));

/**
 * A batch as encoders read it.
 * @param mask [T][T], 0 to attend and -1e4 not to
 * @param visible [B][T], 0 at padding
 */
export const inputOf = (
  batch: PlainBatch,
  mask?: readonly (readonly number[])[],
  { visible }: { readonly visible?: readonly (readonly number[])[] } = {},
): SequenceBatch => {
  const [first = []] = batch;
  const segments = first.map((segment, s) => {
    const all = batch.map((sample) => sample[s] as PlainSegment);
    if (segment.kind === 'text') {
      const ids = Int32Array.from(all.flatMap((part) => (part.kind === 'text' ? part.ids : [])));
      const positions = segment.positions && Int32Array.from(segment.positions);
      const length = segment.ids.length;
      return { segment: textSegment({ ids, length, ...(positions ? { positions } : {}) }, segment.row) };
    }
    const { rows: height, columns, startFrame, row } = segment;
    const grid = { rows: height, columns, frames: segment.patches.length / (height * columns) };
    const patches = Float32Array.from(
      all.flatMap((part) => (part.kind === 'visual' ? part.patches.flat() : [])),
    );
    const [patch = []] = segment.patches;
    const images = {
      size: batch.length,
      patches,
      patchCount: segment.patches.length,
      patchWidth: patch.length,
      grid,
    };
    const visual = visualSegment(images, row);
    return {
      segment: startFrame === undefined ? visual : { ...visual, layout: { ...visual.layout, startFrame } },
    };
  });
  return {
    ...joinSegments(batch.length, segments),
    task: 'a',
    ...(mask ? { visibility: flagsOf(mask, (added) => added === 0) } : {}),
    ...(visible ? { keyPadding: flagsOf(visible, (flag) => flag === 0) } : {}),
  };
};

/** Hidden states of two captions with their images, as host values. */
export const encodedCaptions = (
  model: Pick<UniPerceiver, 'encode'>,
  options: EncodeOptions = {},
  seed = 21,
) => {
  const hidden = model.encode(inputOf(captionBatch(2, seed)), options);
  const values = Float32Array.from(hidden.dataSync());
  hidden.dispose();
  return values;
};
