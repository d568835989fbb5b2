/**
 * An encoder whose experts were merged for good (Uni-Perceiver-MoE, section 3.3): one dense weight set for each row that
 * its tasks meet, no gates, no experts. Its modules import nothing of the mixture of experts.
 */
import { ConfigError } from '@polygate/core';
import type { SequenceBatch } from '@polygate/modalities';
import type { ParameterSet } from '@polygate/nn';
import type { LinearExpert } from '@polygate/tensor';
import * as tf from '@tensorflow/tfjs';
import { adaptedLinears, beginAdapter, type AdapterForward } from '../adapters/adapter.ts';
import {
  denseLinears,
  groupedLinears,
  pairOf,
  type BlockLinears,
  type LinearRef,
} from '../blocks/block-linears.ts';
import { EncoderBody, type ProjectOptions } from '../blocks/encoder-body.ts';
import { layOutContinuation, type SequenceContinuation } from '../continuation/continuation.ts';
import type { KeyValueCache } from '../continuation/key-value-cache.ts';
import type { Encoder, EncodeOptions, ExtendOptions } from '../models/encoder.ts';
import {
  mergedGroupAt,
  mergedPath,
  resolveMergedConfig,
  rowOf,
  rowText,
  type MergedEncoderConfig,
  type MergedGroup,
  type ResolvedMergedConfig,
} from './merged-config.ts';
import { mergedLinears } from './merged-linears.ts';
import { rowsOf } from '../sequence/rows.ts';
import {
  drawSegments,
  layOut,
  taskMissing,
  type SegmentKey,
  type SequenceLayout,
} from '../sequence/layout.ts';

/** The encoder with its parameters. Owns them: `dispose` frees all. */
export class MergedEncoder implements Encoder {
  readonly config: ResolvedMergedConfig;
  readonly parameters: ParameterSet;
  /** Whether rows are told apart by the name of the task: then every sequence must name one. */
  readonly routesByTask: boolean;
  readonly #body: EncoderBody;
  readonly #dense: BlockLinears;
  /** Set of each row by its text, group by group. */
  readonly #sets: readonly ReadonlyMap<string, number>[];

  /** Takes over `parameters`, those of `describeMergedEncoder`. */
  constructor(config: MergedEncoderConfig, parameters: ParameterSet) {
    this.config = resolveMergedConfig(config);
    this.parameters = parameters;
    const { groups } = this.config.merged;
    this.routesByTask = groups.some(({ by }) => by.includes('task'));
    this.#body = new EncoderBody(this.config, parameters);
    this.#dense = denseLinears(parameters);
    this.#sets = groups.map(({ by, rows }) => new Map(rows.map((row) => [rowText(row, by), row.set])));
  }

  /**
   * As {@link Encoder.encode}.
   * @throws ConfigError for a row that was not exported, naming those that were
   */
  encode(batch: SequenceBatch, options: EncodeOptions = {}): tf.Tensor3D {
    this.#body.requireLive();
    const { training = false, random } = options;
    const input = training && random ? drawSegments(batch, this.config, random) : batch;
    this.#requireTask(input);
    const layout = layOut(input, this.config);
    return this.#run(this.#body.forward(input, options), { input, layout, options });
  }

  /**
   * As {@link Encoder.extend}.
   * @throws ConfigError for a row that was not exported, naming those that were
   */
  extend(batch: SequenceContinuation, cache: KeyValueCache, options: ExtendOptions = {}): tf.Tensor3D {
    this.#body.requireLive();
    cache.require('filled');
    this.#requireTask(batch);
    const layout = layOutContinuation(batch, cache, this.config);
    const { size, segments, length } = batch;
    const input = { size, segments, length };
    return this.#run(this.#body.extend(batch, cache, options), { input, layout, options });
  }

  /** As {@link Encoder.refusesContinuation}: merged weights hang on no token. */
  readonly refusesContinuation = undefined;

  /** As {@link Encoder.project}. */
  project(hidden: tf.Tensor2D, options?: ProjectOptions): tf.Tensor2D {
    return this.#body.project(hidden, options);
  }

  /** As {@link Encoder.temperature}. */
  temperature(name: string): tf.Scalar {
    return this.#body.temperature(name);
  }

  /** As {@link Encoder.serves}. */
  serves(key: SegmentKey): boolean {
    const { groups } = this.config.merged;
    return groups.every(({ by }, index) => this.#sets[index]?.has(rowText(rowOf(key, by), by)) === true);
  }

  /** Nothing is cached: the weights are merged already. */
  clearMergedCache(): void {}

  dispose(): void {
    this.#body.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #requireTask({ task }: Pick<SequenceBatch, 'task'>): void {
    const byTask = this.config.merged.groups.find(({ by }) => by.includes('task'));
    if (byTask && task === undefined) {
      const { condition, rows } = byTask;
      throw taskMissing(condition, [...new Set(rows.map((row) => row.task ?? ''))]);
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
    const { merged } = this.config;
    const groups = merged.groups.map((_, index) => this.#linearsOf(index, call.layout));
    const linears = groupedLinears(this.#dense, (ref) => mergedGroupAt(merged, ref), { groups });
    return tf.tidy(() => {
      const adapted = beginAdapter(call.input, call.options);
      return forward(adaptedLinears(linears, adapted), adapted);
    });
  }

  #linearsOf(index: number, layout: SequenceLayout): BlockLinears {
    const { rows, spans } = rowsOf(layout, (key) => String(this.#setOf(index, key)));
    const sets = rows.map((key) => this.#setOf(index, key));
    const weightsOf = (ref: LinearRef): readonly LinearExpert[] =>
      sets.map((set) => pairOf(this.parameters, mergedPath(ref, set)));
    return mergedLinears({ spans, weightsOf });
  }

  #setOf(index: number, key: SegmentKey): number {
    const { by, rows } = this.config.merged.groups[index] as MergedGroup;
    const wanted = rowText(rowOf(key, by), by);
    const set = this.#sets[index]?.get(wanted);
    if (set !== undefined) return set;
    const present = rows.map((row) => `[${rowText(row, by)}]`).join(' ');
    throw new ConfigError(
      `encode: expected a row that this merged model was exported with: ${present}; got [${wanted}]; export the trained model again with the task that has it (polygate export --tasks)`,
      { code: 'row-missing', fields: { wanted, present: rows } },
    );
  }
}
