/**
 * PgAttentionPool and PgAttentionPoolGrad: attention pooling of sequences for routers, float32 whatever the policy. On
 * the CPU one native call each way (native/operators/attention_pool.cc); elsewhere, and as its twin, ATen's operators.
 * Axes: B batch · T tokens · D width · H heads of C channels.
 */
import type { NamedTensorInfoMap, TensorInfo } from '@tensorflow/tfjs';
import type { KernelContext } from '../kernel-context.ts';
import { registerTorchKernel, required } from '../kernel-registration.ts';
import type { Handle } from '../native/binding.ts';
import { exactOf, exactOrNone, hasOwnOperators } from './operand.ts';

interface PoolAttributes {
  readonly heads: number;
}

/** Names of the weights, in the order of the native call. */
const WEIGHTS = [
  'queryWeight',
  'queryBias',
  'keyWeight',
  'valueWeight',
  'valueBias',
  'outputWeight',
  'outputBias',
] as const;

/** What the gradient needs: mean, query, values [B, D], absorbed queries, pooled tokens [B, H, D], weights [B, H, T]. */
const KEPT = 6;

interface Operands {
  readonly x: TensorInfo;
  readonly visible: TensorInfo | undefined;
  readonly weights: readonly Handle[];
  readonly heads: number;
  readonly shape: { readonly batch: number; readonly tokens: number; readonly width: number };
}

const operandsOf = (
  torch: KernelContext,
  inputs: NamedTensorInfoMap,
  { heads }: PoolAttributes,
): Operands => {
  const x = required(inputs, 'x');
  const [batch = 0, tokens = 0, width = 0] = x.shape;
  return {
    x,
    visible: inputs['visible'] as TensorInfo | undefined,
    weights: WEIGHTS.map((name) => exactOf(torch, required(inputs, name))),
    heads,
    shape: { batch, tokens, width },
  };
};

/** ATen's operators under short names. */
const operators = (torch: KernelContext, { heads, shape: { batch, width } }: Operands) => {
  const channels = width / heads;
  const swap = (of: Handle, a: number, b: number): Handle => torch.aten('transpose.int', of, a, b);
  const view = (of: Handle, shape: readonly number[]): Handle => torch.aten('reshape', of, shape);
  return {
    scale: Math.sqrt(heads / width),
    swap,
    without: (of: Handle, hidden: Handle, value: number): Handle =>
      torch.aten('masked_fill.Scalar', of, hidden, value),
    add: (a: Handle, b: Handle): Handle => torch.aten('add.Tensor', a, b),
    mul: (a: Handle, b: Handle): Handle => torch.aten('mul.Tensor', a, b),
    times: (a: Handle, factor: number): Handle => torch.aten('mul.Scalar', a, factor),
    mm: (a: Handle, b: Handle): Handle => torch.aten('mm', a, b),
    bmm: (a: Handle, b: Handle): Handle => torch.aten('bmm', a, b),
    sum: (a: Handle, axis: number, keep = false): Handle => torch.aten('sum.dim_IntList', a, [axis], keep),
    /** [B, D] -> [H, B, C] */
    byHead: (of: Handle): Handle => swap(view(of, [batch, heads, channels]), 0, 1),
    /** [H, B, C] -> [B, D] */
    joined: (of: Handle): Handle => view(swap(of, 0, 1), [batch, width]),
    /** [D, D] -> [H, C, D] */
    headsOf: (of: Handle): Handle => view(of, [heads, channels, width]),
    square: (of: Handle): Handle => view(of, [width, width]),
  };
};

/** [B, T, 1] 1 at visible tokens, true at hidden ones, and the share of visible ones in the mean, [B, 1, 1]. */
const visibleOf = (torch: KernelContext, { visible, shape: { batch, tokens } }: Operands) => {
  const { exact } = torch.precision;
  const mask =
    visible === undefined
      ? torch.aten('ones', [batch, tokens, 1], exact, undefined, torch.device)
      : torch.aten(
          'to.dtype',
          torch.aten('ne.Scalar', torch.tensorOf({ ...visible, shape: [batch, tokens, 1] }, exact), 0),
          exact,
        );
  const count = torch.aten('sum.dim_IntList', mask, [1], true);
  const hidden = torch.aten('eq.Scalar', mask, 0);
  return { mask, hidden, share: torch.aten('reciprocal', torch.aten('clamp_min', count, 1)) };
};

const composeForward = (torch: KernelContext, o: Operands): Handle[] => {
  const op = operators(torch, o);
  const [wq, bq, wk, wv, bv, wo, bo] = o.weights as [Handle, Handle, Handle, Handle, Handle, Handle, Handle];
  const { mask, hidden, share } = visibleOf(torch, o);
  // 0 times NaN is NaN, so hidden tokens are not multiplied away.
  const x = op.without(torch.tensorOf(o.x, torch.precision.exact), hidden, 0);
  const mean = op.sum(op.mul(x, op.mul(mask, share)), 1);
  const query = op.add(op.mm(mean, op.swap(wq, 0, 1)), bq);
  const absorbed = op.swap(op.bmm(op.times(op.byHead(query), op.scale), op.headsOf(wk)), 0, 1);
  const unseen = op.swap(hidden, 1, 2);
  const scores = op.without(op.bmm(absorbed, op.swap(x, 1, 2)), unseen, -Infinity);
  // Where nothing is visible there is no softmax, and the choice makes it zero.
  const weights = op.without(torch.aten('_softmax', scores, 2, false), unseen, 0);
  const pooled = op.bmm(weights, x);
  const values = op.add(op.joined(op.bmm(op.swap(pooled, 0, 1), op.swap(op.headsOf(wv), 1, 2))), bv);
  const y = op.add(op.mm(values, op.swap(wo, 0, 1)), bo);
  return [y, mean, query, values, absorbed, pooled, weights];
};

const composeGradient = (
  torch: KernelContext,
  o: Operands,
  dy: Handle,
  kept: readonly Handle[],
): Handle[] => {
  const op = operators(torch, o);
  const [wq, , wk, wv, , wo] = o.weights as [Handle, Handle, Handle, Handle, Handle, Handle];
  const [mean, query, values, absorbed, pooled, weights] = kept as [
    Handle,
    Handle,
    Handle,
    Handle,
    Handle,
    Handle,
  ];
  const { mask, hidden, share } = visibleOf(torch, o);
  // 0 times NaN is NaN, so hidden tokens are not multiplied away.
  const x = op.without(torch.tensorOf(o.x, torch.precision.exact), hidden, 0);
  const toValues = op.mm(dy, wo);
  const valuesByHead = op.byHead(toValues);
  const toPooled = op.swap(op.bmm(valuesByHead, op.headsOf(wv)), 0, 1);
  const toWeights = op.bmm(toPooled, op.swap(x, 1, 2));
  const along = op.sum(op.mul(weights, toWeights), 2, true);
  const toScores = op.mul(weights, torch.aten('sub.Tensor', toWeights, along));
  const toAbsorbed = op.times(op.swap(op.bmm(toScores, x), 0, 1), op.scale);
  const toQuery = op.joined(op.bmm(toAbsorbed, op.swap(op.headsOf(wk), 1, 2)));
  const toMean = op.mm(toQuery, wq);
  const dx = op.add(
    op.add(op.bmm(op.swap(weights, 1, 2), toPooled), op.bmm(op.swap(toScores, 1, 2), absorbed)),
    op.mul(torch.aten('unsqueeze', toMean, 1), op.mul(mask, share)),
  );
  const cross = (a: Handle, b: Handle): Handle => op.mm(op.swap(a, 0, 1), b);
  const crossByHead = (a: Handle, b: Handle): Handle => op.square(op.bmm(op.swap(a, 1, 2), b));
  return [
    op.without(dx, hidden, 0),
    cross(toQuery, mean),
    op.sum(toQuery, 0),
    crossByHead(op.byHead(query), toAbsorbed),
    crossByHead(valuesByHead, op.swap(pooled, 0, 1)),
    op.sum(toValues, 0),
    cross(dy, values),
    op.sum(dy, 0),
  ];
};

export const registerAttentionPool = (): void => {
  registerTorchKernel<NamedTensorInfoMap, PoolAttributes>('PgAttentionPool', ({ inputs, attrs, torch }) => {
    const o = operandsOf(torch, inputs, attrs);
    const { batch, tokens, width } = o.shape;
    const results = hasOwnOperators(torch)
      ? torch.atenAll(
          'polygate::attention_pool',
          torch.storedTensorOf(o.x),
          o.weights,
          exactOrNone(torch, o.visible),
          o.heads,
        )
      : composeForward(torch, o);
    const vector = [batch, width];
    const byHead = [batch, o.heads, width];
    const shapes = [vector, vector, vector, vector, byHead, byHead, [batch, o.heads, tokens]];
    return results.map((handle, at) => torch.output(handle, shapes[at] ?? vector));
  });

  registerTorchKernel<NamedTensorInfoMap, PoolAttributes>(
    'PgAttentionPoolGrad',
    ({ inputs, attrs, torch }) => {
      const o = operandsOf(torch, inputs, attrs);
      const dy = exactOf(torch, required(inputs, 'dy'));
      const kept = Array.from({ length: KEPT }, (_, at) => exactOf(torch, required(inputs, `kept${at}`)));
      const results = hasOwnOperators(torch)
        ? torch.atenAll(
            'polygate::attention_pool_backward',
            dy,
            torch.storedTensorOf(o.x),
            o.weights,
            exactOrNone(torch, o.visible),
            kept,
            o.heads,
            torch.precision.activation,
          )
        : composeGradient(torch, o, dy, kept);
      const shapes = [o.x.shape, ...WEIGHTS.map((name) => required(inputs, name).shape)];
      return results.map((handle, at) => torch.output(handle, shapes[at] ?? []));
    },
  );
};
