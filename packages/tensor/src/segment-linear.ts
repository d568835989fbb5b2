/**
 * A linear layer whose weights differ by segment: y[:, span] = act(x[:, span] W_row^T + b_row), with the gradients of
 * a linear layer for each row. Axes: B batch · L tokens · I inputs · O outputs.
 */
import * as tf from '@tensorflow/tfjs';
import { hasKernel, present, runKernel, wantsGradient, withGradient } from './dispatch.ts';
import { expectActivation, linear } from './linear.ts';
import type { LinearExpert } from './merge-experts.ts';
import { expectSpans, joinSpans, spanRows, type SegmentSpan } from './segments.ts';
import { expectShape } from './shapes.ts';
import { expectRates } from './weight-rates.ts';

/** Options of {@link segmentLinear}. */
export interface SegmentLinearOptions {
  /** Applied to the result; `gelu` is the exact form. @default 'none' */
  readonly activation?: 'none' | 'gelu';
  /** Factors of the rows in the gradients of their weights and biases alone; see weight-rates.ts. @default 1 */
  readonly weightRates?: readonly number[] | undefined;
}

const compose = (
  x: tf.Tensor3D,
  {
    merged,
    segments,
    activation,
    weightRates,
  }: Required<Omit<SegmentLinearOptions, 'weightRates'>> & {
    readonly weightRates: readonly number[] | undefined;
    readonly merged: readonly LinearExpert[];
    readonly segments: readonly SegmentSpan[];
  },
): tf.Tensor3D =>
  tf.tidy(() => {
    const parts = segments.map((span) => {
      if (span.length === 0) return null;
      const { weight, bias } = present(merged[span.row]);
      const rows = spanRows(x, span);
      const rates = weightRates && tf.fill([rows.shape[0]], present(weightRates[span.row]));
      return linear(rows, weight, bias, { activation, weightRates: rates }) as tf.Tensor2D;
    });
    const width = merged[0]?.weight.shape[0] ?? 0;
    return joinSpans(parts, { batch: x.shape[0], segments, width });
  });

/** Weights and biases of the rows as a kernel takes them. */
const named = (tensors: readonly (tf.Tensor | undefined)[]): Record<string, tf.Tensor | undefined> =>
  Object.fromEntries(tensors.map((tensor, at) => [`${at % 2 === 0 ? 'weight' : 'bias'}${at >> 1}`, tensor]));

/**
 * @param x float32 [B, L, I]; borrowed
 * @param merged weights of each row, as {@link mergeExperts} makes them; borrowed
 * @param segments spans of axis 1, in order, without gaps, covering L
 * @param options the activation
 * @returns a new float32 tensor [B, L, O]
 * @throws ShapeError; ConfigError for an unknown activation
 */
export const segmentLinear = (
  x: tf.Tensor3D,
  merged: readonly LinearExpert[],
  segments: readonly SegmentSpan[],
  { activation = 'none', weightRates }: SegmentLinearOptions = {},
): tf.Tensor3D => {
  const operator = 'segmentLinear';
  expectActivation(activation, operator);
  expectShape(x, [null, null, null], { operator, name: 'x [B, L, I]', remedy: 'add a batch axis' });
  expectSpans(segments, { operator, length: x.shape[1], rowCount: merged.length });
  if (weightRates) expectRates(weightRates, merged.length, operator);
  const tokens = x.shape[0] * x.shape[1];
  if (tokens === 0 || !hasKernel('PgSegmentLinear') || !hasKernel('PgSegmentLinearGrad'))
    return compose(x, { merged, segments, activation, weightRates });

  const [outputs] = present(merged[0]).weight.shape;
  merged.forEach(({ weight, bias }, row) => {
    const remedy = 'all rows have weights of one shape, made for the width of x';
    expectShape(weight, [outputs, x.shape[2]], { operator, name: `merged[${row}].weight`, remedy });
    expectShape(bias, [outputs], { operator, name: `merged[${row}].bias`, remedy });
  });
  const rows = merged.flatMap(({ weight, bias }) => [weight, bias]);
  const wantsWeights = rows.some(wantsGradient);
  return withGradient([x, ...rows], (save, recorded) => {
    const keep = recorded && activation !== 'none';
    // Weights that are not trained stay as they are, also where a gradient passes them.
    const attributes = { segments, activation, keep, held: !recorded || !wantsWeights };
    const [y, z] = runKernel('PgSegmentLinear', { x, ...named(rows) }, attributes);
    save([x, ...rows, ...(z ? [z] : [])]);
    return {
      value: present(y),
      gradient: (dy, [savedX, ...saved]) => {
        const [dx, ...gradients] = runKernel(
          'PgSegmentLinearGrad',
          { dy, x: savedX, z: saved[rows.length], ...named(saved.slice(0, rows.length)) },
          { ...attributes, wantsWeights },
        );
        if (!wantsWeights) return [dx, ...rows.map(() => undefined)];
        if (!weightRates) return [dx, ...gradients];
        return [dx, ...gradients.map((gradient, at) => tf.mul(gradient, present(weightRates[at >> 1])))];
      },
    };
  }) as tf.Tensor3D;
};
