/**
 * The Uni-Perceiver: one encoder for inputs and targets of every task (Uni-Perceiver-MoE, section 3), with dense or
 * conditional linears. A sequence gets the prefix token `<|spe|>` in front; what tasks compare are hidden states,
 * projected to unit length and scaled by a learned temperature.
 *
 * A forward: the sequence is laid out, each group of experts gets the linears of this forward (row-experts,
 * token-experts or merged weights of the cache), and the body embeds, runs the blocks on them and projects.
 *
 * B batch · T = 1 + tokens · N hidden states · D width
 */
import { ConfigError, type Random } from '@polygate/core';
import type { SequenceBatch } from '@polygate/modalities';
import { allocateParameters, type ParameterSet } from '@polygate/nn';
import type { RoutingKey } from '@polygate/routers';
import * as tf from '@tensorflow/tfjs';
import { adaptedLinears, beginAdapter, type AdapterForward } from '../adapters/adapter.ts';
import { denseLinears, groupedLinears, pathOf, type BlockLinears } from '../blocks/block-linears.ts';
import { rowWeightsOf } from '../blocks/row-weights.ts';
import { EncoderBody, type ProjectOptions } from '../blocks/encoder-body.ts';
import { resolveEncoderConfig, type EncoderConfig, type ResolvedEncoderConfig } from '../config/config.ts';
import { auxiliaryScalars, lossesOf } from '../experts/auxiliary-losses.ts';
import { ExpertLayers } from '../experts/expert-layers.ts';
import {
  drawSegments,
  layOut,
  taskMissing,
  type SegmentKey,
  type SequenceLayout,
} from '../sequence/layout.ts';
import { describeEncoder } from './description.ts';
import { layOutContinuation, type SequenceContinuation } from '../continuation/continuation.ts';
import type { KeyValueCache } from '../continuation/key-value-cache.ts';
import type { Encoder, EncodeOptions, ExtendOptions, MergedWeights, RoutingReport } from './encoder.ts';

/** The encoder with its parameters. Owns them and the merged weights: `dispose` frees all. */
export class UniPerceiver implements Encoder {
  readonly config: ResolvedEncoderConfig;
  readonly parameters: ParameterSet;
  /** Whether routers look at the name of the task: then every sequence must name one. */
  readonly routesByTask: boolean;
  readonly #body: EncoderBody;
  readonly #dense: BlockLinears;
  readonly #experts: ExpertLayers;

  /** Takes over `parameters`, those of {@link describeEncoder}. Most callers want {@link createUniPerceiver}. */
  constructor(config: EncoderConfig, parameters: ParameterSet) {
    this.config = resolveEncoderConfig(config);
    this.parameters = parameters;
    this.#body = new EncoderBody(this.config, parameters);
    this.#dense = denseLinears(parameters);
    this.#experts = new ExpertLayers(this.config, parameters);
    this.routesByTask = this.#experts.taskCondition !== undefined;
  }

  /** As {@link Encoder.encode}. */
  encode(batch: SequenceBatch, options: EncodeOptions = {}): tf.Tensor3D {
    this.#body.requireLive();
    const { training = false, random } = options;
    const input = training && random ? drawSegments(batch, this.config, random) : batch;
    this.#requireTask(input);
    const refusal = this.refusesContinuation;
    if (options.cache && refusal !== undefined) throw new ConfigError(`encode: ${refusal}`);
    const layout = layOut(input, this.config);
    const forward = this.#body.forward(input, options);
    // Training is about to change the weights, unless it is an adapter's: what was merged from the old ones must not outlive them.
    if (training && !options.adapter) this.clearMergedCache();
    return this.#run(forward, { input, layout, options });
  }

  /** As {@link Encoder.extend}. */
  extend(batch: SequenceContinuation, cache: KeyValueCache, options: ExtendOptions = {}): tf.Tensor3D {
    this.#body.requireLive();
    cache.require('filled');
    this.#requireTask(batch);
    const layout = layOutContinuation(batch, cache, this.config);
    const { size, segments, length } = batch;
    const input = { size, segments, length };
    return this.#run(this.#body.extend(batch, cache, options), { input, layout, options });
  }

  /** As {@link Encoder.refusesContinuation}. */
  get refusesContinuation(): string | undefined {
    return this.#experts.refusesContinuation;
  }

  /** As {@link Encoder.project}. */
  project(hidden: tf.Tensor2D, options?: ProjectOptions): tf.Tensor2D {
    return this.#body.project(hidden, options);
  }

  /** As {@link Encoder.temperature}. */
  temperature(name: string): tf.Scalar {
    return this.#body.temperature(name);
  }

  /** As {@link Encoder.serves}. */
  serves({ task }: SegmentKey): boolean {
    return !this.routesByTask || (this.config.moe?.tasks.includes(task) ?? false);
  }

  /** As {@link Encoder.routing}; empty for a dense encoder. */
  routing(rows: readonly RoutingKey[]): readonly RoutingReport[] {
    this.#body.requireLive();
    return this.#experts.routing(rows);
  }

  /** As {@link Encoder.mergedWeights}. */
  mergedWeights(group: string, rows: readonly RoutingKey[]): readonly MergedWeights[] {
    this.#body.requireLive();
    return this.#experts.mergedWeights(group, rows);
  }

  /** Rows whose merged weights are held, over all groups of experts. */
  get mergedRows(): number {
    return this.#experts.mergedRows;
  }

  /**
   * Drops the merged weights of evaluation. Call it after every change of the parameters that no training forward
   * followed, such as loading a file; a forward in training calls it itself.
   */
  clearMergedCache(): void {
    this.#experts.clear();
  }

  dispose(): void {
    if (this.#body.dispose()) this.#experts.clear();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #requireTask({ task }: Pick<SequenceBatch, 'task'>): void {
    const { taskCondition } = this.#experts;
    if (taskCondition && task === undefined) {
      throw taskMissing(taskCondition, this.config.moe?.tasks ?? []);
    }
  }

  #run(
    forward: (linears: BlockLinears, adapted: AdapterForward) => tf.Tensor3D,
    call: {
      readonly input: SequenceBatch;
      readonly layout: SequenceLayout;
      readonly options: EncodeOptions;
    },
  ): tf.Tensor3D {
    const { routing, rowWeights } = call.options;
    let names: readonly string[] = [];
    const [hidden, ...scalars] = tf.tidy((): [tf.Tensor3D, ...tf.Scalar[]] => {
      const adapted = beginAdapter(call.input, call.options);
      const { groups, byToken, report } = this.#experts.forward({ ...call, adapted });
      const linears = groupedLinears(this.#dense, (ref) => this.#experts.groupAt(pathOf(ref)), {
        groups,
        rowWeights: rowWeightsOf(call.layout, rowWeights),
      });
      const states = forward(adaptedLinears(linears, adapted), adapted);
      if (!routing) return [states];
      if (routing.telemetry) routing.reports.push(...report());
      if (byToken.length === 0) return [states];
      const losses = auxiliaryScalars(byToken);
      names = losses.names;
      return [states, ...losses.scalars];
    });
    if (routing && scalars.length > 0) routing.losses.push(lossesOf({ names, scalars }));
    return hidden;
  }
}

/**
 * Allocates an encoder on the current engine, its start values drawn from `random` by parameter name.
 * @throws ConfigError for a configuration that makes no encoder
 */
export const createUniPerceiver = (config: EncoderConfig, random: Random): UniPerceiver =>
  new UniPerceiver(config, allocateParameters(describeEncoder(config), random));
