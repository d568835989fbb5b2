/** PgCrossEntropy and PgCrossEntropyGrad, in float32 whatever the policy. State: the log-probabilities. */
import type { TensorInfo } from '@tensorflow/tfjs';
import { registerTorchKernel } from '../kernel-registration.ts';
import { ScalarType } from '../native/scalar-types.ts';

export const registerCrossEntropy = (): void => {
  registerTorchKernel<{ logits: TensorInfo; labels: TensorInfo }, { labelSmoothing: number }>(
    'PgCrossEntropy',
    ({ inputs, attrs, torch }) => {
      const { logits, labels } = inputs;
      const [rows = 0, classes = 1] = logits.shape;
      const { labelSmoothing: smoothing } = attrs;
      const log = torch.aten('_log_softmax', torch.tensorOf(logits), 1, false);
      const index = torch.aten('unsqueeze', torch.tensorOf(labels, ScalarType.int64), 1);
      const picked = torch.aten('squeeze.dim', torch.aten('gather', log, 1, index), 1);
      let loss = torch.aten('mul.Scalar', picked, smoothing - 1);
      if (smoothing > 0) {
        loss = torch.aten(
          'add.Tensor',
          loss,
          torch.aten('sum.dim_IntList', log, [1], false),
          -smoothing / classes,
        );
      }
      return [torch.output(loss, [rows]), torch.output(log, logits.shape)];
    },
  );

  registerTorchKernel<{ dy: TensorInfo; state: TensorInfo; labels: TensorInfo }, { labelSmoothing: number }>(
    'PgCrossEntropyGrad',
    ({ inputs, attrs, torch }) => {
      const { dy, state, labels } = inputs;
      const { labelSmoothing: smoothing } = attrs;
      const classes = state.shape[1] ?? 1;
      const dLoss = torch.aten('unsqueeze', torch.tensorOf(dy), 1);
      let probabilities = torch.aten('exp', torch.tensorOf(state));
      if (smoothing > 0) probabilities = torch.aten('sub_.Scalar', probabilities, smoothing / classes);
      const dLogits = torch.aten('mul_.Tensor', probabilities, dLoss);
      const index = torch.aten('unsqueeze', torch.tensorOf(labels, ScalarType.int64), 1);
      const share = torch.aten('mul.Scalar', dLoss, smoothing - 1);
      return [torch.output(torch.aten('scatter_add_', dLogits, 1, index, share), state.shape)];
    },
  );
};
