/**
 * PgConditionalLinear and PgConditionalLinearGrad: experts merged in one pass over their float32 weights, straight to the
 * policy's product type; the products of all spans; the weight gradient of each row shared out to experts and gates
 * while it is in cache. One native call each way on the CPU.
 */
import type { NamedTensorInfoMap, TensorInfo } from '@tensorflow/tfjs';
import type { KernelContext } from '../kernel-context.ts';
import { registerTorchKernel, required } from '../kernel-registration.ts';
import type { Handle } from '../native/binding.ts';
import { expertsOf, flatten, mergeRows, shareRows, type Choices } from './expert-weights.ts';
import { hasOwnOperators } from './operand.ts';
import { keptOf, spanInput, weightSpans, widened, type SegmentAttributes } from './segments.ts';
import { flatSpans, spanBackward, spanForward, type WeightSpan } from './span-products.ts';

type ConditionalAttributes = Choices & SegmentAttributes;

/** Rows that chose experts, in order: those that have merged weights. */
const activeRows = ({ chosen }: Choices): number[] =>
  chosen.flatMap((ids, row) => (ids.length > 0 ? [row] : []));

/** What one call of the layer works on, forward and backward. */
interface Mixture {
  readonly x: TensorInfo;
  readonly gates: Handle;
  readonly weights: readonly Handle[];
  readonly biases: readonly Handle[];
  readonly spans: readonly WeightSpan[];
  readonly attrs: ConditionalAttributes;
}

const mixtureOf = (
  torch: KernelContext,
  inputs: NamedTensorInfoMap,
  attrs: ConditionalAttributes,
): Mixture => ({
  x: required(inputs, 'x'),
  gates: torch.tensorOf(required(inputs, 'gates'), torch.precision.exact),
  weights: expertsOf(torch, inputs, attrs, 'weight'),
  biases: expertsOf(torch, inputs, attrs, 'bias'),
  spans: weightSpans(attrs.segments, activeRows(attrs)),
  attrs,
});

interface Forward {
  readonly y: Handle;
  readonly z: Handle | undefined;
  readonly merged: readonly Handle[];
}

const forward = (torch: KernelContext, mixture: Mixture): Forward => {
  const { product, exact } = torch.precision;
  const { x, gates, weights, biases, spans, attrs } = mixture;
  const { activation, keep } = attrs;
  if (hasOwnOperators(torch)) {
    const { flat, ends } = flatten(attrs);
    const gelu = activation === 'gelu';
    const [y, z, ...merged] = torch.atenAll(
      'polygate::conditional_linear',
      torch.tensorOf(x, product),
      weights,
      biases,
      gates,
      attrs.used,
      flat,
      ends,
      flatSpans(spans),
      product,
      gelu,
      keep,
    );
    return { y: y as Handle, z: gelu && keep ? z : undefined, merged };
  }
  const merged = mergeRows(torch, gates, weights, { choices: attrs, type: product });
  const offsets = mergeRows(torch, gates, biases, { choices: attrs, type: exact });
  const input = spanInput(torch, x, merged, spans);
  return { ...spanForward(torch, input, { biases: offsets, activation, keep }), merged };
};

interface Backward {
  readonly dx: Handle;
  readonly dGates: Handle;
  readonly weights: readonly Handle[];
  readonly biases: readonly Handle[];
}

const backward = (
  torch: KernelContext,
  mixture: Mixture,
  saved: { readonly dy: Handle; readonly z: Handle | undefined; readonly merged: readonly Handle[] },
): Backward => {
  const { x, gates, weights, biases, spans, attrs } = mixture;
  const { dy, z, merged } = saved;
  if (hasOwnOperators(torch)) {
    const { flat, ends } = flatten(attrs);
    const [dx, dGates, ...gradients] = torch.atenAll(
      'polygate::conditional_linear_backward',
      dy,
      torch.tensorOf(x, torch.precision.product),
      merged,
      z ?? null,
      weights,
      biases,
      gates,
      attrs.used,
      flat,
      ends,
      flatSpans(spans),
    );
    return {
      dx: dx as Handle,
      dGates: dGates as Handle,
      weights: gradients.slice(0, weights.length),
      biases: gradients.slice(weights.length),
    };
  }
  const rows = spanBackward(torch, spanInput(torch, x, merged, spans), {
    dy,
    z,
    wantsWeights: true,
    wantsBiases: true,
  });
  const forWeights = shareRows(torch, rows.weights, weights, { gates, choices: attrs });
  const forBiases = shareRows(torch, rows.biases, biases, { gates, choices: attrs });
  return {
    dx: rows.dx,
    dGates: torch.aten('add.Tensor', forWeights.dGates, forBiases.dGates),
    weights: forWeights.gradients,
    biases: forBiases.gradients,
  };
};

export const registerConditionalLinear = (): void => {
  registerTorchKernel<NamedTensorInfoMap, ConditionalAttributes>(
    'PgConditionalLinear',
    ({ inputs, attrs, torch }) => {
      const mixture = mixtureOf(torch, inputs, attrs);
      const { y, z, merged } = forward(torch, mixture);
      const { shape } = required(inputs, 'weight0');
      const outShape = widened(mixture.x.shape, shape[0] ?? 0);
      return [
        torch.output(y, outShape),
        ...merged.map((weight) => torch.output(weight, shape)),
        ...(z === undefined ? [] : [torch.output(z, outShape)]),
      ];
    },
  );

  registerTorchKernel<NamedTensorInfoMap, ConditionalAttributes>(
    'PgConditionalLinearGrad',
    ({ inputs, attrs, torch }) => {
      const mixture = mixtureOf(torch, inputs, attrs);
      const saved = {
        dy: torch.storedTensorOf(required(inputs, 'dy')),
        z: keptOf(torch, inputs['z']),
        merged: activeRows(attrs).map((_, at) =>
          torch.tensorOf(required(inputs, `merged${at}`), torch.precision.product),
        ),
      };
      if (attrs.wantsWeights === false) {
        const input = spanInput(torch, mixture.x, saved.merged, mixture.spans);
        const { dx } = spanBackward(torch, input, { ...saved, wantsWeights: false, wantsBiases: false });
        return torch.output(dx, mixture.x.shape);
      }
      const { dx, dGates, weights, biases } = backward(torch, mixture, saved);
      const outputs: TensorInfo[] = [
        torch.output(dx, mixture.x.shape),
        torch.output(dGates, required(inputs, 'gates').shape),
      ];
      attrs.used.forEach((_, at) => {
        outputs.push(torch.output(weights[at] as Handle, required(inputs, `weight${at}`).shape));
        outputs.push(torch.output(biases[at] as Handle, required(inputs, `bias${at}`).shape));
      });
      return outputs;
    },
  );
};
