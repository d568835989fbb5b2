/**
 * PgAdamW and PgGlobalNorm over all parameters at once. Weights and moments are float32 and written in place; the bf16
 * copies of weights that products use are written in the same pass, so nothing is cast again in the next step.
 */
import type { NamedTensorInfoMap, TensorInfo } from '@tensorflow/tfjs';
import { EngineError } from '@polygate/core';
import type { KernelContext } from '../kernel-context.ts';
import { registerTorchKernel } from '../kernel-registration.ts';
import type { Handle } from '../native/binding.ts';
import { ScalarType } from '../native/scalar-types.ts';
import { hasOwnOperators } from './operand.ts';
import { productCopyOf } from './product-weights.ts';

interface AdamWAttributes {
  readonly variables: readonly TensorInfo[];
  readonly gradients: readonly TensorInfo[];
  /** Moments. */
  readonly first: readonly TensorInfo[];
  readonly second: readonly TensorInfo[];
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly gradScale: number;
  readonly decayFactors: readonly number[];
  readonly stepSizes: readonly number[];
  readonly secondCorrections: readonly number[];
}

/** The handle to write; @throws EngineError when others see the same storage */
const writable = (torch: KernelContext, info: TensorInfo): Handle => {
  if (!torch.isExclusive(info)) {
    throw new EngineError(
      'PgAdamW: expected a parameter that owns its storage, got one that shares it with another tensor; dispose of views of parameters before the update',
      { code: 'shared-storage' },
    );
  }
  return torch.storedTensorOf(info);
};

const composedStep = (
  torch: KernelContext,
  [w, g, m, v]: readonly [Handle, Handle, Handle, Handle],
  at: number,
  attributes: AdamWAttributes,
): void => {
  const { beta1, beta2, epsilon, gradScale, decayFactors, stepSizes, secondCorrections } = attributes;
  const gradient = gradScale === 1 ? g : torch.aten('mul.Scalar', g, gradScale);
  torch.aten('add_.Tensor', torch.aten('mul_.Scalar', m, beta1), gradient, 1 - beta1);
  torch.aten('addcmul_', torch.aten('mul_.Scalar', v, beta2), gradient, gradient, 1 - beta2);
  const root = torch.aten('mul_.Scalar', torch.aten('sqrt', v), secondCorrections[at] ?? 1);
  const denominator = torch.aten('add_.Scalar', root, epsilon);
  torch.aten(
    'addcdiv_',
    torch.aten('mul_.Scalar', w, decayFactors[at] ?? 1),
    m,
    denominator,
    -(stepSizes[at] ?? 0),
  );
};

export const registerOptimizer = (): void => {
  registerTorchKernel<NamedTensorInfoMap, AdamWAttributes>('PgAdamW', ({ attrs, torch }) => {
    const { variables } = attrs;
    const weights = variables.map((info) => writable(torch, info));
    const first = attrs.first.map((info) => writable(torch, info));
    const second = attrs.second.map((info) => writable(torch, info));
    const gradients = attrs.gradients.map((info) => torch.storedTensorOf(info));
    if (!hasOwnOperators(torch)) {
      weights.forEach((w, at) => {
        const g = torch.aten('to.dtype', gradients[at] as Handle, ScalarType.float32);
        composedStep(torch, [w, g, first[at] as Handle, second[at] as Handle], at, attrs);
      });
      for (const info of variables) torch.replaced(info);
      return [];
    }
    const none = torch.aten('empty.memory_format', [0], ScalarType.bfloat16);
    const copies = variables.map((info) => {
      const copy = productCopyOf(torch, info);
      if (copy === undefined) torch.replaced(info);
      else torch.written(info);
      return copy ?? none;
    });
    torch.atenAll(
      'polygate::adamw_',
      weights,
      gradients,
      first,
      second,
      copies,
      attrs.decayFactors,
      attrs.stepSizes,
      attrs.secondCorrections,
      [attrs.beta1, attrs.beta2, attrs.epsilon, attrs.gradScale],
    );
    return [];
  });

  registerTorchKernel<NamedTensorInfoMap, { tensors: readonly TensorInfo[] }>(
    'PgGlobalNorm',
    ({ attrs, torch }) => {
      const tensors = attrs.tensors.map((info) => torch.storedTensorOf(info));
      if (hasOwnOperators(torch)) return torch.output(torch.aten('polygate::global_norm', tensors), []);
      const norms = tensors.map((tensor) =>
        torch.aten('linalg_vector_norm', tensor, 2, null, false, ScalarType.float32),
      );
      return torch.output(
        torch.aten('linalg_vector_norm', torch.aten('stack', norms, 0), 2, null, false),
        [],
      );
    },
  );
};
