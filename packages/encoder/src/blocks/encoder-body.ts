/**
 * What every encoder does with its parameters, however its linears are computed: embed, run the blocks, project,
 * temperatures. Knows of no experts.
 *
 * B batch · T = 1 + tokens · N hidden states · P prompts · D width
 */
import { ConfigError, rowRandoms, ShapeError, StateError, unknownName, type Random } from '@polygate/core';
import type { SequenceBatch } from '@polygate/modalities';
import type { ParameterSet } from '@polygate/nn';
import { hostTensor, l2Normalize, layerNorm, linear } from '@polygate/tensor';
import * as tf from '@tensorflow/tfjs';
import { adaptedParameters, type AdapterForward, type EncoderAdapter } from '../adapters/adapter.ts';
import { matrixOf, vectorOf, type BlockLinears } from './block-linears.ts';
import { runBlock, type BlockContext } from './block.ts';
import { continuedAttention, startAttention } from '../continuation/caching-attention.ts';
import type { SequenceContinuation } from '../continuation/continuation.ts';
import type { KeyValueCache } from '../continuation/key-value-cache.ts';
import { embedSequence } from '../sequence/embedding.ts';
import { attentionMask } from '../sequence/sequence-tensors.ts';
import type { ResolvedEncoderShape } from '../config/shape-config.ts';

/** Largest factor on similarities. */
const MAXIMAL_TEMPERATURE = 100;

/** What may differ between forwards. */
export interface RunOptions {
  /** Whether drop path is on. @default false */
  readonly training?: boolean;
  /** Needed in training where drop path draws; advanced by it. */
  readonly random?: Random;
  /** Probability of dropping a branch of a sample in training. @default as configured */
  readonly dropPath?: number | undefined;
  /** What stands in for parameters of the encoder, and changes its forward. @default nothing */
  readonly adapter?: EncoderAdapter | undefined;
  /**
   * Gets the keys and values of all positions and prompts, so that `extend` goes on from them; empty before. Outside
   * training.
   * @default none are kept
   */
  readonly cache?: KeyValueCache;
}

/** How hidden states are projected. */
export interface ProjectOptions {
  /** What stands in for parameters of the head. @default nothing */
  readonly adapter?: EncoderAdapter | undefined;
  /** Whether rows are brought to unit length. @default true */
  readonly unit?: boolean;
}

/** A forward that was prepared. */
type BodyForward = (linears: BlockLinears, adapted: AdapterForward) => tf.Tensor3D;

/** What differs between forwards of whole sequences and of those that go on from a cache. */
interface BodyRun
  extends Pick<BlockContext, 'linears' | 'mask' | 'keep' | 'attend'>, Pick<RunOptions, 'adapter'> {
  readonly adapted: AdapterForward;
  /** Whether the prefix token comes first. */
  readonly prefix: boolean;
}

/** Draws the drop-path multipliers of one branch: 0 with the configured probability p, else 1 / (1 - p). */
const dropPathOf = (
  dropPath: number,
  batch: number,
  { training = false, random }: RunOptions,
): (() => tf.Tensor1D | undefined) => {
  if (!training || dropPath === 0) return () => undefined;
  if (!random) {
    throw new ConfigError(
      'encode: expected a random stream for drop path in training, got none; pass random',
    );
  }
  const scale = 1 / (1 - dropPath);
  const streams = rowRandoms(random, batch, 'drop path');
  const draw = (): Float32Array =>
    Float32Array.from(streams, (stream) => (stream.next() < dropPath ? 0 : scale));
  return () => hostTensor<tf.Rank.R1>(draw, [batch]);
};

/** Shape, parameters and fixed tables of an encoder. Owns the parameters: `dispose` frees all. */
export class EncoderBody implements Disposable {
  readonly config: ResolvedEncoderShape;
  readonly parameters: ParameterSet;
  /** Fixed tensors that modalities embed with. */
  readonly #constants = new Map<string, tf.Tensor>();
  #disposed = false;

  constructor(config: ResolvedEncoderShape, parameters: ParameterSet) {
    this.config = config;
    this.parameters = parameters;
  }

  /** @throws StateError after `dispose` */
  requireLive(): void {
    if (this.#disposed) {
      throw new StateError('encoder: expected a live encoder, got one that was disposed; create it anew');
    }
  }

  /**
   * Prepares a forward of a batch that was laid out: checks what may be missing, draws nothing yet.
   * @returns a function to be called inside a tidy; its hidden states are [B, T, D] float32, position 0 the prefix
   * @throws ConfigError when drop path lacks a random stream
   */
  forward(batch: SequenceBatch, options: RunOptions): BodyForward {
    const { cache, training = false, adapter } = options;
    if (cache) {
      if (training) {
        throw new ConfigError(
          'encode: expected no key-value cache in training, got one; weights change there',
        );
      }
      cache.require('empty');
    }
    const keep = dropPathOf(options.dropPath ?? this.config.dropPath, batch.size, options);
    return (linears, adapted) => {
      const mask = attentionMask(batch);
      const run = { linears, adapted, adapter, mask, keep, prefix: true };
      if (!cache) return this.#run(batch, run);
      const { size, length, segments, keyPadding } = batch;
      const padding = keyPadding && attentionMask({ size, length, segments, keyPadding });
      const { attend, store } = startAttention(cache, padding);
      const hidden = this.#run(batch, { ...run, attend });
      store();
      return hidden;
    };
  }

  /**
   * Prepares a forward of positions that go on from a cache, checked and laid out before. Deep prompts are in the cache.
   * @returns as {@link forward}, [B, L, D] of the new positions
   */
  extend(
    batch: SequenceContinuation,
    cache: KeyValueCache,
    { adapter }: Pick<RunOptions, 'adapter'>,
  ): BodyForward {
    return (linears, { prompts: _, ...adapted }) => {
      const { attend, store } = continuedAttention(cache, batch);
      const keep = (): undefined => undefined;
      const hidden = this.#run(batch, { linears, adapted, adapter, attend, keep, prefix: false });
      store();
      return hidden;
    };
  }

  /** As `Encoder.project`. */
  project(hidden: tf.Tensor2D, { adapter, unit = true }: ProjectOptions = {}): tf.Tensor2D {
    this.requireLive();
    const { config } = this;
    const parameters = adaptedParameters(this.parameters, adapter);
    if (hidden.rank !== 2 || hidden.shape[1] !== config.width) {
      throw new ShapeError(
        `project: expected hidden states of shape [count, ${config.width}], got [${hidden.shape.join(', ')}]; gather the compared positions first`,
        { fields: { got: hidden.shape, width: config.width } },
      );
    }
    return tf.tidy(() => {
      const normed = layerNorm(
        hidden,
        vectorOf(parameters, 'head.norm.weight'),
        vectorOf(parameters, 'head.norm.bias'),
      );
      const projected = linear(
        normed,
        matrixOf(parameters, 'head.linear.weight'),
        vectorOf(parameters, 'head.linear.bias'),
      );
      return (unit ? l2Normalize(projected) : projected) as tf.Tensor2D;
    });
  }

  /** As `Encoder.temperature`. */
  temperature(name: string): tf.Scalar {
    this.requireLive();
    const { temperatures } = this.config;
    if (!temperatures.includes(name)) throw unknownName('temperature', name, temperatures);
    return tf.tidy(() =>
      tf.minimum(tf.exp(this.parameters.get(`temperature.${name}`)), MAXIMAL_TEMPERATURE),
    ) as tf.Scalar;
  }

  /** @returns whether there was something to free */
  dispose(): boolean {
    if (this.#disposed) return false;
    this.#disposed = true;
    for (const constant of this.#constants.values()) constant.dispose();
    this.#constants.clear();
    this.parameters.dispose();
    return true;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #run(
    batch: Pick<SequenceBatch, 'size' | 'segments' | 'length'>,
    { prefix, adapted, adapter, ...forward }: BodyRun,
  ): tf.Tensor3D {
    const { config } = this;
    const { layers, heads, splitAttention } = config;
    const parameters = adaptedParameters(this.parameters, adapter);
    const constant = (key: string, make: () => tf.Tensor): tf.Tensor => this.#constant(key, make);
    const context = { parameters, heads, splitAttention, ...forward };
    let x = embedSequence(batch, { config, parameters, constant, adapted, prefix });
    for (let block = 0; block < layers; block += 1) {
      x = runBlock(x, { block, prompts: adapted.prompts?.(block) }, context);
    }
    return x;
  }

  #constant(key: string, make: () => tf.Tensor): tf.Tensor {
    const present = this.#constants.get(key);
    if (present) return present;
    const made = tf.keep(make());
    this.#constants.set(key, made);
    return made;
  }
}
