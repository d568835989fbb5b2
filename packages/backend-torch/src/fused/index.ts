/**
 * The kernels of the fused operators of @polygate/tensor (PgLinear, PgAttention, ...): one kernel call for an
 * operator's forward and one for its gradient.
 *
 * What each computes and stores in which type, under the policies of precision.ts:
 *
 * | operator            | float32 always                                  | of the policy (f32 or bf16)                  |
 * |---------------------|--------------------------------------------------|----------------------------------------------|
 * | linear              | bias, GELU arithmetic, dW, db                    | factors of products, y, kept z, dx           |
 * | layer norm          | statistics, arithmetic, dx, dgamma, dbeta        | y                                            |
 * | gelu                | arithmetic                                       | y and dx as x is stored                      |
 * | attention           | softmax and its gradient, prompt gradients       | products, kept q, k, v and probabilities, y  |
 * | cross attention     | softmax                                          | products, scores, y                          |
 * | conditional linear  | merging, gates, all gradients but dx             | merged weights in products, y, dx, row dW    |
 * | dispatched linear   | gates, sums over experts, all gradients but dx   | factors of products, y, kept z, dx           |
 * | token choice        | all                                              |                                              |
 * | exact linear        | all but how dx is stored                         | dx                                           |
 * | pooling attention   | all but how dx is stored                         | dx                                           |
 * | cross-entropy       | all                                              |                                              |
 * | embedding           | all                                              |                                              |
 * | residual            | the stream y, dgamma                             | the branch's gradient                        |
 * | AdamW, global norm  | all; also writes the bf16 copies of weights      |                                              |
 */
import { registerGelu } from './activation.ts';
import { registerAttention } from './attention.ts';
import { registerConditionalLinear } from './conditional-linear.ts';
import { registerCrossAttention } from './cross-attention.ts';
import { registerCrossEntropy } from './cross-entropy.ts';
import { registerDispatchedLinear } from './dispatched-linear.ts';
import { registerEmbedding } from './embedding.ts';
import { registerExactLinear } from './exact-linear.ts';
import { registerLayerNorm } from './layer-norm.ts';
import { registerLinear } from './linear.ts';
import { registerOptimizer } from './optimizer.ts';
import { registerAttentionPool } from './attention-pool.ts';
import { registerResidual } from './residual.ts';
import { registerSegmentLinear } from './segment-linear.ts';
import { registerTokenChoice } from './token-choice.ts';

/** Registers the engine's own fused kernels, once per process. */
export const registerFusedKernels = (): void => {
  registerLinear();
  registerGelu();
  registerLayerNorm();
  registerResidual();
  registerAttention();
  registerCrossAttention();
  registerConditionalLinear();
  registerDispatchedLinear();
  registerTokenChoice();
  registerSegmentLinear();
  registerExactLinear();
  registerAttentionPool();
  registerCrossEntropy();
  registerEmbedding();
  registerOptimizer();
};
