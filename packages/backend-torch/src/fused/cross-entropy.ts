/**
 * PgCrossEntropy and PgCrossEntropyGrad, in float32 whatever the policy. State: the log-probabilities, and, where labels
 * are smoothed and classes may be shut out by logits of -Infinity, the share of each row's open classes.
 */
import type { NamedTensorInfoMap, TensorInfo } from '@tensorflow/tfjs';
import type { KernelContext } from '../kernel-context.ts';
import { registerTorchKernel, required } from '../kernel-registration.ts';
import type { Handle } from '../native/binding.ts';
import { ScalarType } from '../native/scalar-types.ts';

const sumRows = (torch: KernelContext, handle: Handle, keep = false): Handle =>
  torch.aten('sum.dim_IntList', handle, [1], keep);

/** Whether some class of some row may be shut out. Reading the answer would stall a GPU, which computes as if. */
const mayBeShut = (torch: KernelContext, sums: Handle): boolean =>
  torch.device !== 'cpu' ||
  torch.dispatcher.value('is_nonzero', torch.aten('any', torch.aten('eq.Scalar', sums, -Infinity))) !== 0;

/** Log-probabilities of the labels, [N]. On a GPU a label that is no class gives NaN: an error would end the device. */
const pickedOf = (torch: KernelContext, log: Handle, labels: TensorInfo, classes: number): Handle => {
  const index = torch.aten('unsqueeze', torch.tensorOf(labels, ScalarType.int64), 1);
  if (torch.device === 'cpu') return torch.aten('squeeze.dim', torch.aten('gather', log, 1, index), 1);
  const inside = torch.aten('clamp', index, 0, classes - 1);
  const wrong = torch.aten('ne.Tensor', index, inside);
  const picked = torch.aten('masked_fill.Scalar', torch.aten('gather', log, 1, inside), wrong, NaN);
  return torch.aten('squeeze.dim', picked, 1);
};

export const registerCrossEntropy = (): void => {
  registerTorchKernel<{ logits: TensorInfo; labels: TensorInfo }, { labelSmoothing: number }>(
    'PgCrossEntropy',
    ({ inputs, attrs, torch }) => {
      const { logits, labels } = inputs;
      const [rows = 0, classes = 1] = logits.shape;
      const { labelSmoothing: smoothing } = attrs;
      const log = torch.aten('_log_softmax', torch.tensorOf(logits), 1, false);
      const picked = pickedOf(torch, log, labels, classes);
      const loss = torch.aten('mul.Scalar', picked, smoothing - 1);
      if (smoothing === 0) return [torch.output(loss, [rows]), torch.output(log, logits.shape)];
      const sums = sumRows(torch, log);
      if (!mayBeShut(torch, sums)) {
        const total = torch.aten('add.Tensor', loss, sums, -smoothing / classes);
        return [torch.output(total, [rows]), torch.output(log, logits.shape)];
      }
      const shut = torch.aten('eq.Scalar', log, -Infinity);
      const open = torch.aten('rsub.Scalar', sumRows(torch, shut, true), classes, 1);
      const shares = torch.aten('mul.Scalar', torch.aten('reciprocal', open), smoothing);
      const seen = sumRows(torch, torch.aten('masked_fill.Scalar', log, shut, 0));
      const smoothed = torch.aten('mul.Tensor', seen, torch.aten('squeeze.dim', shares, 1));
      return [
        torch.output(torch.aten('sub.Tensor', loss, smoothed, 1), [rows]),
        torch.output(log, logits.shape),
        torch.output(shares, [rows, 1]),
      ];
    },
  );

  registerTorchKernel<NamedTensorInfoMap, { labelSmoothing: number }>(
    'PgCrossEntropyGrad',
    ({ inputs, attrs, torch }) => {
      const [dy, state] = [required(inputs, 'dy'), required(inputs, 'state')];
      const shares = inputs['shares'] as TensorInfo | undefined;
      const { labelSmoothing: smoothing } = attrs;
      const classes = state.shape[1] ?? 1;
      const dLoss = torch.aten('unsqueeze', torch.tensorOf(dy), 1);
      const log = torch.tensorOf(state);
      let probabilities = torch.aten('exp', log);
      if (shares) {
        probabilities = torch.aten('sub_.Tensor', probabilities, torch.tensorOf(shares), 1);
        const shut = torch.aten('eq.Scalar', log, -Infinity);
        probabilities = torch.aten('masked_fill_.Scalar', probabilities, shut, 0);
      } else if (smoothing > 0) {
        probabilities = torch.aten('sub_.Scalar', probabilities, smoothing / classes);
      }
      const dLogits = torch.aten('mul_.Tensor', probabilities, dLoss);
      let index = torch.aten('unsqueeze', torch.tensorOf(required(inputs, 'labels'), ScalarType.int64), 1);
      if (torch.device !== 'cpu') index = torch.aten('clamp', index, 0, classes - 1);
      const share = torch.aten('mul.Scalar', dLoss, smoothing - 1);
      return [torch.output(torch.aten('scatter_add_', dLogits, 1, index, share), state.shape)];
    },
  );
};
