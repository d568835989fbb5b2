/**
 * Linear layer y = act(x W^T + b) with the weight stored [out, in], and its gradients:
 *   dz = dy * act'(z),  dx = dz W,  dW = dz^T x,  db = column sums of dz.
 * Axes: N all leading axes of x together · I inputs · O outputs.
 */
import { ConfigError, ShapeError } from '@polygate/core';
import * as tf from '@tensorflow/tfjs';
import { hasKernel, present, runKernel, wantsGradient, withGradient } from './dispatch.ts';
import { gaussianDistribution } from './gaussian.ts';
import { composeGelu, composeGeluGradient } from './gelu.ts';
import { columnSums, crossProduct, product, rows } from './products.ts';
import { expectFloat, expectShape, lastSize } from './shapes.ts';

/** Options of {@link linear}. */
export interface LinearOptions {
  /** Applied to the result; `gelu` is the exact form. @default 'none' */
  readonly activation?: 'none' | 'gelu';
}

interface Parts {
  readonly x: tf.Tensor;
  readonly weight: tf.Tensor2D;
  readonly bias: tf.Tensor1D | undefined;
}

const composeProduct = ({ x, weight, bias }: Parts): tf.Tensor2D => {
  const z = product(rows(x), weight, { transposeB: true });
  return bias ? (tf.add(z, bias) as tf.Tensor2D) : z;
};

/** Gradients for the parts that want one, in the order x, weight, bias. */
const composeGradient = (
  dz: tf.Tensor,
  parts: Parts,
  wants: { weight: boolean; bias: boolean },
): tf.Tensor[] => {
  const flat = rows(dz);
  const gradients: tf.Tensor[] = [tf.reshape(product(flat, parts.weight), parts.x.shape)];
  if (wants.weight) gradients.push(crossProduct(flat, rows(parts.x)));
  if (wants.bias) gradients.push(columnSums(flat));
  return gradients;
};

/** Refuses an activation that there is no kernel and no gradient for. @throws ConfigError */
export const expectActivation = (activation: string, operator: string): void => {
  if (activation === 'none' || activation === 'gelu') return;
  throw new ConfigError(
    `${operator}: expected activation 'none' or 'gelu', got '${activation}'; apply others after it`,
  );
};

const check = ({ x, weight, bias }: Parts): number[] => {
  const inputs = lastSize(x, 'linear');
  if (inputs === 0) {
    throw new ShapeError(
      'linear: expected at least one input feature, got none; is the last axis of x empty?',
    );
  }
  expectFloat(x, { operator: 'linear', name: 'x' });
  expectShape(weight, [null, inputs], {
    operator: 'linear',
    name: 'weight [out, in]',
    remedy: 'weights are stored [out, in]; transpose it or fix the input width',
  });
  if (bias) {
    expectShape(bias, [weight.shape[0]], {
      operator: 'linear',
      name: 'bias [out]',
      remedy: 'give one bias per output of the weight',
    });
  }
  return [...x.shape.slice(0, -1), weight.shape[0]];
};

/**
 * @param x float32 [..., I]; borrowed
 * @param weight float32 [O, I]; borrowed. A variable with `trainable = false` gets no gradient, and costs none.
 * @param parameters bias float32 [O] or undefined, and the activation
 * @returns a new float32 tensor [..., O]
 * @throws ShapeError when the sizes do not fit
 */
export const linear = (
  x: tf.Tensor,
  weight: tf.Tensor2D,
  bias?: tf.Tensor1D,
  { activation = 'none' }: LinearOptions = {},
): tf.Tensor => {
  const parts: Parts = { x, weight, bias };
  const outShape = check(parts);
  expectActivation(activation, 'linear');
  const wants = { weight: wantsGradient(weight), bias: bias !== undefined && wantsGradient(bias) };
  const inputs: tf.Tensor[] = [x];
  if (wants.weight) inputs.push(weight);
  if (wants.bias && bias) inputs.push(bias);

  return withGradient(inputs, (save, recorded) => {
    if (hasKernel('PgLinear')) {
      const keep = recorded && activation !== 'none';
      const [y, z] = runKernel('PgLinear', { x, weight, bias }, { activation, keep, held: !recorded });
      save(z ? [x, weight, z] : [x, weight]);
      return {
        value: present(y),
        gradient: (dy, [savedX, savedWeight, savedZ]) => {
          const saved: Parts = {
            x: present(savedX),
            weight: present(savedWeight) as tf.Tensor2D,
            bias: undefined,
          };
          if (hasKernel('PgLinearGrad')) {
            return runKernel(
              'PgLinearGrad',
              { dy, x: saved.x, weight: saved.weight, z: savedZ },
              { wantsWeight: wants.weight, wantsBias: wants.bias },
            );
          }
          const dz = savedZ ? composeGeluGradient(dy, savedZ, gaussianDistribution(savedZ)) : dy;
          return composeGradient(dz, saved, wants);
        },
      };
    }
    const z = composeProduct(parts);
    if (activation === 'none') {
      save([x, weight]);
      return {
        value: tf.reshape(z, outShape),
        gradient: (dy, [savedX, savedWeight]) =>
          composeGradient(
            dy,
            { x: present(savedX), weight: present(savedWeight) as tf.Tensor2D, bias: undefined },
            wants,
          ),
      };
    }
    const { value, distribution } = composeGelu(z);
    save([x, weight, z, distribution]);
    return {
      value: tf.reshape(value, outShape),
      gradient: (dy, [savedX, savedWeight, savedZ, phi]) => {
        const dz = composeGeluGradient(rows(dy), present(savedZ), present(phi));
        return composeGradient(
          dz,
          { x: present(savedX), weight: present(savedWeight) as tf.Tensor2D, bias: undefined },
          wants,
        );
      },
    };
  });
};
