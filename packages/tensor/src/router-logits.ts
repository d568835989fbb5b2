/**
 * Logits of a router beside the tokens that it looks at: z = x W^T, float32 in every precision, and x once more. Layers
 * that go on with the tokens given back get their gradient and the router's summed in the pass that computes the latter:
 *   dx = dtokens + dz W,   dW = dz^T x.
 * Axes: N tokens · D width · E experts.
 */
import * as tf from '@tensorflow/tfjs';
import { hasKernel, present, runKernel } from './dispatch.ts';
import { exactLinear } from './exact-linear.ts';
import { openCollection } from './leaf-gradients.ts';
import { expectShape } from './shapes.ts';

/** What {@link routerLogits} gives. */
export interface RouterLogits {
  /** [..., D] the tokens that were given, to go on with. */
  readonly tokens: tf.Tensor;
  /** float32 [N, E] */
  readonly logits: tf.Tensor2D;
}

/** For `tf.registerGradient`: a node of two outputs, which a custom gradient can't be. */
export const routerLogitsGradient: tf.GradConfig = {
  kernelName: 'PgRouterLogits',
  inputsToSave: ['x', 'weight'],
  gradFunc: (dys, [x, weight]) => {
    const [tokens, logits] = dys as tf.Tensor[];
    const [dx, dWeight] = runKernel('PgRouterLogitsGrad', { tokens, logits, x, weight });
    return { x: () => present(dx), weight: () => present(dWeight) };
  },
};

/**
 * @param x float32 [..., D]; borrowed. Its values are taken as they are stored.
 * @param weight float32 [E, D]; borrowed
 * @throws ShapeError when the sizes do not fit
 */
export const routerLogits = (x: tf.Tensor, weight: tf.Tensor2D): RouterLogits => {
  const width = x.shape[x.rank - 1] ?? 1;
  expectShape(weight, [null, width], {
    operator: 'routerLogits',
    name: 'weight [E, D]',
    remedy: 'give one row of the width of the tokens for each expert',
  });
  if (!hasKernel('PgRouterLogits') || !hasKernel('PgRouterLogitsGrad')) {
    return { tokens: x, logits: exactLinear(tf.reshape(x, [-1, width]), weight) };
  }
  const [tokens, logits] = runKernel('PgRouterLogits', { x, weight });
  const collection = openCollection();
  if (collection?.reaches(x)) collection.reached(present(tokens));
  return { tokens: present(tokens), logits: present(logits) as tf.Tensor2D };
};
