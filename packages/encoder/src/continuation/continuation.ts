/**
 * Positions that follow sequences whose keys and values are kept: what an encoder reads in place of a whole sequence, when
 * all that stands before was computed already.
 *
 * B sequences · L new positions · H positions of the start · P later ones that were kept
 */
import { ShapeError } from '@polygate/core';
import { modalityNamed, type Segment } from '@polygate/modalities';
import * as tf from '@tensorflow/tfjs';
import type { ResolvedEncoderShape } from '../config/shape-config.ts';
import { settingsOf, type SequenceLayout } from '../sequence/layout.ts';
import { HIDDEN } from '../sequence/sequence-tensors.ts';
import type { KeyValueCache } from './key-value-cache.ts';

/** Sequences of new positions. There is no prefix token: the start has it. */
export interface SequenceContinuation {
  /** B, as many as the cache has */
  readonly size: number;
  /** As of the start. */
  readonly task?: string;
  /** At least one. */
  readonly segments: readonly Segment[];
  /** L */
  readonly length: number;
  /**
   * [B * L * (P + L)], 1 = the new position (row) may attend to the kept or new one (column). All see the start, but for its
   * padding.
   */
  readonly visibility: Uint8Array;
  /** How many of the new positions, from the first, later ones may attend to; no others may. */
  readonly keep: number;
}

const refuse = (expected: string, got: string): never => {
  throw new ShapeError(`extend: expected ${expected}, got ${got}`);
};

/** Checks a continuation against encoder and cache and lays it out. @throws ShapeError; ConfigError for an unknown modality */
export const layOutContinuation = (
  batch: SequenceContinuation,
  cache: KeyValueCache,
  config: ResolvedEncoderShape,
): SequenceLayout => {
  const { size, length, visibility, keep } = batch;
  if (size !== cache.size) refuse(`${cache.size} sequences, as the cache has`, `${size}`);
  if (batch.segments.length === 0) refuse('at least one segment', 'none');
  const segments = batch.segments.map((segment, at) => {
    const { row: attributes, modality } = segment;
    const settings = settingsOf(segment, config);
    const label = `extend: expected segment ${at} (${modality})`;
    modalityNamed(modality).check(segment, { settings, size, label });
    return { key: { attributes, modality, task: batch.task ?? '' }, length: segment.length };
  });
  const all = segments.reduce((sum, segment) => sum + segment.length, 0);
  if (length !== all) refuse(`a length of ${all} (all segments; there is no prefix token)`, `${length}`);
  const columns = cache.kept + length;
  if (visibility.length !== size * length * columns) {
    refuse(
      `visibility of ${size} x ${length} x ${columns} flags (new positions by kept and new ones)`,
      `${visibility.length}`,
    );
  }
  if (!(Number.isInteger(keep) && keep >= 0 && keep <= length)) {
    refuse(`keep to be a whole number of 0 to ${length}`, `${keep}`);
  }
  return { batch: size, length, segments };
};

/** [B, 1, L, P + L] additive; undefined where all see all. */
export const continuationMask = (
  { size, length, visibility }: SequenceContinuation,
  kept: number,
): tf.Tensor4D | undefined => {
  if (!visibility.includes(0)) return undefined;
  const values = new Float32Array(visibility.length);
  for (let i = 0; i < values.length; i += 1) if (visibility[i] === 0) values[i] = HIDDEN;
  return tf.tensor4d(values, [size, 1, length, kept + length]);
};
