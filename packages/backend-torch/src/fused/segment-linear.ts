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
import { productWeightOf } from './product-weights.ts';
import { keptOf, spanInput, weightSpans, widened, type SegmentAttributes, type Span } from './segments.ts';
import { spanBackward, spanForward, type SpanInput } from './span-products.ts';

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
      const shape = widened(required(inputs, 'x').shape, infos[0]?.shape[0] ?? 0);
      return z === undefined ? torch.output(y, shape) : [torch.output(y, shape), torch.output(z, shape)];
    },
  );

  registerTorchKernel<NamedTensorInfoMap, SegmentAttributes>(
    'PgSegmentLinearGrad',
    ({ inputs, attrs, torch }) => {
      const { infos, input } = read(torch, inputs, attrs.segments);
      const { dx, weights, biases } = spanBackward(torch, input, {
        dy: torch.storedTensorOf(required(inputs, 'dy')),
        z: keptOf(torch, inputs['z']),
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
