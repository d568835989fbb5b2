/**
 * PgAttention and PgAttentionGrad, in two ways.
 *
 * Where the processor multiplies blocks (native/operators/tiles.h: bf16 with AMX or AVX512-BF16, float32 with AVX-512 or AVX2): one native
 * call each way that keeps blocks of scores in cache, in float32. Its state for the gradient is two numbers for
 * each query, its largest score and one over its softmax's sum; scores are computed again.
 *
 * Elsewhere: products of the policy's type, softmax and its gradient in float32 arithmetic on scores stored in the
 * policy's type. State for the gradient: q, k, v apart by heads (prompts in front), probabilities.
 */
import type { TensorInfo } from '@tensorflow/tfjs';
import { ConfigError } from '@polygate/core';
import type { KernelContext } from '../kernel-context.ts';
import { registerTorchKernel } from '../kernel-registration.ts';
import type { Handle } from '../native/binding.ts';
import { exactOrNone, hasOwnOperators, lastOf } from './operand.ts';
import { usesTiles } from './product-weights.ts';

interface AttentionInputs {
  readonly qkv: TensorInfo;
  readonly mask?: TensorInfo;
  readonly promptKeys?: TensorInfo;
  readonly promptValues?: TensorInfo;
}

interface AttentionGradInputs {
  readonly dy: TensorInfo;
  /** The forward's inputs, where its state is one tensor; else the prompts alone. */
  readonly qkv?: TensorInfo;
  readonly mask?: TensorInfo;
  readonly promptKeys?: TensorInfo;
  readonly promptValues?: TensorInfo;
  readonly state0: TensorInfo;
  readonly state1?: TensorInfo;
  readonly state2?: TensorInfo;
  readonly state3?: TensorInfo;
}

interface Geometry {
  readonly batch: number;
  readonly length: number;
  readonly heads: number;
  readonly head: number;
  readonly prompts: number;
}

/** [B, n, h d] -> [B h, n, d]; a shared prompt [P, h d] is repeated. */
const byHeads = (
  torch: KernelContext,
  x: Handle,
  { batch, heads, head }: Geometry,
  shared: boolean,
): Handle => {
  const apart = torch.aten(
    'permute',
    torch.aten('reshape', x, [shared ? 1 : batch, -1, heads, head]),
    [0, 2, 1, 3],
  );
  const full = shared ? torch.aten('expand', apart, [batch, -1, -1, -1]) : apart;
  return torch.aten('reshape', full, [batch * heads, -1, head]);
};

const splitHeads = (torch: KernelContext, inputs: AttentionInputs, geometry: Geometry): Handle[] => {
  const { product } = torch.precision;
  const qkv = torch.tensorOf(inputs.qkv, product);
  const keys = inputs.promptKeys ? torch.tensorOf(inputs.promptKeys, product) : null;
  const values = inputs.promptValues ? torch.tensorOf(inputs.promptValues, product) : null;
  if (hasOwnOperators(torch))
    return torch.atenAll('polygate::split_heads', qkv, keys, values, geometry.heads);
  const shared = inputs.promptKeys?.shape.length === 2;
  return torch.atenAll('split.Tensor', qkv, geometry.heads * geometry.head, 2).map((part, at) => {
    const partHeads = byHeads(torch, part, geometry, false);
    const prompt = at === 1 ? keys : at === 2 ? values : null;
    return prompt === null
      ? partHeads
      : torch.aten('cat', [byHeads(torch, prompt, geometry, shared), partHeads], 1);
  });
};

const softmax = (torch: KernelContext, scores: Handle, mask: Handle | null, geometry: Geometry): Handle => {
  const { batch, length, heads, head, prompts } = geometry;
  const scale = 1 / Math.sqrt(head);
  if (hasOwnOperators(torch)) {
    return torch.aten('polygate::masked_softmax_', scores, mask, heads, prompts, scale);
  }
  const { exact, product } = torch.precision;
  let exactScores = torch.aten('mul.Scalar', torch.aten('to.dtype', scores, exact), scale);
  if (mask !== null) {
    const wide = prompts > 0 ? torch.aten('constant_pad_nd', mask, [prompts, 0], 0) : mask;
    const keys = prompts + length;
    const masked = torch.aten(
      'add.Tensor',
      torch.aten('reshape', exactScores, [batch, heads, length, keys]),
      wide,
    );
    exactScores = torch.aten('reshape', masked, [batch * heads, length, keys]);
  }
  return torch.aten('to.dtype', torch.aten('_softmax', exactScores, 2, false), product);
};

const softmaxGradient = (torch: KernelContext, d: Handle, p: Handle, scale: number): Handle => {
  if (hasOwnOperators(torch)) return torch.aten('polygate::softmax_backward_', d, p, scale);
  const { exact, product } = torch.precision;
  const wide = torch.aten(
    '_softmax_backward_data',
    torch.aten('to.dtype', d, exact),
    torch.aten('to.dtype', p, exact),
    2,
    exact,
  );
  return torch.aten('to.dtype', torch.aten('mul.Scalar', wide, scale), product);
};

const transposed = (torch: KernelContext, x: Handle): Handle => torch.aten('transpose.int', x, 1, 2);

/** Gradient of a prompt: the front of [B h, P + L, d] as [B, P, h d], summed over the batch where it was shared. */
const promptGradient = (torch: KernelContext, d: Handle, geometry: Geometry, shared: boolean): Handle => {
  const { batch, heads, head, prompts } = geometry;
  const front = torch.aten(
    'to.dtype',
    torch.aten('slice.Tensor', d, 1, 0, prompts, 1),
    torch.precision.exact,
  );
  const apart = torch.aten(
    'permute',
    torch.aten('reshape', front, [batch, heads, prompts, head]),
    [0, 2, 1, 3],
  );
  const joined = torch.aten('reshape', apart, [batch, prompts, heads * head]);
  return shared ? torch.aten('sum.dim_IntList', joined, [0], false) : joined;
};

const joinHeads = (
  torch: KernelContext,
  parts: readonly Handle[],
  { batch, length, heads, head, prompts }: Geometry,
): Handle => {
  if (hasOwnOperators(torch)) return torch.aten('polygate::join_heads', ...parts, heads);
  const gradients = parts.map((part, at) =>
    at > 0 && prompts > 0 ? torch.aten('slice.Tensor', part, 1, prompts, prompts + length, 1) : part,
  );
  const stacked = torch.aten('reshape', torch.aten('stack', gradients, 0), [3, batch, heads, length, head]);
  return torch.aten('reshape', torch.aten('permute', stacked, [1, 3, 0, 2, 4]), [
    batch,
    length,
    3 * heads * head,
  ]);
};

/** The tensors that both native calls take after the first ones: qkv, mask, prompts. */
const operands = (
  torch: KernelContext,
  { mask, promptKeys, promptValues }: Partial<AttentionInputs>,
): (Handle | null)[] => {
  const prompt = (info: TensorInfo | undefined) =>
    info === undefined ? null : torch.tensorOf(info, torch.precision.product);
  return [exactOrNone(torch, mask), prompt(promptKeys), prompt(promptValues)];
};

const tiledForward = (torch: KernelContext, inputs: AttentionInputs, heads: number): TensorInfo[] => {
  const { qkv } = inputs;
  const [batch = 0, length = 0] = qkv.shape;
  const fused = torch.tensorOf(qkv, torch.precision.product);
  const [y, softmax] = torch.atenAll('polygate::tile_attention', fused, ...operands(torch, inputs), heads);
  return [
    torch.output(y as Handle, [batch, length, lastOf(qkv.shape) / 3]),
    torch.output(softmax as Handle, [batch * heads, length, 2]),
  ];
};

const tiledBackward = (torch: KernelContext, inputs: AttentionGradInputs, heads: number): TensorInfo[] => {
  const { dy, qkv, promptKeys, state0 } = inputs;
  if (qkv === undefined)
    throw new ConfigError('PgAttentionGrad: expected qkv beside one state tensor, got none');
  const [dqkv, dKeys, dValues] = torch.atenAll(
    'polygate::tile_attention_backward',
    torch.storedTensorOf(dy),
    torch.tensorOf(qkv, torch.precision.product),
    torch.tensorOf(state0),
    ...operands(torch, inputs),
    heads,
  );
  const outputs = [torch.output(dqkv as Handle, qkv.shape)];
  if (promptKeys) {
    const shared = promptKeys.shape.length === 2;
    for (const gradient of [dKeys as Handle, dValues as Handle]) {
      const sum = shared ? torch.aten('sum.dim_IntList', gradient, [0], false) : gradient;
      outputs.push(torch.output(sum, promptKeys.shape));
    }
  }
  return outputs;
};

export const registerAttention = (): void => {
  registerTorchKernel<AttentionInputs, { heads: number }>('PgAttention', ({ inputs, attrs, torch }) => {
    if (usesTiles(torch)) return tiledForward(torch, inputs, attrs.heads);
    const { qkv, mask, promptKeys } = inputs;
    const [batch = 0, length = 0] = qkv.shape;
    const width = lastOf(qkv.shape) / 3;
    const prompts = promptKeys ? (promptKeys.shape[promptKeys.shape.length - 2] ?? 0) : 0;
    const geometry: Geometry = { batch, length, heads: attrs.heads, head: width / attrs.heads, prompts };
    const [q, k, v] = splitHeads(torch, inputs, geometry) as [Handle, Handle, Handle];
    const scores = torch.aten('bmm', q, transposed(torch, k));
    const p = softmax(torch, scores, exactOrNone(torch, mask), geometry);
    const out = torch.aten('reshape', torch.aten('bmm', p, v), [batch, attrs.heads, length, geometry.head]);
    const joined = torch.aten('reshape', torch.aten('permute', out, [0, 2, 1, 3]), [batch, length, width]);
    const rows = batch * attrs.heads;
    const keys = prompts + length;
    return [
      torch.output(joined, [batch, length, width]),
      torch.output(q, [rows, length, geometry.head]),
      torch.output(k, [rows, keys, geometry.head]),
      torch.output(v, [rows, keys, geometry.head]),
      torch.output(p, [rows, length, keys]),
    ];
  });

  registerTorchKernel<AttentionGradInputs, { heads: number }>(
    'PgAttentionGrad',
    ({ inputs, attrs, torch }) => {
      const { dy, promptKeys, state0, state1, state2, state3 } = inputs;
      if (!state1 || !state2 || !state3) return tiledBackward(torch, inputs, attrs.heads);
      const [batch = 0, length = 0, width = 0] = dy.shape;
      const prompts = (state1.shape[1] ?? 0) - length;
      const geometry: Geometry = { batch, length, heads: attrs.heads, head: width / attrs.heads, prompts };
      const { product } = torch.precision;
      const [q, k, v, p] = [state0, state1, state2, state3].map((state) =>
        torch.tensorOf(state, product),
      ) as [Handle, Handle, Handle, Handle];
      const g = byHeads(torch, torch.tensorOf(dy, product), geometry, false);
      const dv = torch.aten('bmm', transposed(torch, p), g);
      const dScores = softmaxGradient(
        torch,
        torch.aten('bmm', g, transposed(torch, v)),
        p,
        1 / Math.sqrt(geometry.head),
      );
      const dq = torch.aten('bmm', dScores, k);
      const dk = torch.aten('bmm', transposed(torch, dScores), q);
      const outputs = [torch.output(joinHeads(torch, [dq, dk, dv], geometry), [batch, length, 3 * width])];
      if (promptKeys) {
        const shared = promptKeys.shape.length === 2;
        outputs.push(torch.output(promptGradient(torch, dk, geometry, shared), promptKeys.shape));
        outputs.push(torch.output(promptGradient(torch, dv, geometry, shared), promptKeys.shape));
      }
      return outputs;
    },
  );
};
