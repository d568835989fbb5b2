/** What defines an encoder: sizes, embeddings, regularisation, and where experts are. Plain JSON. */
import { ConfigError, unknownName } from '@polygate/core';

/** Conditional experts of an encoder. */
export interface ExpertConfig {
  /** Experts per conditional linear layer. @default 8 */
  readonly experts?: number;
  /** Experts that a decision chooses. @default 2 */
  readonly topK?: number;
  /** What the routers look at. @default 'attribute' */
  readonly condition?: ConditionName;
  /** Every n-th block is conditional, counted from the first: blocks 0, n, 2n, ... @default 1 */
  readonly every?: number;
  /** Whether the fused query-key-value and the output projection are conditional. @default true */
  readonly attention?: boolean;
  /** Whether both linears of the feed-forward part are conditional. @default true */
  readonly ffn?: boolean;
  /** Whether the gates of the chosen experts are divided by their sum. @default true */
  readonly renormalize?: boolean;
  /** Standard deviation of the training noise on gate logits, in units of 1 / experts. @default 1 */
  readonly noise?: number;
  /**
   * Whether the attention output and the second feed-forward linear have gates of their own. By default they reuse the
   * decision of the layer before them. @default false
   */
  readonly separateGates?: boolean;
}

/** Conditions that an encoder can be built with. */
export type ConditionName = 'attribute';

/** An encoder. Lengths are in tokens, widths in channels. */
export interface EncoderConfig {
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
  /** Absent in a dense encoder. */
  readonly moe?: ExpertConfig;
}

/** A checked encoder configuration with nothing left open. */
export interface ResolvedEncoderConfig extends Required<Omit<EncoderConfig, 'moe'>> {
  readonly moe?: Required<ExpertConfig>;
}

/** Temperatures that pre-training uses, one for each family of tasks. */
export const TEMPERATURES: readonly string[] = Object.freeze([
  'image-classification',
  'video-classification',
  'masked-language-modelling',
  'image-captioning',
  'image-text-retrieval',
]);

const CONDITIONS: readonly ConditionName[] = ['attribute'];

const check = (ok: boolean, field: string, expectation: string, got: unknown): void => {
  if (ok) return;
  throw new ConfigError(`encoder: expected ${field} ${expectation}, got ${String(got)}`, {
    fields: { field, got },
  });
};

const checkWhole = (field: string, value: number, least = 1): void =>
  check(Number.isInteger(value) && value >= least, field, `to be a whole number of at least ${least}`, value);

const resolveExperts = (moe: ExpertConfig): Required<ExpertConfig> => {
  const resolved: Required<ExpertConfig> = {
    experts: 8,
    topK: 2,
    condition: 'attribute',
    every: 1,
    attention: true,
    ffn: true,
    renormalize: true,
    noise: 1,
    separateGates: false,
    ...moe,
  };
  const { experts, topK, condition, every, attention, ffn, noise } = resolved;
  checkWhole('moe.experts', experts);
  checkWhole('moe.topK', topK);
  check(topK <= experts, 'moe.topK', `to be at most moe.experts (${experts})`, topK);
  if (!CONDITIONS.includes(condition)) throw unknownName('condition', condition, CONDITIONS);
  checkWhole('moe.every', every);
  check(
    attention || ffn,
    'moe.attention or moe.ffn',
    'to be true (leave moe out for a dense encoder)',
    'neither',
  );
  check(noise >= 0 && noise < Infinity, 'moe.noise', 'to be at least 0', noise);
  return Object.freeze(resolved);
};

/**
 * Fills in the defaults and checks the whole.
 * @throws ConfigError naming the field, what it expects and what it got
 */
export const resolveEncoderConfig = (config: EncoderConfig): ResolvedEncoderConfig => {
  const { moe, ...rest } = config;
  const resolved = {
    prefixToken: config.vocabularySize - 2,
    maxPositions: 512,
    maxFrames: 8,
    gridScale: 1,
    layerScale: 1e-3,
    dropPath: 0,
    temperatures: TEMPERATURES,
    ...rest,
  };
  const { width, heads, patch, prefixToken, vocabularySize, dropPath, temperatures } = resolved;
  checkWhole('layers', resolved.layers);
  checkWhole('width', width);
  check(width % 4 === 0, 'width', 'to be a multiple of 4, for the sin-cos positions', width);
  checkWhole('heads', heads);
  check(width % heads === 0, 'heads', `to divide width (${width})`, heads);
  checkWhole('hidden', resolved.hidden);
  checkWhole('vocabularySize', vocabularySize, 2);
  checkWhole('prefixToken', prefixToken, 0);
  check(
    prefixToken < vocabularySize,
    'prefixToken',
    `to be below vocabularySize (${vocabularySize})`,
    prefixToken,
  );
  checkWhole('patch.size', patch.size);
  checkWhole('patch.channels', patch.channels);
  checkWhole('maxPositions', resolved.maxPositions);
  checkWhole('maxFrames', resolved.maxFrames);
  check(resolved.gridScale > 0, 'gridScale', 'to be above 0', resolved.gridScale);
  check(Number.isFinite(resolved.layerScale), 'layerScale', 'to be a finite number', resolved.layerScale);
  check(dropPath >= 0 && dropPath < 1, 'dropPath', 'to be in [0, 1)', dropPath);
  check(
    new Set(temperatures).size === temperatures.length,
    'temperatures',
    'to have unique names',
    temperatures.join(', '),
  );
  return Object.freeze({ ...resolved, ...(moe ? { moe: resolveExperts(moe) } : {}) });
};
