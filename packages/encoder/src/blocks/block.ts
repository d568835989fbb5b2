/**
 * One pre-norm Transformer block:
 *   x = x + keep * scale1 * attention(norm1(x)),   x = x + keep * scale2 * ffn(norm2(x))
 * with LayerScale per channel (where the model has it) and drop path per sample, on both branches at the same rate. Any of
 * its linears may be conditional.
 *
 * B batch · L tokens · P prompts · D width · F hidden
 */
import { attention, layerNorm, residual, type AttentionOptions } from '@polygate/tensor';
import * as tf from '@tensorflow/tfjs';
import { vectorOf, type BlockLinears, type ParameterSource } from './block-linears.ts';

/** Attention of a block's queries, keys and values, [B, L, 3 D] -> [B, L, D]. */
export type BlockAttention = (
  qkv: tf.Tensor3D,
  options: AttentionOptions & { readonly block: number },
) => tf.Tensor3D;

/** What all blocks of one forward share. All borrowed. */
export interface BlockContext {
  readonly parameters: ParameterSource;
  readonly heads: number;
  readonly linears: BlockLinears;
  /** As in the configuration. */
  readonly splitAttention: boolean;
  /** Whether the branches have factors per channel. @default true */
  readonly layerScale?: boolean;
  /** Added to the attention scores, [B or 1, 1, T or 1, T]; see `attentionMask`. */
  readonly mask?: tf.Tensor4D | undefined;
  /** In place of attention over the sequence's own keys: with those that are kept. @default the sequence's own */
  readonly attend?: BlockAttention | undefined;
  /** Drop-path multipliers [B] for the next branch; undefined where nothing is dropped. */
  keep(): tf.Tensor1D | undefined;
}

const norm = (x: tf.Tensor3D, name: string, parameters: ParameterSource): tf.Tensor3D =>
  layerNorm(x, vectorOf(parameters, `${name}.weight`), vectorOf(parameters, `${name}.bias`));

/**
 * Keys and values [P, D] of deep prompts: the block's own norm and projection, with the weights of the first segment's
 * row. Prompts are no queries, pass no feed-forward part, and are never masked.
 */
const promptKeysAndValues = (
  prompts: tf.Tensor2D,
  block: number,
  context: BlockContext,
): { readonly promptKeys: tf.Tensor2D; readonly promptValues: tf.Tensor2D } => {
  const [count, width] = prompts.shape;
  const h = norm(prompts.reshape([1, count, width]), `blocks.${block}.norm1`, context.parameters);
  const { linears, splitAttention } = context;
  if (splitAttention) {
    const project = (name: string): tf.Tensor2D =>
      linears.apply(h, { block, linear: `attention.${name}` }, { prompts: true }).reshape([count, width]);
    return { promptKeys: project('key'), promptValues: project('value') };
  }
  const qkv = linears.apply(h, { block, linear: 'attention.qkv' }, { prompts: true });
  const part = (index: number): tf.Tensor2D =>
    qkv.slice([0, 0, index * width], [1, count, width]).reshape([count, width]);
  return { promptKeys: part(1), promptValues: part(2) };
};

/** Queries, keys and values side by side, [B, L, 3 D], of one fused linear or of three. */
const project = (x: tf.Tensor3D, block: number, { linears, splitAttention }: BlockContext): tf.Tensor3D =>
  splitAttention
    ? tf.concat(
        ['query', 'key', 'value'].map((name) => linears.apply(x, { block, linear: `attention.${name}` })),
        2,
      )
    : linears.apply(x, { block, linear: 'attention.qkv' });

/** Runs a block. Call it inside a tidy. @param prompts deep prompts [P, D] of this block, or undefined */
export const runBlock = (
  x: tf.Tensor3D,
  { block, prompts }: { readonly block: number; readonly prompts?: tf.Tensor2D | undefined },
  context: BlockContext,
): tf.Tensor3D => {
  const { parameters, heads, linears, mask, attend = attention, layerScale = true } = context;
  const path = `blocks.${block}`;
  const scale = (name: string): tf.Tensor1D => vectorOf(parameters, `${path}.${name}`);
  const end = (input: tf.Tensor3D, branch: tf.Tensor3D, name: string): tf.Tensor3D => {
    const keep = context.keep();
    return residual(input, branch, {
      ...(layerScale ? { scale: scale(name) } : {}),
      ...(keep ? { keep } : {}),
    });
  };

  const qkv = project(norm(x, `${path}.norm1`, parameters), block, context);
  const mixed = attend(qkv, {
    heads,
    block,
    ...(mask ? { mask } : {}),
    ...(prompts ? promptKeysAndValues(prompts, block, context) : {}),
  });
  const attended = end(x, linears.apply(mixed, { block, linear: 'attention.output' }), 'scale1');

  const normed = norm(attended, `${path}.norm2`, parameters);
  const wide = linears.apply(normed, { block, linear: 'ffn.fc1' }, { activation: 'gelu' });
  return end(attended, linears.apply(wide, { block, linear: 'ffn.fc2' }, { routed: normed }), 'scale2');
};
