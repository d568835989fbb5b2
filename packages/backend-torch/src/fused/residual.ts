/** PgResidual and PgResidualGrad: the residual stream is float32, the branch's gradient an activation of the policy. */
import type { TensorInfo } from '@tensorflow/tfjs';
import type { KernelContext } from '../kernel-context.ts';
import { registerTorchKernel } from '../kernel-registration.ts';
import type { Handle } from '../native/binding.ts';
import { columnSums } from './activation.ts';
import { exactOrNone, hasOwnOperators, lastOf, sizeOf, storedMatrixOf } from './operand.ts';

interface ResidualInputs {
  readonly x: TensorInfo;
  readonly branch: TensorInfo;
  readonly scale?: TensorInfo;
  readonly keep?: TensorInfo;
}

interface ResidualGradInputs {
  readonly dy: TensorInfo;
  readonly branch?: TensorInfo;
  readonly scale?: TensorInfo;
  readonly keep?: TensorInfo;
}

/** keep [B] as [B, 1] beside x as [B, rest]. */
const kept = (torch: KernelContext, x: Handle, keep: TensorInfo): Handle => {
  const samples = keep.shape[0] ?? 1;
  const column = torch.tensorOf({ ...keep, shape: [samples, 1] }, torch.precision.exact);
  const product = torch.aten('mul.Tensor', torch.aten('reshape', x, [samples, -1]), column);
  // A dropped branch is not looked at: 0 times NaN is NaN.
  return torch.aten('masked_fill.Scalar', product, torch.aten('eq.Scalar', column, 0), 0);
};

const composed = (
  torch: KernelContext,
  value: Handle,
  parts: { scale?: TensorInfo | undefined; keep?: TensorInfo | undefined; width: number },
): Handle => {
  let out = torch.aten('to.dtype', value, torch.precision.exact);
  if (parts.keep) out = kept(torch, out, parts.keep);
  out = torch.aten('reshape', out, [-1, parts.width]);
  return parts.scale
    ? torch.aten('mul.Tensor', out, torch.tensorOf(parts.scale, torch.precision.exact))
    : out;
};

export const registerResidual = (): void => {
  registerTorchKernel<ResidualInputs>('PgResidual', ({ inputs, torch }) => {
    const { x, branch, scale, keep } = inputs;
    const isFused = hasOwnOperators(torch);
    const y = isFused
      ? torch.aten(
          'polygate::residual',
          storedMatrixOf(torch, x),
          storedMatrixOf(torch, branch),
          exactOrNone(torch, scale),
          exactOrNone(torch, keep),
        )
      : torch.aten(
          'add.Tensor',
          storedMatrixOf(torch, x),
          composed(torch, storedMatrixOf(torch, branch), { scale, keep, width: lastOf(x.shape) }),
        );
    return torch.output(y, x.shape);
  });

  registerTorchKernel<ResidualGradInputs, { wantsScale: boolean }>(
    'PgResidualGrad',
    ({ inputs, attrs, torch }) => {
      const { dy, branch, scale, keep } = inputs;
      const { activation } = torch.precision;
      const width = lastOf(dy.shape);
      const g = storedMatrixOf(torch, dy);
      const wantsScale = attrs.wantsScale && branch !== undefined && sizeOf(dy.shape) > 0;
      let dBranch: Handle;
      let dScale: Handle | undefined;
      if (hasOwnOperators(torch)) {
        const [first, second] = torch.atenAll(
          'polygate::residual_backward',
          g,
          wantsScale ? storedMatrixOf(torch, branch) : null,
          exactOrNone(torch, scale),
          exactOrNone(torch, keep),
          activation,
        );
        dBranch = first as Handle;
        dScale = wantsScale ? (second as Handle) : undefined;
      } else {
        dBranch = torch.aten('to.dtype', composed(torch, g, { scale, keep, width }), activation);
        if (wantsScale) {
          const along = torch.aten(
            'mul.Tensor',
            torch.aten('to.dtype', g, torch.precision.exact),
            storedMatrixOf(torch, branch),
          );
          dScale = columnSums(torch, composed(torch, along, { keep, width }));
        }
      }
      const outputs = [torch.output(dBranch, dy.shape)];
      if (attrs.wantsScale) outputs.push(torch.output(dScale ?? torch.aten('zeros', [width]), [width]));
      return outputs;
    },
  );
};
