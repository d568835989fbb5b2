/** Spans of a sequence and what kernels over them share. Axes: B batch · L tokens · I inputs · O outputs. */
import type { TensorInfo } from '@tensorflow/tfjs';
import type { KernelContext } from '../kernel-context.ts';
import type { Handle } from '../native/binding.ts';
import type { SpanInput, WeightSpan } from './span-products.ts';

/** A run of tokens with the row whose weights apply to it. */
export interface Span {
  readonly row: number;
  readonly start: number;
  readonly length: number;
}

export interface SegmentAttributes {
  readonly segments: readonly Span[];
  readonly activation: 'none' | 'gelu';
  /** Whether the gradient will ask for what was before the activation, the last output. */
  readonly keep: boolean;
  /** Whether no gradient of the weights will be asked for: they are likely to stay as they are. */
  readonly held?: boolean;
  /** Whether the gradient gives more than that of x. @default true */
  readonly wantsWeights?: boolean;
}

/** Spans by the place of their row among `rows`; empty ones are left out. */
export const weightSpans = (segments: readonly Span[], rows: readonly number[]): WeightSpan[] =>
  segments.flatMap(({ row, start, length }) =>
    length > 0 ? [{ weight: rows.indexOf(row), start, length }] : [],
  );

export const spanInput = (
  torch: KernelContext,
  x: TensorInfo,
  weights: readonly Handle[],
  spans: readonly WeightSpan[],
): SpanInput => ({
  x: torch.tensorOf(x, torch.precision.product),
  batch: x.shape[0] ?? 0,
  weights,
  spans,
});

/** [..., I] as [..., O]. */
export const widened = (shape: readonly number[], width: number): number[] => [...shape.slice(0, -1), width];

/** What a forward kept for its gradient, as it is stored. */
export const keptOf = (torch: KernelContext, z: TensorInfo | undefined): Handle | undefined =>
  z === undefined ? undefined : torch.storedTensorOf(z);
