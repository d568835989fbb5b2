/**
 * Registers kernels of this engine with tfjs.
 *
 * A kernel is a function of its inputs, attributes and the engine's KernelContext:
 *
 *   registerTorchKernel('PgGelu', ({ inputs, torch }) => {
 *     const x = torch.tensorOf(required(inputs, 'x'));          // float32 view of the input, borrowed
 *     return torch.output(torch.aten('gelu', x), inputs.x.shape);
 *   });
 *
 * - `torch.aten('add.Tensor', a, b)` calls an operator (overload after the point), `torch.atenAll` one with
 *   several results, 'polygate::name' one of native/operators/*.cc. Operators are looked up once.
 * - `torch.tensorOf(info, type?)`, `storedTensorOf`, `typeOf`, `castOf` (remembered bf16 copy of a weight).
 * - Whatever the body creates is freed when it ends, also by an exception, except what `torch.output`
 *   returned. Nothing has to be released by hand.
 * - In place: only when `torch.isExclusive(info)`; call `torch.replaced(info)` afterwards.
 */
import { ConfigError } from '@polygate/core';
import * as tf from '@tensorflow/tfjs';
import type { NamedAttrMap, NamedTensorInfoMap, TensorInfo } from '@tensorflow/tfjs';
import type { TorchBackend } from './backend.ts';
import type { KernelContext } from './kernel-context.ts';

export const BACKEND_NAME = 'torch';

export interface KernelCall<Inputs, Attributes> {
  readonly inputs: Inputs;
  readonly attrs: Attributes;
  readonly torch: KernelContext;
}

export type KernelBody<Inputs, Attributes> = (
  call: KernelCall<Inputs, Attributes>,
) => TensorInfo | TensorInfo[];

/**
 * Registers a kernel under a tfjs kernel name, once per process.
 * `Inputs` and `Attributes` are the kernel's own types, e.g. tf.AddInputs; tfjs passes them untyped.
 */
export const registerTorchKernel = <Inputs = NamedTensorInfoMap, Attributes = NamedAttrMap>(
  kernelName: string,
  body: KernelBody<Inputs, Attributes>,
): void => {
  tf.registerKernel({
    kernelName,
    backendName: BACKEND_NAME,
    kernelFunc: ({ inputs, attrs, backend }) => {
      const torch = (backend as TorchBackend).context;
      return torch.runKernel(() =>
        body({ inputs: inputs as Inputs, attrs: (attrs ?? {}) as Attributes, torch }),
      );
    },
  });
};

/** An input that must be there. @throws ConfigError naming it */
export const required = (
  inputs: Readonly<Record<string, TensorInfo | undefined>>,
  name: string,
): TensorInfo => {
  const info = inputs[name];
  if (info === undefined) throw new ConfigError(`expected an input named "${name}", got none`);
  return info;
};
