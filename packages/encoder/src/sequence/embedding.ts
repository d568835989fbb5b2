/**
 * Tokens to vectors. The prefix is its word vector alone; text is word + learned position + type; patches are a linear
 * projection + fixed spatial + learned temporal position. One layer norm, shared by all, follows.
 *
 * B batch · L tokens of a segment · N patches · D width · T = 1 + all segment lengths
 */
import type { ParameterSet } from '@polygate/nn';
import { embedding, layerNorm, linear } from '@polygate/tensor';
import * as tf from '@tensorflow/tfjs';
import type { ResolvedEncoderShape } from '../config/shape-config.ts';
import { matrixOf, vectorOf } from '../blocks/parameter-access.ts';
import type { PatchGrid } from './positions.ts';
import type { SequenceInput, SequenceLayout, TextSegment, VisualSegment } from './sequence.ts';

/** What embedding needs of its model. All borrowed. */
export interface EmbeddingContext {
  readonly config: ResolvedEncoderShape;
  readonly parameters: ParameterSet;
  /** Spatial positions of one frame, [rows * columns, D]. */
  spatial(grid: PatchGrid): tf.Tensor2D;
}

/** [L] positions of a text segment. */
const positionsOf = ({ ids, positions }: TextSegment): tf.Tensor1D =>
  positions ?? tf.range(0, ids.shape[1], 1, 'int32');

/**
 * Word vectors of the prefix and of all text segments, with positions and type on the latter, [B, 1 + text, D]. One
 * look-up serves them all, because the gradient of each look-up is as large as the whole table.
 */
const embedWords = (
  segments: readonly TextSegment[],
  batch: number,
  { config, parameters }: EmbeddingContext,
): tf.Tensor3D => {
  const prefix = tf.fill([batch, 1], config.prefixToken, 'int32') as tf.Tensor2D;
  const ids = segments.length === 0 ? prefix : tf.concat([prefix, ...segments.map((s) => s.ids)], 1);
  const words = embedding(matrixOf(parameters, 'embedding.word'), ids) as tf.Tensor3D;
  if (segments.length === 0) return words;
  const positions = embedding(
    matrixOf(parameters, 'embedding.position'),
    tf.concat(segments.map(positionsOf)),
  );
  const offsets = tf.concat([
    tf.zeros([1, config.width]),
    positions.add(parameters.get('embedding.type')) as tf.Tensor2D,
  ]);
  return words.add(offsets);
};

/** [B, N, D] */
const embedPatches = (
  segment: VisualSegment,
  { config, parameters, spatial }: EmbeddingContext,
): tf.Tensor3D => {
  const { patches, grid, startFrame = 0 } = segment;
  const { width } = config;
  const projected = linear(
    patches,
    matrixOf(parameters, 'embedding.patch.weight'),
    vectorOf(parameters, 'embedding.patch.bias'),
  ) as tf.Tensor3D;
  const frames = tf.slice(parameters.get('embedding.frame'), [startFrame, 0], [grid.frames, width]);
  // [frames, 1, D] + [1, rows * columns, D] -> [N, D]
  const positions = frames
    .reshape([grid.frames, 1, width])
    .add(spatial(grid).reshape([1, grid.rows * grid.columns, width]))
    .reshape([grid.rows * grid.columns * grid.frames, width]);
  return projected.add(positions);
};

/** Embeds a checked sequence: [B, T, D] float32, the prefix at position 0. Call it inside a tidy. */
export const embedSequence = (
  { segments }: SequenceInput,
  { batch }: Pick<SequenceLayout, 'batch'>,
  context: EmbeddingContext,
): tf.Tensor3D => {
  const texts = segments.filter((segment) => segment.kind === 'text');
  const words = embedWords(texts, batch, context);
  let sequence = words;
  if (texts.length < segments.length) {
    const lengths = [1, ...texts.map(({ ids }) => ids.shape[1])];
    const [prefix = words, ...pieces] =
      texts.length === 0 ? [words] : (tf.split(words, lengths, 1) as tf.Tensor3D[]);
    let next = 0;
    const parts = segments.map((segment) =>
      segment.kind === 'text' ? (pieces[next++] ?? words) : embedPatches(segment, context),
    );
    sequence = tf.concat([prefix, ...parts], 1);
  }
  const { parameters } = context;
  return layerNorm(
    sequence,
    vectorOf(parameters, 'embedding.norm.weight'),
    vectorOf(parameters, 'embedding.norm.bias'),
  );
};
