/**
 * An encoder whose experts were merged for good (Uni-Perceiver-MoE, section 3.3): one dense weight set for each row that
 * its tasks meet, no gates, no experts. Its modules import nothing of the mixture of experts.
 */
import { ConfigError } from '@polygate/core';
import type { SequenceBatch } from '@polygate/modalities';
import type { ParameterSet } from '@polygate/nn';
import type { LinearExpert } from '@polygate/tensor';
import * as tf from '@tensorflow/tfjs';
import { denseLinears, pairOf, type BlockLinears } from '../blocks/block-linears.ts';
import { EncoderBody } from '../blocks/encoder-body.ts';
import type { Encoder, EncodeOptions } from '../models/encoder.ts';
import {
  isMerged,
  mergedPath,
  resolveMergedConfig,
  rowOf,
  rowText,
  type MergedEncoderConfig,
  type ResolvedMergedConfig,
} from './merged-config.ts';
import { mergedLinears } from './merged-linears.ts';
import { drawSegments, layOut, taskMissing, type SegmentKey } from '../sequence/layout.ts';

/** The encoder with its parameters. Owns them: `dispose` frees all. */
export class MergedEncoder implements Encoder {
  readonly config: ResolvedMergedConfig;
  readonly parameters: ParameterSet;
  /** Whether rows are told apart by the name of the task: then every sequence must name one. */
  readonly routesByTask: boolean;
  readonly #body: EncoderBody;
  readonly #dense: BlockLinears;
  /** Set of each row, by its text. */
  readonly #sets: ReadonlyMap<string, number>;

  /** Takes over `parameters`, those of `describeMergedEncoder`. */
  constructor(config: MergedEncoderConfig, parameters: ParameterSet) {
    this.config = resolveMergedConfig(config);
    this.parameters = parameters;
    const { by, rows } = this.config.merged;
    this.routesByTask = by.includes('task');
    this.#body = new EncoderBody(this.config, parameters);
    this.#dense = denseLinears(parameters);
    this.#sets = new Map(rows.map((row) => [rowText(row, by), row.set]));
  }

  /**
   * As {@link Encoder.encode}.
   * @throws ConfigError for a row that was not exported, naming those that were
   */
  encode(batch: SequenceBatch, options: EncodeOptions = {}): tf.Tensor3D {
    this.#body.requireLive();
    const { training = false, random } = options;
    const input = training && random ? drawSegments(batch, this.config, random) : batch;
    if (this.routesByTask && input.task === undefined) {
      const { condition, rows } = this.config.merged;
      throw taskMissing(condition, [...new Set(rows.map(({ task = '' }) => task))]);
    }
    const layout = layOut(input, this.config, { keyOf: (key) => String(this.#setOf(key)) });
    const forward = this.#body.forward(input, options);
    const sets = layout.rows.map((key) => this.#setOf(key));
    const of = (place: Parameters<BlockLinears['apply']>[1]): readonly LinearExpert[] | undefined =>
      isMerged(this.config, place)
        ? sets.map((set) => pairOf(this.parameters, mergedPath(place, set)))
        : undefined;
    return tf.tidy(() => forward(mergedLinears({ dense: this.#dense, spans: layout.spans, of })));
  }

  /** As {@link Encoder.project}. */
  project(hidden: tf.Tensor2D): tf.Tensor2D {
    return this.#body.project(hidden);
  }

  /** As {@link Encoder.temperature}. */
  temperature(name: string): tf.Scalar {
    return this.#body.temperature(name);
  }

  /** As {@link Encoder.serves}. */
  serves(key: SegmentKey): boolean {
    const { by } = this.config.merged;
    return this.#sets.has(rowText(rowOf(key, by), by));
  }

  /** Nothing is cached: the weights are merged already. */
  clearMergedCache(): void {}

  dispose(): void {
    this.#body.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #setOf(key: SegmentKey): number {
    const { by, rows } = this.config.merged;
    const wanted = rowText(rowOf(key, by), by);
    const set = this.#sets.get(wanted);
    if (set !== undefined) return set;
    const present = rows.map((row) => `[${rowText(row, by)}]`).join(' ');
    throw new ConfigError(
      `encode: expected a row that this merged model was exported with: ${present}; got [${wanted}]; export the trained model again with the task that has it (polygate export --tasks)`,
      { code: 'row-missing', fields: { wanted, present: rows } },
    );
  }
}
