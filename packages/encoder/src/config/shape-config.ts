/** The sizes, embeddings and regularisation of an encoder: all of its configuration but experts. Plain JSON. */
import {
  check,
  checkFields,
  checkWhole,
  modalityNamed,
  type FieldType,
  type TextSettings,
  type VisualSettings,
} from '@polygate/modalities';
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
  /**
   * Whether queries, keys and values have a linear each in place of one that is fused, so that they may have experts of
   * their own. @default false
   */
  readonly splitAttention?: boolean;
  /** Names of the learned temperatures. @default the five task families of the paper */
  readonly temperatures?: readonly string[];
}

/** A checked shape with nothing left open. */
export interface ResolvedEncoderShape extends Required<EncoderShape> {
  /** Settings of each modality that the encoder embeds, with nothing left open, in the order of the names. */
  readonly modalities: Readonly<Record<string, object>>;
}

/** Temperatures that pre-training uses, one for each family of tasks. */
export const TEMPERATURES: readonly string[] = Object.freeze([
  'image-classification',
  'video-classification',
  'masked-language-modelling',
  'image-captioning',
  'image-text-retrieval',
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
  splitAttention: 'boolean',
  temperatures: 'texts',
} satisfies Record<keyof EncoderShape, FieldType>;

/**
 * Fills in the defaults and checks the whole. Fields that are no part of a shape pass through.
 * @throws ConfigError naming the field, what it expects and what it got
 */
export const resolveEncoderShape = (shape: EncoderShape): ResolvedEncoderShape => {
  checkFields(shape, '', shapeFields);
  const visual = modalityNamed('visual').resolve({
    patch: shape.patch,
    ...(shape.maxFrames === undefined ? {} : { maxFrames: shape.maxFrames }),
    ...(shape.gridScale === undefined ? {} : { gridScale: shape.gridScale }),
  }) as Required<VisualSettings>;
  const text = modalityNamed('text').resolve({
    vocabularySize: shape.vocabularySize,
    ...(shape.prefixToken === undefined ? {} : { prefixToken: shape.prefixToken }),
    ...(shape.maxPositions === undefined ? {} : { maxPositions: shape.maxPositions }),
  }) as Required<TextSettings>;
  const resolved = {
    layerScale: 1e-3,
    dropPath: 0,
    splitAttention: false,
    temperatures: TEMPERATURES,
    ...shape,
    ...visual,
    ...text,
    modalities: Object.freeze({ visual, text }),
  };
  const { width, heads, dropPath, temperatures } = resolved;
  const most = ENCODER_LIMITS;
  checkWhole('layers', resolved.layers, { most: most.layers });
  checkWhole('width', width, { most: most.width });
  check(width % 4 === 0, 'width', ['to be a multiple of 4, for the sin-cos positions', width]);
  checkWhole('heads', heads, { most: most.heads });
  check(width % heads === 0, 'heads', [`to divide width (${width})`, heads]);
  checkWhole('hidden', resolved.hidden, { most: most.hidden });
  check(Number.isFinite(resolved.layerScale), 'layerScale', ['to be a finite number', resolved.layerScale]);
  check(dropPath >= 0 && dropPath < 1, 'dropPath', ['to be in [0, 1)', dropPath]);
  check(new Set(temperatures).size === temperatures.length, 'temperatures', [
    'to have unique names',
    temperatures.join(', '),
  ]);
  return Object.freeze(resolved);
};
