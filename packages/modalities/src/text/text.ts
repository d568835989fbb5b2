/**
 * Text: token ids. A token is its vector in a table, plus a learned position and a vector that all text shares. The prefix
 * token of sequences is one of the vocabulary, without the two.
 *
 * B batch · L tokens of a segment · D width
 */
import { ShapeError } from '@polygate/core';
import { embedding, hostTensor } from '@polygate/tensor';
import * as tf from '@tensorflow/tfjs';
import { MODALITY_LIMITS } from '../limits.ts';
import type { CheckContext, EmbeddingContext, Modality } from '../modality.ts';
import { tableSpec } from '../parameter-specs.ts';
import { check, checkFields, checkKeys, checkWhole } from '../setting-checks.ts';
import { gridCoordinates } from '../raw-tokens.ts';
import { refuseSegment } from '../segment-checks.ts';
import type { StoredInput } from '@polygate/stream';
import type { InputContext } from '../input-context.ts';
import { readText, type TextInput } from './text-rows.ts';
import type { TextSegment } from './text-segment.ts';

/** Text in an encoder. */
export interface TextSettings {
  /** Tokens of the vocabulary, specials included. */
  readonly vocabularySize: number;
  /** Id of `<|spe|>`, the token in front of every sequence. @default vocabularySize - 2, as @polygate/tokens lays it out */
  readonly prefixToken?: number;
  /** Longest text, in positions. @default 512 */
  readonly maxPositions?: number;
}

/** What error texts call the settings. */
const PLACE = 'modalities.text';

/** Settings with nothing left open. */
export type ResolvedTextSettings = Required<TextSettings>;

type Resolved = ResolvedTextSettings;

const resolve = (given: unknown): Resolved => {
  const fields = { vocabularySize: 'number', prefixToken: 'number', maxPositions: 'number' } as const;
  checkFields(given, PLACE, fields);
  const settings = given as TextSettings;
  checkKeys(settings, PLACE, Object.keys(fields));
  const resolved = { prefixToken: settings.vocabularySize - 2, maxPositions: 512, ...settings };
  const { vocabularySize, prefixToken, maxPositions } = resolved;
  checkWhole(`${PLACE}.vocabularySize`, vocabularySize, { least: 2, most: MODALITY_LIMITS.vocabularySize });
  checkWhole(`${PLACE}.prefixToken`, prefixToken, { least: 0, most: MODALITY_LIMITS.vocabularySize });
  check(prefixToken < vocabularySize, `${PLACE}.prefixToken`, [
    `to be below vocabularySize (${vocabularySize})`,
    prefixToken,
  ]);
  checkWhole(`${PLACE}.maxPositions`, maxPositions, { most: MODALITY_LIMITS.maxPositions });
  return Object.freeze(resolved);
};

/** Refuses ids of another vocabulary while they are on the host: an engine may only find out on the device. */
const checkIds = ({ arrays: { ids }, length }: TextSegment, vocabularySize: number): void => {
  const at = ids.findIndex((id) => !(id >= 0 && id < vocabularySize));
  if (at < 0) return;
  const [row, token] = [Math.floor(at / length), at % length];
  throw new ShapeError(
    `tokens: expected ids in [0, ${vocabularySize}), got ${ids[at]} at token ${token} of sequence ${row}; were they made with the tokenizer of this model?`,
    { fields: { vocabularySize, id: ids[at], row, token } },
  );
};

const checkSegment = (segment: TextSegment, { settings, size, label }: CheckContext<Resolved>): void => {
  const {
    arrays: { ids },
    layout: { positions },
    length,
  } = segment;
  if (!(ids instanceof Int32Array) || ids.length !== size * length) {
    refuseSegment(
      label,
      `${size} x ${length} ids, an Int32Array`,
      `${ids?.length} of ${ids?.constructor.name}`,
    );
  }
  if (positions && (!(positions instanceof Int32Array) || positions.length !== length)) {
    refuseSegment(
      label,
      `${length} positions, an Int32Array`,
      `${positions.length} of ${positions.constructor.name}`,
    );
  }
  const { maxPositions, vocabularySize } = settings;
  if (!positions && length > maxPositions) {
    refuseSegment(
      label,
      `at most ${maxPositions} tokens`,
      `${length}; cut the text or raise maxPositions before training`,
    );
  }
  checkIds(segment, vocabularySize);
};

/** [L] positions of a segment. */
const positionsOf = ({ layout: { positions }, length }: TextSegment): tf.Tensor1D =>
  positions ? hostTensor<tf.Rank.R1>(() => positions, [length], 'int32') : tf.range(0, length, 1, 'int32');

/** One look-up serves the prefix and all segments, because the gradient of each is as large as the whole table. */
const embed = (segments: readonly TextSegment[], context: EmbeddingContext<Resolved>): tf.Tensor3D => {
  const { settings, width, size, prefix, parameter } = context;
  const tokens = segments.map(({ arrays: { ids }, length }) =>
    hostTensor<tf.Rank.R2>(() => ids, [size, length], 'int32'),
  );
  if (prefix) tokens.unshift(tf.fill([size, 1], settings.prefixToken, 'int32') as tf.Tensor2D);
  const [only] = tokens;
  const ids = only && tokens.length === 1 ? only : tf.concat(tokens, 1);
  const vectors = embedding(parameter('embedding.word') as tf.Tensor2D, ids) as tf.Tensor3D;
  if (segments.length === 0) return vectors;
  const positions = embedding(
    parameter('embedding.position') as tf.Tensor2D,
    tf.concat(segments.map(positionsOf)),
  );
  const offsets = positions.add(parameter('embedding.type')) as tf.Tensor2D;
  return vectors.add(prefix ? tf.concat([tf.fill([1, width], 0), offsets]) : offsets);
};

/** Text by token ids. */
export const text: Modality<Resolved, TextInput, TextSegment> = Object.freeze({
  name: 'text',
  summary: 'token ids, with learned positions',
  attribute: 'text',
  hasPrefix: true,
  prefixTokens: ({ arrays: { ids } }, { prefixToken }) =>
    Uint8Array.from(ids, (id) => Number(id === prefixToken)),

  columns: ({ column = 'tokens' }: TextInput) => ({ [column]: { list: 'int32' as const } }),
  read: readText,
  tokens: ({ maximumTokens }: TextInput) => maximumTokens,
  values: ({ maximumTokens }: TextInput) => maximumTokens,
  synthetic: (random, { column = 'tokens', maximumTokens, endToken, vocabularySize }, rows) => ({
    [column]: Array.from({ length: rows }, () => [
      ...Array.from({ length: 1 + random.integer(Math.max(1, maximumTokens - 1)) }, () =>
        random.integer(vocabularySize),
      ).slice(0, maximumTokens - 1),
      endToken,
    ]),
  }),

  input: (_: StoredInput, { name, text: longest }: InputContext): TextInput => ({ ...longest, column: name }),
  rawShape: ({ vocabularySize }: TextInput) => ({ width: 1, axes: 1, vocabulary: vocabularySize }),
  rawTokens: ({ arrays: { ids }, length, layout: { positions } }: TextSegment) => ({
    values: ids,
    width: 1,
    axes: 1,
    coordinates: positions ? Float32Array.from(positions) : gridCoordinates([length]),
  }),

  resolve,
  topLevel: ['vocabularySize', 'prefixToken', 'maxPositions'],
  parameters: ({ vocabularySize, maxPositions }: Resolved, width: number) => [
    tableSpec('embedding.word', vocabularySize, width),
    tableSpec('embedding.position', maxPositions, width),
    tableSpec('embedding.type', 1, width),
  ],
  partOf: (parameter: string) => (parameter === 'embedding.word' ? 'vocabulary' : 'text embedding'),
  transfer: {
    same: ['vocabularySize', 'prefixToken'],
    tables: { 'embedding.position': 'text positions' },
  },
  check: checkSegment,
  embed,
} satisfies Modality<Resolved, TextInput, TextSegment>);
