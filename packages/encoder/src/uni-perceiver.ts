/**
 * The Uni-Perceiver: one encoder for inputs and targets of every task (Uni-Perceiver-MoE, section 3), with dense or
 * attribute-routed conditional linears. A sequence gets the prefix token `<|spe|>` in front; what tasks compare are
 * hidden states, projected to unit length and scaled by a learned temperature.
 *
 * B batch · T = 1 + tokens · N hidden states · D width
 */
import type { AttributeRow } from '@polygate/attributes';
import { ConfigError, ShapeError, StateError, unknownName, type Random } from '@polygate/core';
import { allocateParameters, type ParameterSet } from '@polygate/nn';
import { decide, type GateDecision } from '@polygate/routers';
import { l2Normalize, layerNorm, linear } from '@polygate/tensor';
import * as tf from '@tensorflow/tfjs';
import { runBlock } from './block.ts';
import { blockWeights, type BlockWeights, type ConditionalWeights } from './block-weights.ts';
import { resolveEncoderConfig, type EncoderConfig, type ResolvedEncoderConfig } from './config.ts';
import { describeEncoder, routerStack } from './description.ts';
import { embedSequence } from './embedding.ts';
import { MergedCache } from './merged-cache.ts';
import { matrixOf, vectorOf } from './parameter-access.ts';
import { gateSites, type GateSite } from './placement.ts';
import { spatialPositions, type PatchGrid } from './positions.ts';
import { layOut, type SequenceInput } from './sequence.ts';

/** Largest factor on similarities. */
const MAXIMAL_TEMPERATURE = 100;

/** Settings of one forward. */
export interface EncodeOptions {
  /** Gate noise and drop path are on; merged weights that evaluation cached are dropped. @default false */
  readonly training?: boolean;
  /** Needed in training where noise or drop path draw; advanced by it. Give each forward a stream or position of its own. */
  readonly random?: Random;
  /**
   * Whether conditional linears use cached merged weights, which no gradient passes to experts and routers. Off, the
   * experts of this forward are merged on the tape. @default true outside training; training never uses the cache
   */
  readonly merged?: boolean;
  /** Deep prompts by block, [P, D] each; they join the keys and values of that block. @default none */
  readonly prompts?: readonly (tf.Tensor2D | undefined)[];
}

/** What one router decides, as host values. */
export interface RoutingReport extends GateSite, Omit<GateDecision, 'gates'> {}

/** The encoder with its parameters. Owns them and the merged weights: `dispose` frees all. */
export class UniPerceiver implements Disposable {
  readonly config: ResolvedEncoderConfig;
  readonly parameters: ParameterSet;
  readonly #stack: ReturnType<typeof routerStack>;
  readonly #sites: readonly GateSite[];
  readonly #linears: BlockWeights;
  readonly #merged: MergedCache | undefined;
  readonly #spatial = new Map<string, tf.Tensor2D>();
  #disposed = false;

  /** Takes over `parameters`, those of {@link describeEncoder}. Most callers want {@link createUniPerceiver}. */
  constructor(config: EncoderConfig, parameters: ParameterSet) {
    this.config = resolveEncoderConfig(config);
    this.parameters = parameters;
    this.#stack = routerStack(this.config);
    this.#sites = gateSites(this.config);
    this.#linears = blockWeights(this.config, parameters);
    if (this.#stack) {
      this.#merged = new MergedCache({
        stack: this.#stack,
        sites: this.#sites,
        weights: this.#linears,
        parameters,
      });
    }
  }

  /**
   * Encodes a batch of sequences.
   * @returns hidden states [B, T, D] float32, position 0 the prefix; owned by the caller or the enclosing tidy
   * @throws ShapeError for a sequence that doesn't fit the encoder; ConfigError when training lacks a random stream;
   * StateError after `dispose`
   */
  encode(input: SequenceInput, options: EncodeOptions = {}): tf.Tensor3D {
    this.#live();
    const { training = false, prompts } = options;
    const { layers, heads } = this.config;
    const layout = layOut(input, this.config);
    const keep = this.#dropPath(layout.batch, options);
    // Training is about to change the weights: what was merged from the old ones must not outlive them.
    if (training) this.clearMergedCache();
    return tf.tidy(() => {
      const weights = this.#weights(layout.rows, options);
      let x = embedSequence(input, layout, {
        config: this.config,
        parameters: this.parameters,
        spatial: (grid) => this.#positions(grid),
      });
      const context = {
        parameters: this.parameters,
        heads,
        linears: this.#linears,
        weights,
        spans: layout.spans,
        mask: input.mask,
        keep,
      };
      for (let block = 0; block < layers; block += 1) {
        x = runBlock(x, { block, prompts: prompts?.[block] }, context);
      }
      return x;
    });
  }

  /**
   * Projects hidden states to the space in which inputs and targets are compared: layer norm, linear, unit length.
   * @param hidden [N, D] float32, borrowed
   * @returns [N, D] float32, rows of length 1
   * @throws ShapeError when hidden states have another width
   */
  project(hidden: tf.Tensor2D): tf.Tensor2D {
    this.#live();
    if (hidden.rank !== 2 || hidden.shape[1] !== this.config.width) {
      throw new ShapeError(
        `project: expected hidden states of shape [count, ${this.config.width}], got [${hidden.shape.join(', ')}]; gather the compared positions first`,
        { fields: { got: hidden.shape, width: this.config.width } },
      );
    }
    const { parameters } = this;
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
      return l2Normalize(projected) as tf.Tensor2D;
    });
  }

  /**
   * The factor on similarities of a family of tasks: min(exp(s), 100), learned.
   * @throws ConfigError listing the known names
   */
  temperature(name: string): tf.Scalar {
    this.#live();
    const { temperatures } = this.config;
    if (!temperatures.includes(name)) throw unknownName('temperature', name, temperatures);
    return tf.tidy(() =>
      tf.minimum(tf.exp(this.parameters.get(`temperature.${name}`)), MAXIMAL_TEMPERATURE),
    ) as tf.Scalar;
  }

  /**
   * What every router decides for attribute rows, without noise. Empty for a dense encoder.
   * @returns one report per router, each over the rows in their order
   */
  routing(rows: readonly AttributeRow[]): readonly RoutingReport[] {
    this.#live();
    const stack = this.#stack;
    if (!stack) return [];
    const reports: RoutingReport[] = [];
    tf.tidy(() => {
      for (const [index, decision] of decide(stack, rows, { parameters: this.parameters }).entries()) {
        const { chosen, probabilities, values, experts } = decision;
        reports.push({
          ...(this.#sites[index] as GateSite),
          chosen,
          probabilities,
          values,
          experts,
        });
      }
    });
    return reports;
  }

  /** Attribute rows whose merged weights are held. */
  get mergedRows(): number {
    return this.#merged?.size ?? 0;
  }

  /**
   * Drops the merged weights of evaluation. Call it after every change of the parameters that no training forward
   * followed, such as loading a file; a forward in training calls it itself.
   */
  clearMergedCache(): void {
    this.#merged?.clear();
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#merged?.clear();
    for (const table of this.#spatial.values()) table.dispose();
    this.#spatial.clear();
    this.parameters.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #live(): void {
    if (this.#disposed) {
      throw new StateError('encoder: expected a live encoder, got one that was disposed; create it anew');
    }
  }

  #weights(rows: readonly AttributeRow[], options: EncodeOptions): ConditionalWeights {
    const { training = false, merged = !training, random } = options;
    if (!this.#stack || !this.#merged) return { kind: 'none' };
    if (merged && !training) return { kind: 'merged', of: this.#merged.lookUp(rows) };
    const decisions = decide(this.#stack, rows, { parameters: this.parameters, training, random });
    return { kind: 'decided', decisions };
  }

  /** Draws the drop-path multipliers of one branch: 0 with the configured probability p, else 1 / (1 - p). */
  #dropPath(batch: number, { training = false, random }: EncodeOptions): () => tf.Tensor1D | undefined {
    const { dropPath } = this.config;
    if (!training || dropPath === 0) return () => undefined;
    if (!random) {
      throw new ConfigError(
        'encode: expected a random stream for drop path in training, got none; pass random',
      );
    }
    const kept = 1 / (1 - dropPath);
    return () =>
      tf.tensor1d(Float32Array.from({ length: batch }, () => (random.next() < dropPath ? 0 : kept)));
  }

  /** Fixed positions of a grid, made once. */
  #positions(grid: PatchGrid): tf.Tensor2D {
    const key = `${grid.rows}x${grid.columns}`;
    const known = this.#spatial.get(key);
    if (known) return known;
    const { width, gridScale } = this.config;
    const values = spatialPositions(grid, width, gridScale);
    const table = tf.keep(tf.tensor2d(values, [grid.rows * grid.columns, width], 'float32'));
    this.#spatial.set(key, table);
    return table;
  }
}

/**
 * Allocates an encoder on the current engine, its start values drawn from `random` by parameter name.
 * @throws ConfigError for a configuration that makes no encoder
 */
export const createUniPerceiver = (config: EncoderConfig, random: Random): UniPerceiver =>
  new UniPerceiver(config, allocateParameters(describeEncoder(config), random));
