/**
 * PgSegmentLinear, PgSegmentLinearGrad and PgMergeExperts: linear layers whose weights were merged before, one weight for
 * each span, and the merging.
 */
import type { NamedTensorInfoMap, TensorInfo } from '@tensorflow/tfjs';
import type { KernelContext } from '../kernel-context.ts';
import { registerTorchKernel, required } from '../kernel-registration.ts';
import type { Handle } from '../native/binding.ts';
import { expertsOf, mergeRows, type Choices } from './expert-weights.ts';
import { exactOf } from './operand.ts';
import { panelsOf, productWeightOf } from './product-weights.ts';
import { keptOf, spanInput, weightSpans, widened, type SegmentAttributes, type Span } from './segments.ts';
import {
  packedForward,
  spanBackward,
  spanForward,
  type SpanInput,
  type WeightSpan,
} from './span-products.ts';

/** Inputs weight0, bias0, ...: one pair for each row. */
const rowCount = (inputs: NamedTensorInfoMap): number => {
  let count = 0;
  while (inputs[`weight${count}`] !== undefined) count += 1;
  return count;
};

const weightsOf = (inputs: NamedTensorInfoMap): TensorInfo[] =>
  Array.from({ length: rowCount(inputs) }, (_, row) => required(inputs, `weight${row}`));

const rowSpans = (segments: readonly Span[], weights: readonly TensorInfo[]): WeightSpan[] =>
  weightSpans(
    segments,
    weights.map((_, row) => row),
  );

const registerSegments = (): void => {
  const read = (
    torch: KernelContext,
    inputs: NamedTensorInfoMap,
    segments: readonly Span[],
  ): { infos: TensorInfo[]; input: SpanInput } => {
    const infos = weightsOf(inputs);
    const weights = infos.map((info) => productWeightOf(torch, info));
    return { infos, input: spanInput(torch, required(inputs, 'x'), weights, rowSpans(segments, infos)) };
  };

  registerTorchKernel<NamedTensorInfoMap, SegmentAttributes>(
    'PgSegmentLinear',
    ({ inputs, attrs, torch }) => {
      const { segments, activation, keep, held = false } = attrs;
      const x = required(inputs, 'x');
      const infos = weightsOf(inputs);
      const outputs = infos[0]?.shape[0] ?? 0;
      const shape = widened(x.shape, outputs);
      const biases = infos.map((_, row) => exactOf(torch, required(inputs, `bias${row}`)));
      const panels = held ? panelsOf(torch, infos) : undefined;
      if (panels) {
        const input = {
          x: torch.tensorOf(x, torch.precision.product),
          panels,
          spans: rowSpans(segments, infos),
        };
        return torch.output(packedForward(torch, input, { biases, activation, outputs }), shape);
      }
      const { y, z } = spanForward(torch, read(torch, inputs, segments).input, { biases, activation, keep });
      return z === undefined ? torch.output(y, shape) : [torch.output(y, shape), torch.output(z, shape)];
    },
  );

  registerTorchKernel<NamedTensorInfoMap, SegmentAttributes>(
    'PgSegmentLinearGrad',
    ({ inputs, attrs, torch }) => {
      const { infos, input } = read(torch, inputs, attrs.segments);
      const { wantsWeights = true } = attrs;
      const { dx, weights, biases } = spanBackward(torch, input, {
        dy: torch.storedTensorOf(required(inputs, 'dy')),
        z: keptOf(torch, inputs['z']),
        wantsWeights,
        wantsBiases: wantsWeights,
      });
      if (!wantsWeights) return torch.output(dx, required(inputs, 'x').shape);
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
    const gates = torch.tensorOf(required(inputs, 'gates'), exact);
    const weights = mergeRows(torch, gates, expertsOf(torch, inputs, attrs, 'weight'), {
      choices: attrs,
      type: exact,
    });
    const biases = mergeRows(torch, gates, expertsOf(torch, inputs, attrs, 'bias'), {
      choices: attrs,
      type: exact,
    });
    return weights.flatMap((weight, at) => [
      torch.output(weight, required(inputs, 'weight0').shape),
      torch.output(biases[at] as Handle, required(inputs, 'bias0').shape),
    ]);
  });
};

export const registerSegmentLinear = (): void => {
  registerSegments();
  registerMerge();
};
