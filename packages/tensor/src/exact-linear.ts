/**
 * A product that is float32 in every precision: y = x W^T, dx = dy W, dW = dy^T x. For gates, whose choices must not
 * hang on the rounding of a storage format (Switch Transformers, section 2.4: the router in float32).
 * Axes: N rows · I inputs · O outputs.
 */
import type * as tf from '@tensorflow/tfjs';
import { hasKernel, present, runKernel, withGradient } from './dispatch.ts';
import { crossProduct, product } from './products.ts';
import { expectShape } from './shapes.ts';

/**
 * @param x float32 [N, I]; borrowed. Its values are taken as they are stored.
 * @param weight float32 [O, I]; borrowed
 * @returns a new float32 tensor [N, O]
 * @throws ShapeError when the sizes do not fit
 */
export const exactLinear = (x: tf.Tensor2D, weight: tf.Tensor2D): tf.Tensor2D => {
  expectShape(x, [null, null], {
    operator: 'exactLinear',
    name: 'x [N, I]',
    remedy: 'flatten the leading axes',
  });
  expectShape(weight, [null, x.shape[1]], {
    operator: 'exactLinear',
    name: 'weight [out, in]',
    remedy: 'weights are stored [out, in]; transpose it or fix the input width',
  });
  return withGradient([x, weight], (save) => {
    save([x, weight]);
    const kernel = hasKernel('PgExactLinear') && hasKernel('PgExactLinearGrad');
    return {
      value: kernel
        ? present(runKernel('PgExactLinear', { x, weight })[0])
        : product(x, weight, { transposeB: true }),
      gradient: (dy, [savedX, savedWeight]) => {
        if (kernel) return runKernel('PgExactLinearGrad', { dy, x: savedX, weight: savedWeight });
        return [
          product(dy as tf.Tensor2D, present(savedWeight) as tf.Tensor2D),
          crossProduct(dy as tf.Tensor2D, present(savedX) as tf.Tensor2D),
        ];
      },
    };
  }) as tf.Tensor2D;
};
