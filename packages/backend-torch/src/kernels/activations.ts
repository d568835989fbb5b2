/** The activations that tfjs's fused products and convolutions end with. */
import type { TensorInfo } from '@tensorflow/tfjs';
import type { KernelContext } from '../kernel-context.ts';
import type { Handle } from '../native/binding.ts';
import { unknownName } from '@polygate/core';
import { prelu } from './unary.ts';

export type Activation =
  'linear' | 'relu' | 'relu6' | 'elu' | 'prelu' | 'leakyrelu' | 'sigmoid' | undefined | null;

const KNOWN = ['linear', 'relu', 'relu6', 'elu', 'prelu', 'leakyrelu', 'sigmoid'] as const;

/** Applies in place where it can: `x` must be the caller's own. */
export const applyActivation = (
  torch: KernelContext,
  x: Handle,
  options: {
    activation: Activation;
    prelu?: TensorInfo | undefined;
    leakyreluAlpha?: number | undefined;
  },
): Handle => {
  switch (options.activation) {
    case undefined:
    case null:
    case 'linear':
      return x;
    case 'relu':
      return torch.aten('relu_', x);
    case 'relu6':
      return torch.aten('clamp_', x, 0, 6);
    case 'elu':
      return torch.aten('elu_', x);
    case 'sigmoid':
      return torch.aten('sigmoid_', x);
    case 'leakyrelu':
      return torch.aten('leaky_relu_', x, options.leakyreluAlpha ?? 0.2);
    case 'prelu':
      if (options.prelu === undefined) throw new TypeError('prelu: expected its weights, got none');
      return prelu(torch, x, torch.tensorOf(options.prelu, torch.dispatcher.dtypeOf(x)));
    default:
      options.activation satisfies never;
      throw unknownName('activation', String(options.activation), KNOWN);
  }
};
