/**
 * PgConditionalLinear, PgConditionalLinearGrad, PgSegmentLinear, PgSegmentLinearGrad and PgMergeExperts: merged experts
 * in one pass over their float32 weights, written straight in the policy's product type; the products of all spans in
 * one call; the weight gradient of each row shared out to experts and gates in one pass.
 */
import type { NamedTensorInfoMap, TensorInfo } from '@tensorflow/tfjs';
import type { KernelContext } from '../kernel-context.ts';
import { registerTorchKernel, required } from '../kernel-registration.ts';
import type { Handle } from '../native/binding.ts';
import { mergeRows, shareRows, type Choices } from './expert-weights.ts';
import { exactOf } from './operand.ts';
import { productWeightOf } from './product-weights.ts';
import { spanBackward, spanForward, type SpanInput, type WeightSpan } from './span-products.ts';

interface Span {
  readonly row: number;
  readonly start: number;
  readonly length: number;
}

interface SegmentAttributes {
  readonly segments: readonly Span[];
  readonly activation: 'none' | 'gelu';
  /** Whether the gradient will ask for what was before the activation, the last output. */
  readonly keep: boolean;
}

type ConditionalAttributes = Choices & SegmentAttributes;

const experts = (
  torch: KernelContext,
  inputs: NamedTensorInfoMap,
  { used }: Choices,
  name: 'weight' | 'bias',
): Handle[] => used.map((_, at) => exactOf(torch, required(inputs, `${name}${at}`)));

/** Rows that chose experts, in order: those that have merged weights. */
const activeRows = ({ chosen }: Choices): number[] =>
  chosen.flatMap((ids, row) => (ids.length > 0 ? [row] : []));

/** Spans by the place of their row among `rows`; empty ones are left out. */
const weightSpans = (segments: readonly Span[], rows: readonly number[]): WeightSpan[] =>
  segments.flatMap(({ row, start, length }) =>
    length > 0 ? [{ weight: rows.indexOf(row), start, length }] : [],
  );

const spanInput = (
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

const widen = (shape: readonly number[], width: number): number[] => [...shape.slice(0, -1), width];

const kept = (torch: KernelContext, z: TensorInfo | undefined): Handle | undefined =>
  z === undefined ? undefined : torch.storedTensorOf(z);

const registerConditional = (): void => {
  registerTorchKernel<NamedTensorInfoMap, ConditionalAttributes>(
    'PgConditionalLinear',
    ({ inputs, attrs, torch }) => {
      const { product, exact } = torch.precision;
      const x = required(inputs, 'x');
      const { shape } = required(inputs, 'weight0');
      const gates = exactOf(torch, required(inputs, 'gates'));
      const weights = mergeRows(torch, gates, experts(torch, inputs, attrs, 'weight'), {
        choices: attrs,
        type: product,
      });
      const biases = mergeRows(torch, gates, experts(torch, inputs, attrs, 'bias'), {
        choices: attrs,
        type: exact,
      });
      const spans = weightSpans(attrs.segments, activeRows(attrs));
      const { y, z } = spanForward(torch, spanInput(torch, x, weights, spans), {
        biases,
        activation: attrs.activation,
        keep: attrs.keep,
      });
      const outShape = widen(x.shape, shape[0] ?? 0);
      return [
        torch.output(y, outShape),
        ...weights.map((weight) => torch.output(weight, shape)),
        ...(z === undefined ? [] : [torch.output(z, outShape)]),
      ];
    },
  );

  registerTorchKernel<NamedTensorInfoMap, ConditionalAttributes>(
    'PgConditionalLinearGrad',
    ({ inputs, attrs, torch }) => {
      const x = required(inputs, 'x');
      const gatesInfo = required(inputs, 'gates');
      const gates = exactOf(torch, gatesInfo);
      const active = activeRows(attrs);
      const merged = active.map((_, at) =>
        torch.tensorOf(required(inputs, `merged${at}`), torch.precision.product),
      );
      const rows = spanBackward(torch, spanInput(torch, x, merged, weightSpans(attrs.segments, active)), {
        dy: torch.storedTensorOf(required(inputs, 'dy')),
        z: kept(torch, inputs['z']),
        wantsWeights: true,
        wantsBiases: true,
      });
      const context = { gates, choices: attrs };
      const forWeights = shareRows(torch, rows.weights, experts(torch, inputs, attrs, 'weight'), context);
      const forBiases = shareRows(torch, rows.biases, experts(torch, inputs, attrs, 'bias'), context);
      const dGates = torch.aten('add.Tensor', forWeights.dGates, forBiases.dGates);
      const outputs: TensorInfo[] = [torch.output(rows.dx, x.shape), torch.output(dGates, gatesInfo.shape)];
      attrs.used.forEach((_, at) => {
        outputs.push(torch.output(forWeights.gradients[at] as Handle, required(inputs, `weight${at}`).shape));
        outputs.push(torch.output(forBiases.gradients[at] as Handle, required(inputs, `bias${at}`).shape));
      });
      return outputs;
    },
  );
};

/** Inputs weight0, bias0, ...: one pair for each row. */
const rowCount = (inputs: NamedTensorInfoMap): number => {
  let count = 0;
  while (inputs[`weight${count}`] !== undefined) count += 1;
  return count;
};

const registerSegments = (): void => {
  const read = (
    torch: KernelContext,
    inputs: NamedTensorInfoMap,
    segments: readonly Span[],
  ): { infos: TensorInfo[]; input: SpanInput } => {
    const infos = Array.from({ length: rowCount(inputs) }, (_, row) => required(inputs, `weight${row}`));
    const weights = infos.map((info) => productWeightOf(torch, info));
    const spans = weightSpans(
      segments,
      infos.map((_, row) => row),
    );
    return { infos, input: spanInput(torch, required(inputs, 'x'), weights, spans) };
  };

  registerTorchKernel<NamedTensorInfoMap, SegmentAttributes>(
    'PgSegmentLinear',
    ({ inputs, attrs, torch }) => {
      const { infos, input } = read(torch, inputs, attrs.segments);
      const { y, z } = spanForward(torch, input, {
        biases: infos.map((_, row) => exactOf(torch, required(inputs, `bias${row}`))),
        activation: attrs.activation,
        keep: attrs.keep,
      });
      const shape = widen(required(inputs, 'x').shape, infos[0]?.shape[0] ?? 0);
      return z === undefined ? torch.output(y, shape) : [torch.output(y, shape), torch.output(z, shape)];
    },
  );

  registerTorchKernel<NamedTensorInfoMap, SegmentAttributes>(
    'PgSegmentLinearGrad',
    ({ inputs, attrs, torch }) => {
      const { infos, input } = read(torch, inputs, attrs.segments);
      const { dx, weights, biases } = spanBackward(torch, input, {
        dy: torch.storedTensorOf(required(inputs, 'dy')),
        z: kept(torch, inputs['z']),
        wantsWeights: true,
        wantsBiases: true,
      });
      return [
        torch.output(dx, required(inputs, 'x').shape),
        ...infos.flatMap(({ shape }, row) => [
          torch.output(weights[row] as Handle, shape),
          torch.output(biases[row] as Handle, [shape[0] ?? 0]),
        ]),
      ];
    },
  );
};

/** Merged weights in float32: they are cached or exported, and products remember their own copies. */
const registerMerge = (): void => {
  registerTorchKernel<NamedTensorInfoMap, Choices>('PgMergeExperts', ({ inputs, attrs, torch }) => {
    const { exact } = torch.precision;
    const gates = exactOf(torch, required(inputs, 'gates'));
    const weights = mergeRows(torch, gates, experts(torch, inputs, attrs, 'weight'), {
      choices: attrs,
      type: exact,
    });
    const biases = mergeRows(torch, gates, experts(torch, inputs, attrs, 'bias'), {
      choices: attrs,
      type: exact,
    });
    return weights.flatMap((weight, at) => [
      torch.output(weight, required(inputs, 'weight0').shape),
      torch.output(biases[at] as Handle, required(inputs, 'bias0').shape),
    ]);
  });
};

export const registerConditionalLinear = (): void => {
  registerConditional();
  registerSegments();
  registerMerge();
};
