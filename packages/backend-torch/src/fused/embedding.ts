/** PgEmbedding and PgEmbeddingGrad: rows of a table, and the sums of their gradients in float32. */
import type { TensorInfo } from '@tensorflow/tfjs';
import { registerTorchKernel } from '../kernel-registration.ts';
import { ScalarType } from '../native/scalar-types.ts';
import { lastOf } from './operand.ts';

export const registerEmbedding = (): void => {
  registerTorchKernel<{ table: TensorInfo; ids: TensorInfo }>('PgEmbedding', ({ inputs, torch }) => {
    const { table, ids } = inputs;
    const index = torch.tensorOf(ids, ScalarType.int64);
    const rows = torch.aten('embedding', torch.tensorOf(table), index);
    return torch.output(rows, [...ids.shape, lastOf(table.shape)]);
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
