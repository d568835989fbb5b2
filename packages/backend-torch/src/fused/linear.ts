/**
 * PgLinear and PgLinearGrad: y = act(x W^T + b). Products in the policy's type; bias, GELU and the bias gradient in
 * float32 arithmetic, in the same pass as the product where the CPU allows.
 */
import type { TensorInfo } from '@tensorflow/tfjs';
import type { KernelContext } from '../kernel-context.ts';
import { registerTorchKernel } from '../kernel-registration.ts';
import { exactOrNone, lastOf, sizeOf } from './operand.ts';
import { panelsOf, productWeightOf } from './product-weights.ts';
import {
  packedForward,
  packedInputGradient,
  spanBackward,
  spanForward,
  type SpanInput,
} from './span-products.ts';

interface LinearInputs {
  readonly x: TensorInfo;
  readonly weight: TensorInfo;
  readonly bias?: TensorInfo;
}

interface LinearGradInputs {
  readonly dy: TensorInfo;
  readonly x: TensorInfo;
  readonly weight: TensorInfo;
  /** Before the activation; only with one. */
  readonly z?: TensorInfo;
}

interface LinearAttributes {
  readonly activation: 'none' | 'gelu';
  /** Whether the gradient will ask for what was before the activation, the second output. */
  readonly keep: boolean;
  /** Whether no gradient of the weight will be asked for: it is likely to stay as it is. */
  readonly held?: boolean;
}

interface LinearGradAttributes {
  readonly wantsWeight: boolean;
  readonly wantsBias: boolean;
}

/** x [..., D] as samples [B, L, D]: as it is when it has them, else one sample of all rows. */
const asSamples = (info: TensorInfo): TensorInfo => {
  if (info.shape.length === 3) return info;
  const width = lastOf(info.shape);
  return { ...info, shape: [1, sizeOf(info.shape) / Math.max(1, width), width] };
};

const rowsInput = (torch: KernelContext, x: TensorInfo): Omit<SpanInput, 'weights'> => {
  const samples = asSamples(x);
  const [batch = 0, length = 0] = samples.shape;
  return {
    x: torch.tensorOf(samples, torch.precision.product),
    batch,
    spans: [{ weight: 0, start: 0, length }],
  };
};

const spanInput = (torch: KernelContext, x: TensorInfo, weight: TensorInfo): SpanInput => ({
  ...rowsInput(torch, x),
  weights: [productWeightOf(torch, weight)],
});

export const registerLinear = (): void => {
  registerTorchKernel<LinearInputs, LinearAttributes>('PgLinear', ({ inputs, attrs, torch }) => {
    const { x, weight, bias } = inputs;
    const shape = [...x.shape.slice(0, -1), weight.shape[0] ?? 0];
    const offset = exactOrNone(torch, bias);
    const biases = offset === null ? [] : [offset];
    const { activation, keep, held = false } = attrs;
    const panels = held ? panelsOf(torch, [weight]) : undefined;
    const options = { biases, activation, keep, outputs: weight.shape[0] ?? 0 };
    const { y, z } = panels
      ? packedForward(torch, { ...rowsInput(torch, x), panels }, options)
      : spanForward(torch, spanInput(torch, x, weight), options);
    return z === undefined ? torch.output(y, shape) : [torch.output(y, shape), torch.output(z, shape)];
  });

  registerTorchKernel<LinearGradInputs, LinearGradAttributes>('PgLinearGrad', ({ inputs, attrs, torch }) => {
    const { dy, x, weight, z } = inputs;
    const panels = attrs.wantsWeight || attrs.wantsBias ? undefined : panelsOf(torch, [weight], 'inputs');
    if (panels) {
      const [, length = 0] = asSamples(dy).shape;
      const spans = [{ weight: 0, start: 0, length }];
      const gradient = packedInputGradient(
        torch,
        { panels, spans, inputs: lastOf(x.shape) },
        {
          dy: torch.storedTensorOf(asSamples(dy)),
          z: z === undefined ? undefined : torch.storedTensorOf(asSamples(z)),
        },
      );
      return torch.output(gradient, x.shape);
    }
    const { dx, weights, biases } = spanBackward(torch, spanInput(torch, x, weight), {
      dy: torch.storedTensorOf(asSamples(dy)),
      z: z === undefined ? undefined : torch.storedTensorOf(asSamples(z)),
      wantsWeights: attrs.wantsWeight,
      wantsBiases: attrs.wantsBias,
    });
    return [
      torch.output(dx, x.shape),
      ...weights.map((gradient) => torch.output(gradient, weight.shape)),
      ...biases.map((gradient) => torch.output(gradient, [lastOf(dy.shape)])),
    ];
  });
};
