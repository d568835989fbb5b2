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
  packedInputGradient,
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
      const options = { biases, activation, keep, outputs };
      const spans = rowSpans(segments, infos);
      const { y, z } = panels
        ? packedForward(torch, { x: torch.tensorOf(x, torch.precision.product), panels, spans }, options)
        : spanForward(torch, read(torch, inputs, segments).input, options);
      return z === undefined ? torch.output(y, shape) : [torch.output(y, shape), torch.output(z, shape)];
    },
  );

  registerTorchKernel<NamedTensorInfoMap, SegmentAttributes>(
    'PgSegmentLinearGrad',
    ({ inputs, attrs, torch }) => {
      const { wantsWeights = true } = attrs;
      const gradients = {
        dy: torch.storedTensorOf(required(inputs, 'dy')),
        z: keptOf(torch, inputs['z']),
      };
      const { shape: xShape } = required(inputs, 'x');
      const all = weightsOf(inputs);
      const panels = wantsWeights ? undefined : panelsOf(torch, all, 'inputs');
      if (panels) {
        const packed = { panels, spans: rowSpans(attrs.segments, all), inputs: xShape[2] ?? 0 };
        return torch.output(packedInputGradient(torch, packed, gradients), xShape);
      }
      const { infos, input } = read(torch, inputs, attrs.segments);
      const { dx, weights, biases } = spanBackward(torch, input, {
        ...gradients,
        wantsWeights,
        wantsBiases: wantsWeights,
      });
      if (!wantsWeights) return torch.output(dx, xShape);
      return [
        torch.output(dx, xShape),
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
