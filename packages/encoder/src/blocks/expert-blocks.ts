/**
 * Blocks over given vectors, with or without experts: what an encoder is between its embedding and its head, for models
 * that embed and pool in their own way. Pre-norm, x = x + attention(norm1(x)), x = x + ffn(norm2(x)); queries, keys and
 * values have a linear each.
 *
 * B batch · T positions · D width
 */
import type { ParameterSet, ParameterSpec } from '@polygate/nn';
import * as tf from '@tensorflow/tfjs';
import type { ResolvedExperts } from '../config/expert-config.ts';
import { auxiliaryScalars, lossesOf } from '../experts/auxiliary-losses.ts';
import { ExpertLayers } from '../experts/expert-layers.ts';
import { describeGroupRouters, expertPath } from '../experts/group-routers.ts';
import { groupAt } from '../experts/sites.ts';
import type { EncodeOptions } from '../models/encoder.ts';
import type { SequenceLayout } from '../sequence/layout.ts';
import { attentionMask } from '../sequence/sequence-tensors.ts';
import { denseLinears, groupedLinears, pathOf, type BlockLinears } from './block-linears.ts';
import { blockSpecs, type BlockShape } from './body-description.ts';
import { runBlock } from './block.ts';
import { rowWeightsOf } from './row-weights.ts';

/** Sizes of the blocks, and where experts are. */
export interface ExpertBlocksConfig extends BlockShape {
  readonly layers: number;
  readonly heads: number;
  readonly moe?: ResolvedExperts;
}

/** What may differ between forwards, as of an encoder. */
export type BlocksOptions = Pick<
  EncodeOptions,
  'training' | 'random' | 'noise' | 'merged' | 'routing' | 'topK' | 'rowWeights' | 'whole'
>;

/** Vectors of a batch. */
export interface BlocksInput {
  /** [B, T, D] float32, borrowed. */
  readonly x: tf.Tensor3D;
  /** What is said of the T positions. */
  readonly segments: SequenceLayout['segments'];
  /** [B * T], 1 = nothing may attend to it, and no expert sees it. @default none */
  readonly keyPadding?: Uint8Array | undefined;
}

/** The parameters of the blocks: `blocks.N.*` and `routers.*`. */
export const describeExpertBlocks = (config: ExpertBlocksConfig): readonly ParameterSpec[] => {
  const copies: Parameters<typeof blockSpecs>[2]['copies'] = (ref) => {
    const group = groupAt(config.moe, ref);
    return group && Array.from({ length: group.experts }, (_, e) => expertPath(ref, e));
  };
  return [
    ...Array.from({ length: config.layers }, (_, block) => blockSpecs(config, block, { copies })).flat(),
    ...(config.moe ? describeGroupRouters({ moe: config.moe, width: config.width }) : []),
  ];
};

/** Blocks on parameters that belong to somebody else. */
export class ExpertBlocks {
  readonly #config: ExpertBlocksConfig;
  readonly #parameters: ParameterSet;
  readonly #dense: BlockLinears;
  readonly #experts: ExpertLayers;

  constructor(config: ExpertBlocksConfig, parameters: ParameterSet) {
    this.#config = config;
    this.#parameters = parameters;
    this.#dense = denseLinears(parameters);
    const { moe, width } = config;
    this.#experts = new ExpertLayers({ width, ...(moe ? { moe } : {}) }, parameters);
  }

  /** Runs all blocks, [B, T, D]. The result belongs to the caller or the enclosing tidy. */
  run({ x, segments, keyPadding }: BlocksInput, options: BlocksOptions = {}): tf.Tensor3D {
    const { layers, heads, splitAttention } = this.#config;
    const [size, length] = x.shape;
    const input = { size, segments: [], length, ...(keyPadding ? { keyPadding } : {}) };
    const layout = { batch: size, length, segments };
    const { routing, rowWeights, training = false } = options;
    if (training) this.clear();
    let names: readonly string[] = [];
    const [hidden, ...scalars] = tf.tidy((): [tf.Tensor3D, ...tf.Scalar[]] => {
      const { groups, byToken, report } = this.#experts.forward({ input, layout, options, adapted: {} });
      const linears = groupedLinears(this.#dense, (ref) => this.#experts.groupAt(pathOf(ref)), {
        groups,
        rowWeights: rowWeightsOf(layout, rowWeights),
      });
      const context = {
        parameters: this.#parameters,
        heads,
        linears,
        splitAttention,
        layerScale: this.#config.layerScale !== undefined,
        mask: attentionMask(input),
        keep: () => undefined,
      };
      let states = x;
      for (let block = 0; block < layers; block += 1) states = runBlock(states, { block }, context);
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

  /** Frees what evaluation merged of the parameters; to be called when they have changed. */
  clear(): void {
    this.#experts.clear();
  }
}
