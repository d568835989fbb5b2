/**
 * The Uni-Perceiver: one encoder for inputs and targets of every task (Uni-Perceiver-MoE, section 3), with dense or
 * conditional linears. A sequence gets the prefix token `<|spe|>` in front; what tasks compare are hidden states,
 * projected to unit length and scaled by a learned temperature.
 *
 * B batch · T = 1 + tokens · N hidden states · D width
 */
import type { Random } from '@polygate/core';
import type { SequenceBatch } from '@polygate/modalities';
import { allocateParameters, type ParameterSet } from '@polygate/nn';
import {
  routeRows,
  unstackRouters,
  type GateDecision,
  type RouterStack,
  type RoutingKey,
  type TokenRouterStack,
} from '@polygate/routers';
import * as tf from '@tensorflow/tfjs';
import { auxiliaryScalars, lossesOf, type LossScalars } from '../experts/auxiliary-losses.ts';
import { denseLinears, type BlockLinears } from '../blocks/block-linears.ts';
import { resolveEncoderConfig, type EncoderConfig, type ResolvedEncoderConfig } from '../config/config.ts';
import { decidedLinears } from '../experts/decided-linears.ts';
import { describeEncoder, routerStack } from './description.ts';
import { dispatchedLinears, type DispatchedLinears } from '../experts/dispatched-linears.ts';
import { EncoderBody } from '../blocks/encoder-body.ts';
import type { Encoder, EncodeOptions } from './encoder.ts';
import type { ResolvedExperts } from '../config/expert-config.ts';
import { expertTable, type ExpertTable } from '../experts/expert-table.ts';
import { MergedCache, mergeRows, type MergedWeights, type MergeSource } from '../merged/merged-cache.ts';
import { mergedLinears } from '../merged/merged-linears.ts';
import { gateSites, type GateSite } from '../experts/placement.ts';
import { countDecided, countDispatched } from '../routing/routing-counts.ts';
import {
  drawSegments,
  layOut,
  taskMissing,
  type LayoutOptions,
  type SegmentKey,
  type SequenceLayout,
} from '../sequence/layout.ts';
import { contextTokens, visibleTokens } from '../sequence/sequence-tensors.ts';

/** What one router decides, as host values. */
export interface RoutingReport extends GateSite, Omit<GateDecision, 'gates'> {}

const isTokenStack = (stack: RouterStack<RoutingKey> | TokenRouterStack): stack is TokenRouterStack =>
  !stack.condition.dataIndependent;

/** The encoder with its parameters. Owns them and the merged weights: `dispose` frees all. */
export class UniPerceiver implements Encoder {
  readonly config: ResolvedEncoderConfig;
  readonly parameters: ParameterSet;
  /** Whether routers look at the name of the task: then every sequence must name one. */
  readonly routesByTask: boolean;
  readonly #body: EncoderBody;
  /** Routers that decide for rows. */
  readonly #stack: RouterStack<RoutingKey> | undefined;
  /** Routers that decide for tokens. */
  readonly #tokenStack: TokenRouterStack | undefined;
  readonly #sites: readonly GateSite[];
  readonly #table: ExpertTable;
  readonly #dense: BlockLinears;
  readonly #merged: MergedCache | undefined;

  /** Takes over `parameters`, those of {@link describeEncoder}. Most callers want {@link createUniPerceiver}. */
  constructor(config: EncoderConfig, parameters: ParameterSet) {
    this.config = resolveEncoderConfig(config);
    this.parameters = parameters;
    this.#body = new EncoderBody(this.config, parameters);
    const stack = routerStack(this.config);
    if (stack && isTokenStack(stack)) this.#tokenStack = stack;
    else this.#stack = stack;
    this.routesByTask = this.#stack !== undefined && this.#stack.condition.reads.includes('task');
    this.#sites = gateSites(this.config);
    this.#table = expertTable(this.config, parameters);
    this.#dense = denseLinears(parameters);
    if (this.#stack) this.#merged = new MergedCache(this.#source(this.#stack));
  }

  /** As {@link Encoder.encode}. */
  encode(batch: SequenceBatch, options: EncodeOptions = {}): tf.Tensor3D {
    this.#body.requireLive();
    const { training = false, random } = options;
    const input = training && random ? drawSegments(batch, this.config, random) : batch;
    const layout = layOut(input, this.config, this.#layoutOptions(input));
    const forward = this.#body.forward(input, options);
    // Training is about to change the weights: what was merged from the old ones must not outlive them.
    if (training) this.clearMergedCache();
    const stack = this.#tokenStack;
    if (!stack) return tf.tidy(() => forward(this.#linears(layout, input, options)));
    const { routing } = options;
    const [hidden, ...losses] = tf.tidy((): [tf.Tensor3D, ...Partial<LossScalars>] => {
      const linears = this.#dispatched(stack, input, options);
      const states = forward(linears);
      if (!routing) return [states];
      const { decisions } = linears;
      if (routing.telemetry) routing.reports.push(...countDispatched(this.#sites, decisions, layout));
      return [states, ...auxiliaryScalars(decisions.values(), this.config.moe as ResolvedExperts)];
    });
    if (routing) routing.losses.push(lossesOf(losses as LossScalars));
    return hidden;
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
  serves({ task }: SegmentKey): boolean {
    return !this.routesByTask || (this.config.moe?.tasks.includes(task) ?? false);
  }

  /**
   * What every router decides for rows, without noise. Empty for a dense encoder and where routers look at tokens.
   * @returns one report per router, each over the rows in their order
   * @throws ConfigError or ShapeError for a row that isn't one of the condition's
   */
  routing(rows: readonly RoutingKey[]): readonly RoutingReport[] {
    this.#body.requireLive();
    const stack = this.#stack;
    if (!stack) return [];
    const reports: RoutingReport[] = [];
    tf.tidy(() => {
      for (const [index, decision] of routeRows(stack, rows, { parameters: this.parameters }).entries()) {
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

  /**
   * Merged weights of every conditional linear for each of `rows`, for export. Empty for a dense encoder and where
   * routers look at tokens.
   * @returns one map by path of the linear per row; the caller disposes of the weights
   * @throws ConfigError or ShapeError for a row that isn't one of the condition's
   */
  mergedWeights(rows: readonly RoutingKey[]): readonly MergedWeights[] {
    this.#body.requireLive();
    return this.#stack ? mergeRows(this.#source(this.#stack), rows) : [];
  }

  /** Rows whose merged weights are held. */
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
    if (this.#body.dispose()) this.#merged?.clear();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #source(stack: RouterStack<RoutingKey>): MergeSource {
    return { stack, sites: this.#sites, table: this.#table, parameters: this.parameters };
  }

  #layoutOptions(input: SequenceBatch): LayoutOptions {
    const condition = this.#stack?.condition;
    if (!condition) return {};
    if (this.routesByTask && input.task === undefined) {
      throw taskMissing(condition.name, this.config.moe?.tasks ?? []);
    }
    return { keyOf: condition.keyOf };
  }

  #linears(layout: SequenceLayout, input: SequenceBatch, options: EncodeOptions): BlockLinears {
    const { training = false, merged = !training, random, routing } = options;
    const { rows, spans } = layout;
    const dense = this.#dense;
    if (!this.#stack || !this.#merged) return dense;
    if (merged && !training) return mergedLinears({ dense, spans, of: this.#merged.lookUp(rows) });
    const decisions = routeRows(this.#stack, rows, { parameters: this.parameters, training, random });
    if (routing?.telemetry) {
      const { keyPadding } = input;
      routing.reports.push(...countDecided(this.#sites, decisions, { layout, keyPadding }));
    }
    return decidedLinears({ dense, table: this.#table, decisions, spans });
  }

  #dispatched(stack: TokenRouterStack, input: SequenceBatch, options: EncodeOptions): DispatchedLinears {
    const { training = false, random } = options;
    return dispatchedLinears({
      dense: this.#dense,
      table: this.#table,
      stack,
      parameters: unstackRouters(stack, this.parameters),
      experts: this.config.moe as ResolvedExperts,
      training,
      random,
      visible: visibleTokens(input),
      context: contextTokens(input),
    });
  }
}

/**
 * Allocates an encoder on the current engine, its start values drawn from `random` by parameter name.
 * @throws ConfigError for a configuration that makes no encoder
 */
export const createUniPerceiver = (config: EncoderConfig, random: Random): UniPerceiver =>
  new UniPerceiver(config, allocateParameters(describeEncoder(config), random));
