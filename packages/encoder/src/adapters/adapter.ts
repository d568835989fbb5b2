/**
 * What a tuned model adds to an encoder whose own weights stay as they are. One interface for all methods: prompts and the
 * bias of the prefix token (P-Tuning v2 as Uni-Perceiver-MoE uses it, section 6.1), products that are added to linears
 * (LoRA), and parameters that stand in for the encoder's own (norms). Without an adapter nothing of this runs.
 *
 * An adapter works on every encoder alike, since it knows a linear by block and name, whatever computes it: dense weights,
 * experts, cached merged weights, or those of an exported model.
 *
 * LoRA hangs in by {@link AdapterForward.linear}: for each `ref` that it has a pair of matrices of, it returns
 * `s B (A x)` of the linear's own input, with dropout drawn per sample by `rowRandoms(random, size, purpose)` of the
 * context that it began with. What it returns is added before the activation, behind the merged experts of the row. A pair
 * for each expert goes into the expert's weight in place of that, by {@link AdapterForward.expert}.
 *
 * B batch · T = 1 + tokens · P prompts · D width · I inputs · O outputs
 */
import type { Random } from '@polygate/core';
import type { SequenceBatch } from '@polygate/modalities';
import { gelu, type LinearExpert } from '@polygate/tensor';
import * as tf from '@tensorflow/tfjs';
import type { BlockLinears, LinearRef, ParameterSource } from '../blocks/block-linears.ts';

/** What a sequence is to its task: what is asked about, or a candidate for the answer. */
export type SequenceSide = 'inputs' | 'targets';

/** What an adapter knows of the forward that it changes. All borrowed. */
export interface AdapterContext {
  /** Of positions that go on from a cache these alone, without a prefix. */
  readonly batch: SequenceBatch;
  readonly side: SequenceSide;
  readonly training: boolean;
  /** A stream of the adapter's own; undefined outside training. */
  readonly random: Random | undefined;
}

/** How an adapter changes one forward; every part that is absent changes nothing. */
export interface AdapterForward {
  /**
   * Deep prompts of a block, [P, D]: they pass its first norm and go before keys and values alone, with the weights of the
   * first segment's row.
   */
  prompts?(block: number): tf.Tensor2D | undefined;
  /** [D], added to the embedding of every prefix token, also of those within a text. */
  readonly prefixBias?: tf.Tensor1D | undefined;
  /** Changes embedded tokens before their norm, [B, T, D]. */
  embedded?(x: tf.Tensor3D): tf.Tensor3D;
  /**
   * What is added to the output of a linear before its activation, [B, L, O].
   * @param x [B, L, I], the linear's input; with `prompts` the deep prompts of the block, [1, P, D]
   */
  linear?(x: tf.Tensor3D, ref: LinearRef, options: { readonly prompts: boolean }): tf.Tensor3D | undefined;
  /**
   * An expert of a linear with what is added to its weight; the same one where nothing is. With it nothing is cached: the
   * experts are merged in every forward. On encoders that have their experts alone.
   */
  expert?(plain: LinearExpert, ref: ExpertRef): LinearExpert;
}

/** Which expert of which linear. */
export interface ExpertRef extends LinearRef {
  readonly expert: number;
}

/** An adapter of an encoder. Borrowed by every forward that it is given to. */
export interface EncoderAdapter {
  /** The tensor that stands in for a parameter of the encoder; of no linear of a block, and no router or temperature. */
  replaced?(name: string): tf.Variable | undefined;
  /** Called once in each forward, inside its tidy and tape. */
  begin(context: AdapterContext): AdapterForward;
}

/** How a forward is adapted. */
export interface AdapterOptions {
  /** @default none: the encoder as it is */
  readonly adapter?: EncoderAdapter | undefined;
  /** Side of the sequences, for adapters that tell them apart. @default 'inputs' */
  readonly side?: SequenceSide;
}

/** Begins the adapter of a forward. Call it inside its tidy; its stream leaves other draws as they are. */
export const beginAdapter = (
  batch: SequenceBatch,
  options: AdapterOptions & { readonly training?: boolean; readonly random?: Random },
): AdapterForward => {
  const { adapter, side = 'inputs', training = false, random } = options;
  return (
    adapter?.begin({ batch, side, training, random: training ? random?.fork('adapter') : undefined }) ?? {}
  );
};

/** The linears of a forward with what an adapter adds to them. */
export const adaptedLinears = (inner: BlockLinears, { linear }: AdapterForward): BlockLinears =>
  linear
    ? {
        apply(x, ref, options = {}) {
          const { activation = 'none', prompts = false } = options;
          const added = linear(x, ref, { prompts });
          if (!added) return inner.apply(x, ref, options);
          const sum = tf.add(inner.apply(x, ref, { ...options, activation: 'none' }), added) as tf.Tensor3D;
          return activation === 'gelu' ? (gelu(sum) as tf.Tensor3D) : sum;
        },
      }
    : inner;

/** The parameters that a forward reads: the encoder's, with those of an adapter in place of some. */
export const adaptedParameters = (
  parameters: ParameterSource,
  adapter: EncoderAdapter | undefined,
): ParameterSource => {
  const replaced = adapter?.replaced;
  return replaced ? { get: (name) => replaced(name) ?? parameters.get(name) } : parameters;
};
