/**
 * The products of all linear layers: y[:, span] = act(x[:, span] W_r^T + b_r) over the spans of a sequence, and its
 * gradients. A plain linear layer is one span over one long sample. One native call each way on the CPU; elsewhere, and
 * as that call's twin, a composition of ATen's operators span by span.
 * Axes: B batch · L tokens · I inputs · O outputs.
 */
import type { KernelContext } from '../kernel-context.ts';
import type { Handle } from '../native/binding.ts';
import { activate, activationGradient, columnSums } from './activation.ts';
import { hasOwnOperators } from './operand.ts';

/** A run of tokens with the weight that applies to it, by its place in the list of weights. */
export interface WeightSpan {
  readonly weight: number;
  readonly start: number;
  readonly length: number;
}

export interface SpanInput {
  /** [B, L, I] of the product type. */
  readonly x: Handle;
  readonly batch: number;
  /** [O, I] each, of the product type. */
  readonly weights: readonly Handle[];
  readonly spans: readonly WeightSpan[];
}

export interface SpanForwardOptions {
  /** float32 [O] for each weight, or none at all. */
  readonly biases: readonly Handle[];
  readonly activation: 'none' | 'gelu';
  /** Whether a gradient will be asked for, so that what was before the activation is wanted. */
  readonly keep: boolean;
}

/** Spans as the operators take them: weight, start, length, ... */
export const flatSpans = (spans: readonly WeightSpan[]): number[] =>
  spans.flatMap(({ weight, start, length }) => [weight, start, length]);

/** The tokens of a span as a matrix [B * length, D]; a span of all tokens is a view. */
const rowsOf = (torch: KernelContext, x: Handle, { start, length }: WeightSpan): Handle => {
  const part = torch.aten('slice.Tensor', x, 1, start, start + length, 1);
  return torch.aten('flatten.using_ints', part, 0, 1);
};

const join = (
  torch: KernelContext,
  parts: readonly Handle[],
  { spans, batch }: { readonly spans: readonly WeightSpan[]; readonly batch: number },
): Handle => {
  const shaped = parts.map((part, at) =>
    torch.aten('unflatten.int', part, 0, [batch, spans[at]?.length ?? 0]),
  );
  return shaped.length === 1 ? (shaped[0] as Handle) : torch.aten('cat', shaped, 1);
};

/** x [N, I] W^T -> [N, O], in the policy's type. */
const transposedProduct = (torch: KernelContext, x: Handle, weight: Handle): Handle =>
  torch.aten('mm', x, torch.aten('t', weight));

/** dW = dz^T x in float32. */
const weightGradient = (torch: KernelContext, dz: Handle, x: Handle): Handle =>
  torch.aten('to.dtype', torch.aten('mm', torch.aten('t', dz), x), torch.precision.exact);

/**
 * @returns y [B, L, O]; and what was before the activation, where there is one and `keep` is set
 */
export const spanForward = (
  torch: KernelContext,
  { x, batch, weights, spans }: SpanInput,
  { biases, activation, keep }: SpanForwardOptions,
): { readonly y: Handle; readonly z: Handle | undefined } => {
  const gelu = activation === 'gelu';
  if (hasOwnOperators(torch)) {
    const [y, z] = torch.atenAll('polygate::span_linear', x, weights, biases, flatSpans(spans), gelu, keep);
    return { y: y as Handle, z: gelu && keep ? z : undefined };
  }
  const used = spans.filter(({ length }) => length > 0);
  const parts = used.map((span) => {
    const product = transposedProduct(torch, rowsOf(torch, x, span), weights[span.weight] as Handle);
    return activate(torch, product, biases[span.weight] ?? null, activation);
  });
  const joined = (of: 'y' | 'kept'): Handle =>
    join(
      torch,
      parts.map((part) => part[of]),
      { spans: used, batch },
    );
  return { y: joined('y'), z: gelu && keep ? joined('kept') : undefined };
};

/** Weights that were packed before, with the runs of tokens that they apply to. */
interface PackedSpans {
  readonly panels: readonly Handle[];
  readonly spans: readonly WeightSpan[];
}

/**
 * {@link spanForward} over packed weights.
 * @param outputs width O of the weights
 */
export const packedForward = (
  torch: KernelContext,
  { x, panels, spans }: PackedSpans & { readonly x: Handle },
  { biases, activation, keep, outputs }: SpanForwardOptions & { readonly outputs: number },
): { readonly y: Handle; readonly z: Handle | undefined } => {
  const gelu = activation === 'gelu';
  const [y, z] = torch.atenAll(
    'polygate::span_linear_packed',
    x,
    panels,
    outputs,
    biases,
    flatSpans(spans),
    gelu,
    keep,
  );
  return { y: y as Handle, z: gelu && keep ? z : undefined };
};

/**
 * The gradient dx [B, L, I] that passes packed weights, of the product type.
 * @param inputs width I of the weights
 */
export const packedInputGradient = (
  torch: KernelContext,
  { panels, spans, inputs }: PackedSpans & { readonly inputs: number },
  { dy, z }: Pick<SpanBackwardOptions, 'dy' | 'z'>,
): Handle =>
  torch.aten('polygate::span_linear_input_gradient', dy, panels, inputs, z ?? null, flatSpans(spans));

export interface SpanBackwardOptions {
  /** [B, L, O] as it is stored. */
  readonly dy: Handle;
  /** What the forward kept; undefined without an activation. */
  readonly z: Handle | undefined;
  readonly wantsWeights: boolean;
  readonly wantsBiases: boolean;
}

export interface SpanGradients {
  /** [B, L, I] of the product type. */
  readonly dx: Handle;
  /** float32 [O, I] for each weight; empty when not wanted. */
  readonly weights: readonly Handle[];
  /** float32 [O] for each weight; empty when not wanted. */
  readonly biases: readonly Handle[];
}

export const spanBackward = (
  torch: KernelContext,
  { x, batch, weights, spans }: SpanInput,
  { dy, z, wantsWeights, wantsBiases }: SpanBackwardOptions,
): SpanGradients => {
  if (hasOwnOperators(torch)) {
    const all = torch.atenAll(
      'polygate::span_linear_backward',
      dy,
      x,
      weights,
      z ?? null,
      flatSpans(spans),
      wantsWeights,
      wantsBiases,
    );
    const split = 1 + (wantsWeights ? weights.length : 0);
    return { dx: all[0] as Handle, weights: all.slice(1, split), biases: all.slice(split) };
  }
  const used = spans.filter(({ length }) => length > 0);
  const dz = used.map((span) => {
    const g = rowsOf(torch, dy, span);
    if (z !== undefined) return activationGradient(torch, g, rowsOf(torch, z, span));
    return torch.aten('to.dtype', g, torch.precision.product);
  });
  const dx = join(
    torch,
    used.map((span, at) => torch.aten('mm', dz[at] as Handle, weights[span.weight] as Handle)),
    { spans: used, batch },
  );
  const stackOf = (weight: number, partOf: (at: number) => Handle): Handle => {
    const parts = used.flatMap((span, at) => (span.weight === weight ? [partOf(at)] : []));
    return parts.length === 1 ? (parts[0] as Handle) : torch.aten('cat', parts, 0);
  };
  const { exact } = torch.precision;
  const dzOf = (weight: number): Handle => stackOf(weight, (at) => dz[at] as Handle);
  const xOf = (weight: number): Handle => stackOf(weight, (at) => rowsOf(torch, x, used[at] as WeightSpan));
  /** A weight that no token is multiplied with has a gradient of zero. */
  const gradients = (of: (weight: number) => Handle, empty: (zeros: Handle) => Handle): Handle[] =>
    weights.map((handle, weight) =>
      used.some((span) => span.weight === weight)
        ? of(weight)
        : empty(torch.aten('zeros_like', handle, exact)),
    );
  return {
    dx,
    weights: wantsWeights
      ? gradients(
          (weight) => weightGradient(torch, dzOf(weight), xOf(weight)),
          (zeros) => zeros,
        )
      : [],
    biases: wantsBiases
      ? gradients(
          (weight) => columnSums(torch, dzOf(weight)),
          (zeros) => torch.aten('select.int', zeros, 1, 0),
        )
      : [],
  };
};
