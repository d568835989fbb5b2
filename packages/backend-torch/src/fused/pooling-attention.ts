/** PgPoolingAttention and PgPoolingAttentionGrad: weighted means of tokens, float32 whatever the policy. */
import type { TensorInfo } from '@tensorflow/tfjs';
import { registerTorchKernel } from '../kernel-registration.ts';
import type { Handle } from '../native/binding.ts';
import { exactOf, exactOrNone, hasOwnOperators } from './operand.ts';

interface PoolingInputs {
  readonly x: TensorInfo;
  readonly queries: TensorInfo;
  readonly visible?: TensorInfo;
}

interface PoolingGradInputs {
  readonly dy: TensorInfo;
  readonly x: TensorInfo;
  readonly queries: TensorInfo;
  readonly weights: TensorInfo;
}

/** Added to the scores of padding. */
const FAR = -1e9;

export const registerPoolingAttention = (): void => {
  registerTorchKernel<PoolingInputs>('PgPoolingAttention', ({ inputs, torch }) => {
    const { x, queries, visible } = inputs;
    const { exact } = torch.precision;
    const [batch = 0, tokens = 0, width = 0] = x.shape;
    const heads = queries.shape[1] ?? 0;
    if (hasOwnOperators(torch)) {
      const [means, own] = torch.atenAll(
        'polygate::pool_tokens',
        torch.storedTensorOf(x),
        exactOf(torch, queries),
        exactOrNone(torch, visible),
      );
      return [
        torch.output(means as Handle, [batch, heads, width]),
        torch.output(own as Handle, [batch, heads, tokens]),
      ];
    }
    const source = torch.tensorOf(x, exact);
    let scores = torch.aten('bmm', torch.tensorOf(queries, exact), torch.aten('transpose.int', source, 1, 2));
    const mask = visible && torch.tensorOf({ ...visible, shape: [batch, 1, tokens] }, exact);
    if (mask !== undefined) {
      const hidden = torch.aten('mul.Scalar', torch.aten('rsub.Scalar', mask, 1), FAR);
      scores = torch.aten('add.Tensor', scores, hidden);
    }
    let weights = torch.aten('_softmax', scores, 2, false);
    // Where nothing is visible the softmax is even, and the factor makes it zero.
    if (mask !== undefined) weights = torch.aten('mul.Tensor', weights, mask);
    return [
      torch.output(torch.aten('bmm', weights, source), [batch, heads, width]),
      torch.output(weights, [batch, heads, tokens]),
    ];
  });

  registerTorchKernel<PoolingGradInputs>('PgPoolingAttentionGrad', ({ inputs, torch }) => {
    const { dy, x, queries, weights } = inputs;
    const { exact, activation } = torch.precision;
    if (hasOwnOperators(torch)) {
      const [toX, toQueries] = torch.atenAll(
        'polygate::pool_tokens_backward',
        exactOf(torch, dy),
        torch.storedTensorOf(x),
        exactOf(torch, queries),
        exactOf(torch, weights),
        activation,
      );
      return [torch.output(toX as Handle, x.shape), torch.output(toQueries as Handle, queries.shape)];
    }
    const g = torch.tensorOf(dy, exact);
    const source = torch.tensorOf(x, exact);
    const a = torch.tensorOf(weights, exact);
    const toWeights = torch.aten('bmm', g, torch.aten('transpose.int', source, 1, 2));
    const along = torch.aten('sum.dim_IntList', torch.aten('mul.Tensor', a, toWeights), [2], true);
    const toScores = torch.aten('mul.Tensor', a, torch.aten('sub.Tensor', toWeights, along));
    const transposed = (of: typeof g): typeof g => torch.aten('transpose.int', of, 1, 2);
    const dx = torch.aten(
      'add.Tensor',
      torch.aten('bmm', transposed(a), g),
      torch.aten('bmm', transposed(toScores), torch.tensorOf(queries, exact)),
    );
    return [torch.output(dx, x.shape), torch.output(torch.aten('bmm', toScores, source), queries.shape)];
  });
};
