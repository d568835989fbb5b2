/**
 * PgCrossAttention: attention of queries over keys and values in parts, for what no gradient is asked of. One native loop in
 * float32 arithmetic on what the policy's type stores; elsewhere products of the policy's type, and one softmax over all
 * parts in float32 arithmetic on scores stored in it.
 *
 * B batch · h heads · L queries · K keys of all parts · d width of a head
 */
import type { TensorInfo } from '@tensorflow/tfjs';
import type { KernelContext } from '../kernel-context.ts';
import { registerTorchKernel, required } from '../kernel-registration.ts';
import type { Handle } from '../native/binding.ts';
import { exactOf, hasOwnOperators } from './operand.ts';

type Inputs = Readonly<Record<string, TensorInfo | undefined>>;

/** [B, h, n, d] -> [B h, n, d] of the type of products. */
const byHead = (torch: KernelContext, info: TensorInfo): Handle => {
  const [batch = 0, heads = 0, length = 0, d = 0] = info.shape;
  return torch.tensorOf({ ...info, shape: [batch * heads, length, d] }, torch.precision.product);
};

interface Masks {
  /** [B|1, 1, L|1, K - first], or null where nothing is masked. */
  readonly mask: Handle | null;
  /** Leading keys that are not masked. */
  readonly first: number;
}

/** One mask over the keys of all parts but the leading ones without a mask. */
const maskOf = (torch: KernelContext, inputs: Inputs, parts: number): Masks => {
  const infos = Array.from({ length: parts }, (_, at) => ({
    keys: required(inputs, `keys${at}`).shape[2] ?? 0,
    mask: inputs[`mask${at}`],
  }));
  const masked = infos.findIndex(({ mask }) => mask !== undefined);
  if (masked < 0) return { mask: null, first: 0 };
  const maskedParts = infos.slice(masked);
  const first = infos.slice(0, masked).reduce((sum, { keys }) => sum + keys, 0);
  const shapes = maskedParts.flatMap(({ mask }) => (mask ? [mask.shape] : []));
  const extent = (axis: 0 | 2): number => Math.max(...shapes.map((shape) => shape[axis] ?? 1));
  const [batch, length] = [extent(0), extent(2)];
  const whole = maskedParts.map(({ keys, mask }) =>
    mask
      ? torch.aten('expand', exactOf(torch, mask), [batch, 1, length, keys])
      : torch.aten('zeros', [batch, 1, length, keys], torch.precision.exact, undefined, torch.device),
  );
  return { mask: whole.length === 1 ? (whole[0] as Handle) : torch.aten('cat', whole, 3), first };
};

/** Scores [B h, L, K] in place or anew -> probabilities of the type of products. */
const softmax = (
  torch: KernelContext,
  scores: Handle,
  { mask, first }: Masks,
  [batch, heads, length, d]: readonly [number, number, number, number],
): Handle => {
  const scale = 1 / Math.sqrt(d);
  const { exact, product } = torch.precision;
  let wide = torch.aten('mul.Scalar', torch.aten('to.dtype', scores, exact), scale);
  if (mask !== null) {
    const padded = first > 0 ? torch.aten('constant_pad_nd', mask, [first, 0], 0) : mask;
    const apart = torch.aten('reshape', wide, [batch, heads, length, -1]);
    wide = torch.aten('reshape', torch.aten('add.Tensor', apart, padded), [batch * heads, length, -1]);
  }
  return torch.aten('to.dtype', torch.aten('_softmax', wide, 2, false), product);
};

/** Products of all heads of a sample, one softmax over the scores of all parts. */
const compose = (
  torch: KernelContext,
  inputs: Inputs,
  parts: number,
): { readonly out: Handle; readonly shape: number[] } => {
  const info = required(inputs, 'queries');
  const [batch = 0, heads = 0, length = 0, d = 0] = info.shape;
  const queries = byHead(torch, info);
  const all = Array.from({ length: parts }, (_, at) => ({
    keys: byHead(torch, required(inputs, `keys${at}`)),
    values: byHead(torch, required(inputs, `values${at}`)),
    count: required(inputs, `keys${at}`).shape[2] ?? 0,
  }));
  const scores = all.map(({ keys }) => torch.aten('bmm', queries, torch.aten('transpose.int', keys, 1, 2)));
  const joined = scores.length === 1 ? (scores[0] as Handle) : torch.aten('cat', scores, 2);
  const p = softmax(torch, joined, maskOf(torch, inputs, parts), [batch, heads, length, d]);
  let first = 0;
  let out: Handle | undefined;
  for (const { values, count } of all) {
    const share = parts === 1 ? p : torch.aten('slice.Tensor', p, 2, first, first + count, 1);
    first += count;
    out = out === undefined ? torch.aten('bmm', share, values) : torch.aten('baddbmm', out, share, values);
  }
  const apart = torch.aten('reshape', out as Handle, [batch, heads, length, d]);
  const shape = [batch, length, heads * d];
  return { out: torch.aten('reshape', torch.aten('permute', apart, [0, 2, 1, 3]), shape), shape };
};

const OPERATOR = 'polygate::cross_attention';

/** Whether the loop is there: a binding that was built before it composes. */
const loops = new WeakMap<KernelContext, boolean>();
const hasLoop = (torch: KernelContext): boolean => {
  const present = loops.get(torch) ?? torch.dispatcher.has(OPERATOR);
  loops.set(torch, present);
  return present && hasOwnOperators(torch);
};

/** The same in one call of a loop over heads and queries, which reads strided tensors as they are. */
const loop = (torch: KernelContext, inputs: Inputs, parts: number): Handle => {
  const { product, exact } = torch.precision;
  const each = (name: string): Handle[] =>
    Array.from({ length: parts }, (_, at) => torch.tensorOf(required(inputs, `${name}${at}`), product));
  const masks = Array.from({ length: parts }, (_, at) => {
    const mask = inputs[`mask${at}`];
    return mask ? exactOf(torch, mask) : torch.aten('empty.memory_format', [0], exact);
  });
  const queries = torch.tensorOf(required(inputs, 'queries'), product);
  return torch.aten(OPERATOR, queries, each('keys'), each('values'), masks);
};

export const registerCrossAttention = (): void => {
  registerTorchKernel<Inputs, { parts: number }>(
    'PgCrossAttention',
    ({ inputs, attrs: { parts }, torch }) => {
      if (hasLoop(torch)) {
        const [batch = 0, heads = 0, length = 0, d = 0] = required(inputs, 'queries').shape;
        return torch.output(loop(torch, inputs, parts), [batch, length, heads * d]);
      }
      const { out, shape } = compose(torch, inputs, parts);
      return torch.output(out, shape);
    },
  );
};
