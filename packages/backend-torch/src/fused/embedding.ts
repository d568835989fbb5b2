/** PgEmbedding and PgEmbeddingGrad: rows of a table, and the sums of their gradients in float32. */
import type { TensorInfo } from '@tensorflow/tfjs';
import { registerTorchKernel } from '../kernel-registration.ts';
import { ScalarType } from '../native/scalar-types.ts';
import { lastOf } from './operand.ts';

export const registerEmbedding = (): void => {
  registerTorchKernel<{ table: TensorInfo; ids: TensorInfo }>('PgEmbedding', ({ inputs, torch }) => {
    const { table, ids } = inputs;
    const index = torch.tensorOf(ids, ScalarType.int64);
    const shape = [...ids.shape, lastOf(table.shape)];
    if (torch.device === 'cpu')
      return torch.output(torch.aten('embedding', torch.tensorOf(table), index), shape);
    // On a GPU an id without a row would end the device for the process.
    const inside = torch.aten('clamp', index, 0, (table.shape[0] ?? 1) - 1);
    const wrong = torch.aten('unsqueeze', torch.aten('ne.Tensor', index, inside), -1);
    const rows = torch.aten('embedding', torch.tensorOf(table), inside);
    return torch.output(torch.aten('masked_fill_.Scalar', rows, wrong, NaN), shape);
  });

  registerTorchKernel<{ dy: TensorInfo; ids: TensorInfo }, { entries: number }>(
    'PgEmbeddingGrad',
    ({ inputs, attrs, torch }) => {
      const { dy, ids } = inputs;
      const index = torch.tensorOf(ids, ScalarType.int64);
      const gradient = torch.aten(
        'embedding_dense_backward',
        torch.tensorOf(dy),
        index,
        attrs.entries,
        -1,
        false,
      );
      return torch.output(gradient, [attrs.entries, lastOf(dy.shape)]);
    },
  );
};
