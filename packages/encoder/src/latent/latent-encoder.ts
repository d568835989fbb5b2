/**
 * The encoder of SM^4 (PMLR 280, section 3 and appendix A): every modality becomes the same number of latents, blocks of
 * sparse mixtures of experts over the latents of all modalities of a sample follow, and each modality is pooled to one
 * vector.
 *
 * A sample may lack a modality: all its tokens are padding then. Its latents are hidden from the others and from the
 * routers, and its vector is zero.
 *
 * B batch · N latents of a modality · M modalities of a task · T = M N · C width
 */
import type { AttributeRow } from '@polygate/attributes';
import { StateError } from '@polygate/core';
import type { ParameterSet, ParameterSpec } from '@polygate/nn';
import * as tf from '@tensorflow/tfjs';
import { describeExpertBlocks, ExpertBlocks, type BlocksOptions } from '../blocks/expert-blocks.ts';
import type { SegmentKey } from '../sequence/layout.ts';
import {
  blockShapeOf,
  resolveLatentConfig,
  type LatentEncoderConfig,
  type ResolvedLatentConfig,
} from './latent-config.ts';
import { describeUnimodalEncoder, encodeModality, type ModalityTokens } from './unimodal-encoder.ts';

/** Tokens of one modality with what routers may look at beside them. */
export interface LatentInputs extends ModalityTokens {
  /** Attributes of its tokens. */
  readonly row: AttributeRow;
}

/** A forward. */
export interface LatentCall extends BlocksOptions {
  /** Name of the task that the samples serve. @default '' */
  readonly task?: string;
}

const blocksConfig = (config: ResolvedLatentConfig) => {
  const { layers, heads, moe } = config;
  return { ...blockShapeOf(config), layers, heads, ...(moe ? { moe } : {}) };
};

/**
 * All parameters, in a fixed order; nothing is allocated.
 * @throws ConfigError for a configuration that makes no encoder
 */
export const describeLatentEncoder = (config: LatentEncoderConfig): readonly ParameterSpec[] => {
  const resolved = resolveLatentConfig(config);
  return [...describeUnimodalEncoder(resolved), ...describeExpertBlocks(blocksConfig(resolved))];
};

/** [B], 1 where a sample lacks the modality; undefined where none does. */
const missingRows = ({ tokens, padding }: ModalityTokens): Uint8Array | undefined => {
  if (!padding) return undefined;
  const [batch, length] = tokens.shape;
  const missing = Uint8Array.from({ length: batch }, (_, row) =>
    Number(padding.subarray(row * length, (row + 1) * length).every((flag) => flag === 1)),
  );
  return missing.includes(1) ? missing : undefined;
};

/** The encoder on parameters that it shares with the rest of a model, which frees them. */
export class LatentEncoder {
  readonly config: ResolvedLatentConfig;
  readonly #parameters: ParameterSet;
  readonly #blocks: ExpertBlocks;

  /** @param parameters a set that has those of {@link describeLatentEncoder}; borrowed */
  constructor(config: LatentEncoderConfig, parameters: ParameterSet) {
    this.config = resolveLatentConfig(config);
    this.#parameters = parameters;
    this.#blocks = new ExpertBlocks(blocksConfig(this.config), parameters);
  }

  /**
   * Vectors of the modalities of a batch, [B, C] each, in their order; zero in samples that lack one. Call it inside a tidy,
   * which frees all that is made on the way.
   * @throws ShapeError for tokens that do not fit; StateError for a batch without a modality
   */
  encode(
    inputs: readonly LatentInputs[],
    { task = '', ...options }: LatentCall = {},
  ): readonly tf.Tensor2D[] {
    const { config } = this;
    const { join, latents } = config;
    if (inputs.length === 0) {
      throw new StateError(
        'encode: expected tokens of one modality or more, got none; leave such samples out',
      );
    }
    const keys = inputs.map(({ modality, row }): SegmentKey => ({ modality, task, attributes: row }));
    const missing = inputs.map(missingRows);
    const encoded = inputs.map((input, at) =>
      encodeModality(input, {
        config,
        parameters: this.#parameters,
        rate: options.rowWeights?.(keys[at] as SegmentKey),
      }),
    );
    const parts = join === 'sequence' ? [encoded.map((_, at) => at)] : encoded.map((_, at) => [at]);
    const hidden = parts.flatMap((indices, at) => {
      const states = this.#blocks.run(
        {
          x: tf.concat(
            indices.map((index) => encoded[index] as tf.Tensor3D),
            1,
          ),
          segments: indices.map((index) => ({ key: keys[index] as SegmentKey, length: latents })),
          keyPadding: paddingOf(
            indices.map((index) => missing[index]),
            encoded[0]?.shape[0] ?? 0,
            latents,
          ),
        },
        {
          ...options,
          ...(parts.length > 1 ? ofModality(options, at) : {}),
        },
      );
      return indices.length === 1 ? [states] : (tf.split(states, indices.length, 1) as tf.Tensor3D[]);
    });
    return hidden.map((states, at) => this.#pooled(states, missing[at]));
  }

  /** Frees what evaluation keeps of the parameters. Call it when they have changed. */
  clear(): void {
    this.#blocks.clear();
  }

  #pooled(states: tf.Tensor3D, missing: Uint8Array | undefined): tf.Tensor2D {
    const { pooling, latents, width } = this.config;
    const pooled =
      pooling === 'mean'
        ? (tf.mean(states, 1) as tf.Tensor2D)
        : tf.reshape(tf.slice(states, [0, latents - 1, 0], [-1, 1, -1]), [-1, width]);
    if (!missing) return pooled as tf.Tensor2D;
    const present = tf.tensor2d(
      Float32Array.from(missing, (flag) => 1 - flag),
      [missing.length, 1],
    );
    return tf.mul(pooled, present);
  }
}

/** What the blocks of one modality alone draw from and tell other processes. */
const ofModality = ({ random, whole }: BlocksOptions, at: number): BlocksOptions => ({
  ...(random ? { random: random.fork(`part ${at}`) } : {}),
  ...(whole ? { whole: { ...whole, sum: (name, part) => whole.sum(`part ${at}/${name}`, part) } } : {}),
});

/** Flags of the latents that no sample's other latents may see, [B * M N]; undefined where all are there. */
const paddingOf = (
  missing: readonly (Uint8Array | undefined)[],
  batch: number,
  latents: number,
): Uint8Array | undefined => {
  if (missing.every((rows) => rows === undefined)) return undefined;
  const length = missing.length * latents;
  const padding = new Uint8Array(batch * length);
  missing.forEach((rows, at) =>
    rows?.forEach((flag, row) =>
      padding.fill(flag, row * length + at * latents, row * length + (at + 1) * latents),
    ),
  );
  return padding;
};
