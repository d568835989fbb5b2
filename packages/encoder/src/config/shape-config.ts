/** The sizes, embeddings and regularisation of an encoder: all of its configuration but experts. Plain JSON. */
import { ConfigError, excerpt } from '@polygate/core';
import { checkFields, type FieldType } from './config-fields.ts';
import { ENCODER_LIMITS } from './limits.ts';

/** An encoder without experts. Lengths are in tokens, widths in channels. */
export interface EncoderShape {
  /** Number of blocks. */
  readonly layers: number;
  /** Channels D of a token; a multiple of 4 (sin-cos positions) and of `heads`. */
  readonly width: number;
  readonly heads: number;
  /** Channels of the feed-forward part between its linears. */
  readonly hidden: number;
  /** Tokens of the text vocabulary, specials included. */
  readonly vocabularySize: number;
  /** Id of `<|spe|>`, the token in front of every sequence. @default vocabularySize - 2, as @polygate/tokens lays it out */
  readonly prefixToken?: number;
  /** Side of a square patch in pixels and its channels. */
  readonly patch: { readonly size: number; readonly channels: number };
  /** Longest text, in positions. @default 512 */
  readonly maxPositions?: number;
  /** Most frames of a video. @default 8 */
  readonly maxFrames?: number;
  /**
   * Factor on the grid coordinates of patches; 160 / 224 carries an encoder trained at 160 pixels over to 224.
   * @default 1
   */
  readonly gridScale?: number;
  /** Start value of the per-channel factors on both branches. @default 1e-3 */
  readonly layerScale?: number;
  /** Probability, in [0, 1), that a sample skips a branch in training; the same in all blocks. @default 0 */
  readonly dropPath?: number;
  /** Names of the learned temperatures. @default the five task families of the paper */
  readonly temperatures?: readonly string[];
}

/** A checked shape with nothing left open. */
export type ResolvedEncoderShape = Required<EncoderShape>;

/** Temperatures that pre-training uses, one for each family of tasks. */
export const TEMPERATURES: readonly string[] = Object.freeze([
  'image-classification',
  'video-classification',
  'masked-language-modelling',
  'image-captioning',
  'image-text-retrieval',
]);

/** Characters of a text in an error. */
const MAX_SHOWN = 120;

/** @throws ConfigError naming the field, what it expects and what it got */
export const check = (
  ok: boolean,
  field: string,
  rest: readonly [expectation: string, got: unknown],
): void => {
  const [expectation, got] = rest;
  if (ok) return;
  // Texts are words of ours or names; they need no quotes.
  const shown = typeof got === 'string' ? got.slice(0, MAX_SHOWN) : excerpt(got);
  throw new ConfigError(`encoder: expected ${field} ${expectation}, got ${shown}`, {
    fields: { field, got },
  });
};

export const checkWhole = (
  field: string,
  value: number,
  { least = 1, most }: { readonly least?: number; readonly most: number },
): void =>
  check(Number.isInteger(value) && value >= least && value <= most, field, [
    `to be a whole number of ${least} to ${most}`,
    value,
  ]);

const shapeFields = {
  layers: 'number',
  width: 'number',
  heads: 'number',
  hidden: 'number',
  vocabularySize: 'number',
  prefixToken: 'number',
  patch: 'object',
  maxPositions: 'number',
  maxFrames: 'number',
  gridScale: 'number',
  layerScale: 'number',
  dropPath: 'number',
  temperatures: 'texts',
} satisfies Record<keyof EncoderShape, FieldType>;

/**
 * Fills in the defaults and checks the whole. Fields that are no part of a shape pass through.
 * @throws ConfigError naming the field, what it expects and what it got
 */
export const resolveEncoderShape = (shape: EncoderShape): ResolvedEncoderShape => {
  checkFields(shape, '', shapeFields);
  checkFields(shape.patch, 'patch', { size: 'number', channels: 'number' });
  const resolved = {
    prefixToken: shape.vocabularySize - 2,
    maxPositions: 512,
    maxFrames: 8,
    gridScale: 1,
    layerScale: 1e-3,
    dropPath: 0,
    temperatures: TEMPERATURES,
    ...shape,
  };
  const { width, heads, patch, prefixToken, vocabularySize, dropPath, temperatures } = resolved;
  const most = ENCODER_LIMITS;
  checkWhole('layers', resolved.layers, { most: most.layers });
  checkWhole('width', width, { most: most.width });
  check(width % 4 === 0, 'width', ['to be a multiple of 4, for the sin-cos positions', width]);
  checkWhole('heads', heads, { most: most.heads });
  check(width % heads === 0, 'heads', [`to divide width (${width})`, heads]);
  checkWhole('hidden', resolved.hidden, { most: most.hidden });
  checkWhole('vocabularySize', vocabularySize, { least: 2, most: most.vocabularySize });
  checkWhole('prefixToken', prefixToken, { least: 0, most: most.vocabularySize });
  check(prefixToken < vocabularySize, 'prefixToken', [
    `to be below vocabularySize (${vocabularySize})`,
    prefixToken,
  ]);
  checkWhole('patch.size', patch.size, { most: most.patchSize });
  checkWhole('patch.channels', patch.channels, { most: most.channels });
  checkWhole('maxPositions', resolved.maxPositions, { most: most.maxPositions });
  checkWhole('maxFrames', resolved.maxFrames, { most: most.maxFrames });
  const { gridScale } = resolved;
  check(gridScale > 0 && gridScale < Infinity, 'gridScale', ['to be above 0', gridScale]);
  check(Number.isFinite(resolved.layerScale), 'layerScale', ['to be a finite number', resolved.layerScale]);
  check(dropPath >= 0 && dropPath < 1, 'dropPath', ['to be in [0, 1)', dropPath]);
  check(new Set(temperatures).size === temperatures.length, 'temperatures', [
    'to have unique names',
    temperatures.join(', '),
  ]);
  return Object.freeze(resolved);
};
