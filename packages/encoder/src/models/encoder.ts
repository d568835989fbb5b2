/**
 * What callers may expect of an encoder, whether its experts are trained ({@link UniPerceiver}) or were merged for good
 * (`MergedEncoder` of `@polygate/encoder/merged`).
 *
 * B batch · T = 1 + tokens · N hidden states · D width
 */
import type { Random } from '@polygate/core';
import type { SequenceBatch } from '@polygate/modalities';
import type { ParameterSet } from '@polygate/nn';
import type { GateDecision, RoutingKey, WholeBatch } from '@polygate/routers';
import type { LinearExpert } from '@polygate/tensor';
import type * as tf from '@tensorflow/tfjs';
import type { RowWeightRule } from '../blocks/row-weights.ts';
import type { AdapterOptions } from '../adapters/adapter.ts';
import type { ProjectOptions, RunOptions } from '../blocks/encoder-body.ts';
import type { SequenceContinuation } from '../continuation/continuation.ts';
import type { KeyValueCache } from '../continuation/key-value-cache.ts';
import type { TopKRule } from '../experts/expert-group.ts';
import type { GateSite } from '../experts/sites.ts';
import type { RoutingTrace } from '../routing/trace.ts';
import type { SegmentKey } from '../sequence/layout.ts';
import type { ResolvedEncoderShape } from '../config/shape-config.ts';

/** Settings of one forward. */
export interface EncodeOptions extends RunOptions, AdapterOptions {
  /** Gate noise and drop path are on; merged weights that evaluation cached are dropped. @default false */
  readonly training?: boolean;
  /** Needed in training where noise or drop path draw; advanced by it. Give each forward a stream or position of its own. */
  readonly random?: Random;
  /**
   * Whether conditional linears use cached merged weights, which no gradient passes to experts and routers. Off, the
   * experts of this forward are merged on the tape. @default true outside training; training uses the cache only with an
   * adapter and without noise, as the experts then stay what they are
   */
  readonly merged?: boolean;
  /** Whether routers draw their noise in training. @default true */
  readonly noise?: boolean | undefined;
  /** Gets the auxiliary losses of routers that look at tokens, and reports where it wants them. @default none */
  readonly routing?: RoutingTrace;
  /**
   * How many experts the tokens of a segment choose in a group, where that changes while a model trains. Merged weights of
   * earlier numbers are kept until the cache is cleared. @default as configured
   */
  readonly topK?: TopKRule;
  /**
   * Weights of tokens in the gradients of the blocks' linears and experts, by what is said of their segments: a learning
   * pace for each modality. Gradients to what is before a linear, and to routers, do not change. @default all 1
   */
  readonly rowWeights?: RowWeightRule;
  /** What the sequences are a part of, where several processes compute a batch: for losses of routers. @default they are all */
  readonly whole?: WholeBatch | undefined;
}

/** Settings of a forward of positions that go on from a cache; deep prompts are in the cache. */
export type ExtendOptions = Pick<EncodeOptions, 'merged' | 'topK' | 'adapter' | 'side'>;

/** What one router decides, as host values. */
export interface RoutingReport extends GateSite, Omit<GateDecision, 'gates'> {}

/** Merged weights of one row by path of the linear. */
export type MergedWeights = ReadonlyMap<string, LinearExpert>;

/** An encoder with its parameters. */
export interface Encoder extends Disposable {
  readonly config: ResolvedEncoderShape;
  /** Owned by the encoder. */
  readonly parameters: ParameterSet;
  /** Whether the weights of a token may depend on the name of the task: then every sequence must name one. */
  readonly routesByTask: boolean;
  /**
   * Encodes a batch of sequences. In training, what its segments leave open is drawn first (the position of a clip in
   * time).
   * @returns hidden states [B, T, D] float32, position 0 the prefix; owned by the caller or the enclosing tidy
   * @throws ShapeError for a sequence that doesn't fit the encoder; ConfigError for one whose modality, row or task
   * it doesn't know, or when training lacks a random stream; StateError after `dispose`
   */
  encode(batch: SequenceBatch, options?: EncodeOptions): tf.Tensor3D;
  /**
   * Encodes positions that go on from sequences whose keys and values are kept, to the hidden states that they have in a
   * sequence with all before them. What it says to keep joins the cache.
   * @param cache filled by `encode` with the same weights, and the same adapter
   * @returns hidden states of the new positions [B, L, D] float32; owned by the caller or the enclosing tidy
   * @throws ShapeError for positions that don't fit the encoder or the cache; ConfigError as `encode`; StateError for an
   * empty cache
   */
  extend(batch: SequenceContinuation, cache: KeyValueCache, options?: ExtendOptions): tf.Tensor3D;
  /**
   * Why positions can't be encoded one after another: experts of a token that hang on other tokens. Undefined where they
   * can.
   */
  readonly refusesContinuation: string | undefined;
  /**
   * Projects hidden states to the space in which inputs and targets are compared: layer norm, linear, unit length.
   * @param hidden [N, D] float32, borrowed
   * @returns [N, D] float32, rows of length 1 unless the options say otherwise
   * @throws ShapeError when hidden states have another width
   */
  project(hidden: tf.Tensor2D, options?: ProjectOptions): tf.Tensor2D;
  /**
   * The factor on similarities of a family of tasks: min(exp(s), 100), learned.
   * @throws ConfigError listing the known names
   */
  temperature(name: string): tf.Scalar;
  /** Whether it has weights for a kind of segment: not for a task that it does not know, or a row that was not exported. */
  serves(key: SegmentKey): boolean;
  /**
   * What every router decides for rows, without noise; absent where nothing is routed. Routers that look at tokens
   * report nothing.
   * @returns one report per router, each over the rows in their order
   * @throws ConfigError or ShapeError for a row that isn't one of a condition's
   */
  routing?(rows: readonly RoutingKey[]): readonly RoutingReport[];
  /**
   * Merged weights of the linears of a group of experts for each of `rows`, for export; absent where there are none to
   * merge.
   * @param group its name
   * @returns one map by path of the linear per row; the caller disposes of the weights
   * @throws ConfigError for an unknown group or one whose routers look at tokens, or a row that isn't its condition's
   */
  mergedWeights?(group: string, rows: readonly RoutingKey[]): readonly MergedWeights[];
  /** Drops what evaluation cached of the parameters; to be called when they have changed without a forward in training. */
  clearMergedCache(): void;
  dispose(): void;
}
