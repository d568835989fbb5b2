/**
 * How the segments of a sequence lie behind the prefix token.
 *
 * B batch · T = 1 + all segment lengths
 */
import type { AttributeRow } from '@polygate/attributes';
import { ConfigError, ownValue, ShapeError, unknownName, type Random } from '@polygate/core';
import { modalityNamed, type Segment, type SequenceBatch } from '@polygate/modalities';
import type { ResolvedEncoderShape } from '../config/shape-config.ts';

/** What is known of a segment before its tokens are embedded: what routers on rows look at. */
export interface SegmentKey {
  readonly attributes: AttributeRow;
  readonly modality: string;
  /** Empty where nobody named one. */
  readonly task: string;
}

/** Where everything is. */
export interface SequenceLayout {
  readonly batch: number;
  /** T */
  readonly length: number;
  /** Every segment with what is said of it; the prefix is counted with the first. */
  readonly segments: readonly { readonly key: SegmentKey; readonly length: number }[];
}

/** The error of a sequence that names no task though its weights depend on it. */
export const taskMissing = (condition: string, tasks: readonly string[]): ConfigError =>
  new ConfigError(
    `encode: expected the name of a task, which the condition "${condition}" routes by, got none; pass task, one of ${tasks.join(', ')}`,
    { fields: { condition, tasks } },
  );

const refuse = (expected: string, got: string): never => {
  throw new ShapeError(`encode: expected ${expected}, got ${got}`);
};

/** The settings of a segment's modality. @throws ConfigError listing the modalities that the encoder embeds */
export const settingsOf = ({ modality }: Segment, { modalities }: ResolvedEncoderShape): object => {
  const settings = ownValue(modalities, modality);
  if (!settings) throw unknownName('modality of the encoder', modality, Object.keys(modalities));
  return settings;
};

const checkFlags = (
  name: string,
  flags: Uint8Array | undefined,
  extents: readonly [number, number],
): void => {
  const [rows, columns] = extents;
  if (flags && flags.length !== rows * columns) {
    refuse(`${name} of ${rows} x ${columns} flags (position 0 is the prefix token)`, `${flags.length}`);
  }
};

/** A batch with what its segments leave open in training drawn, segment by segment. */
export const drawSegments = (
  batch: SequenceBatch,
  config: ResolvedEncoderShape,
  random: Random,
): SequenceBatch => ({
  ...batch,
  segments: batch.segments.map(
    (segment) =>
      modalityNamed(segment.modality).draw?.(segment, settingsOf(segment, config), random) ?? segment,
  ),
});

/**
 * Checks a batch of sequences against an encoder's configuration, as `encode` does; nothing is computed.
 * @throws ShapeError for what doesn't fit; ConfigError for a modality that the encoder does not embed
 */
export const checkSequences = (batch: SequenceBatch, config: ResolvedEncoderShape): void => {
  layOut(batch, config);
};

/**
 * Checks a batch of sequences against the encoder and lays it out.
 * @throws ShapeError for what doesn't fit; ConfigError for a modality that the encoder does not embed
 */
export const layOut = (batch: SequenceBatch, config: ResolvedEncoderShape): SequenceLayout => {
  const { size } = batch;
  if (batch.segments.length === 0) refuse('at least one segment', 'none; give text or patches');
  const segments: { key: SegmentKey; length: number }[] = [];
  let end = 1;
  for (const [at, segment] of batch.segments.entries()) {
    const { row: attributes, modality, length } = segment;
    const settings = settingsOf(segment, config);
    const label = `encode: expected segment ${at} (${modality})`;
    modalityNamed(modality).check(segment, { settings, size, label });
    const key = { attributes, modality, task: batch.task ?? '' };
    segments.push({ key, length: at === 0 ? 1 + length : length });
    end += length;
  }
  if (batch.length !== end) {
    refuse(`a length of ${end} (the prefix token and all segments)`, `${batch.length}`);
  }
  checkFlags('keyPadding', batch.keyPadding, [size, end]);
  checkFlags('visibility', batch.visibility, [end, end]);
  return { batch: size, length: end, segments };
};
