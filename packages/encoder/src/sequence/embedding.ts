/**
 * Tokens to vectors: each modality embeds its segments, the prefix token comes first, and one layer norm, shared by all,
 * follows. The prefix is a token of the first modality that has one, or else a vector of its own.
 *
 * B batch · D width · T = 1 + all segment lengths
 */
import { modalityNamed, type Segment, type SequenceBatch } from '@polygate/modalities';
import { layerNorm } from '@polygate/tensor';
import * as tf from '@tensorflow/tfjs';
import type { ResolvedEncoderShape } from '../config/shape-config.ts';
import type { AdapterForward } from '../adapters/adapter.ts';
import { vectorOf, type ParameterSource } from '../blocks/block-linears.ts';
import { prefixTokens } from './prefix-tokens.ts';

/** What is embedded. */
type Positions = Pick<SequenceBatch, 'segments' | 'size' | 'length'>;

/** What embedding needs of its model. All borrowed. */
export interface SequenceEmbedding {
  readonly config: ResolvedEncoderShape;
  readonly parameters: ParameterSource;
  /** A fixed tensor that the encoder keeps, as `EmbeddingContext.constant` of @polygate/modalities. */
  constant(key: string, make: () => tf.Tensor): tf.Tensor;
  readonly adapted: AdapterForward;
  /** Whether the prefix token comes first; it doesn't in positions that go on from others. */
  readonly prefix: boolean;
}

/** The modality whose token the prefix is. @returns undefined where none has one */
export const prefixModality = ({
  modalities,
}: Pick<ResolvedEncoderShape, 'modalities'>): string | undefined =>
  Object.keys(modalities).find((name) => modalityNamed(name).hasPrefix);

/** Name of the prefix's vector where it is no token of a modality. */
export const PREFIX_PARAMETER = 'embedding.prefix';

/** Segments by modality, those of the prefix first. */
const groupsOf = (
  segments: readonly Segment[],
  prefix: string | undefined,
): ReadonlyMap<string, readonly Segment[]> => {
  const groups = new Map<string, Segment[]>(prefix === undefined ? [] : [[prefix, []]]);
  for (const segment of segments) {
    const group = groups.get(segment.modality);
    if (group) group.push(segment);
    else groups.set(segment.modality, [segment]);
  }
  return groups;
};

/** The parts of what a modality embedded: the prefix where it is among them, then each segment. */
const split = (joined: tf.Tensor3D, lengths: readonly number[]): readonly tf.Tensor3D[] =>
  lengths.length === 1 ? [joined] : (tf.split(joined, [...lengths], 1) as tf.Tensor3D[]);

const embedTokens = (
  { segments, size }: Positions,
  { config, parameters, constant, prefix: prefixed }: Omit<SequenceEmbedding, 'adapted'>,
): tf.Tensor3D => {
  const owner = prefixed ? prefixModality(config) : undefined;
  const groups = groupsOf(segments, owner);
  const parts = new Map<Segment | 'prefix', tf.Tensor3D>();
  for (const [name, group] of groups) {
    const prefix = name === owner;
    const joined = modalityNamed(name).embed(group, {
      settings: config.modalities[name] ?? {},
      width: config.width,
      size,
      prefix,
      parameter: (parameter) => parameters.get(parameter),
      constant,
    });
    // Segments of one modality alone lie as they were embedded.
    if (groups.size === 1 && (prefix || !prefixed)) return joined;
    const lengths = group.map(({ length }) => length);
    const [...pieces] = split(joined, prefix ? [1, ...lengths] : lengths);
    const first = prefix ? pieces.shift() : undefined;
    if (first) parts.set('prefix', first);
    group.forEach((segment, i) => parts.set(segment, pieces[i] as tf.Tensor3D));
  }
  const behind = segments.map((segment) => parts.get(segment) as tf.Tensor3D);
  if (!prefixed) return tf.concat(behind, 1);
  const prefix =
    parts.get('prefix') ??
    (tf.tile(tf.reshape(parameters.get(PREFIX_PARAMETER), [1, 1, config.width]), [
      size,
      1,
      1,
    ]) as tf.Tensor3D);
  return tf.concat([prefix, ...behind], 1);
};

/** Embedded tokens with what an adapter changes of them. */
const adaptedTokens = (
  batch: Positions,
  { adapted: { prefixBias, embedded }, ...context }: SequenceEmbedding,
): tf.Tensor3D => {
  const tokens = embedTokens(batch, context);
  const biased = prefixBias
    ? (tf.add(tokens, tf.mul(prefixTokens(batch, context.config, context.prefix), prefixBias)) as tf.Tensor3D)
    : tokens;
  return embedded?.(biased) ?? biased;
};

/** Embeds checked segments: [B, T, D] float32, the prefix at position 0 where there is one. Call it inside a tidy. */
export const embedSequence = (batch: Positions, context: SequenceEmbedding): tf.Tensor3D =>
  layerNorm(
    adaptedTokens(batch, context),
    vectorOf(context.parameters, 'embedding.norm.weight'),
    vectorOf(context.parameters, 'embedding.norm.bias'),
  );
