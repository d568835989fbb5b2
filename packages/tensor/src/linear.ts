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
import { expectRowRates, ratedRows } from './weight-rates.ts';
import { expectFloat, expectShape, lastSize } from './shapes.ts';

/** Options of {@link linear}. */
export interface LinearOptions {
  /** Applied to the result; `gelu` is the exact form. @default 'none' */
  readonly activation?: 'none' | 'gelu';
  /**
   * float32 [...] as the leading axes of x: factors of rows in the gradients of weight and bias alone, constants without a
   * gradient; see weight-rates.ts. @default 1
   */
  readonly weightRates?: tf.Tensor | undefined;
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

interface Wants {
  readonly weight: boolean;
  readonly bias: boolean;
}

/** Gradients for the parts that want one, in the order x, weight, bias. */
const composeGradient = (
  dz: tf.Tensor,
  parts: Pick<Parts, 'x' | 'weight'>,
  { weight, bias, rates }: Wants & { readonly rates: tf.Tensor | undefined },
): tf.Tensor[] => {
  const flat = rows(dz);
  const gradients: tf.Tensor[] = [tf.reshape(product(flat, parts.weight), parts.x.shape)];
  const rated = rates ? rows(ratedRows(flat, tf.reshape(rates, [-1]))) : flat;
  if (weight) gradients.push(crossProduct(rated, rows(parts.x)));
  if (bias) gradients.push(columnSums(rated));
  return gradients;
};

/** The same by the engine: what is scaled and what is not are two of its calls. */
const kernelGradient = (
  dy: tf.Tensor,
  { x, weight, z }: { readonly x: tf.Tensor; readonly weight: tf.Tensor; readonly z: tf.Tensor | undefined },
  { rates, ...wants }: Wants & { readonly rates: tf.Tensor | undefined },
): tf.Tensor[] => {
  const run = (given: tf.Tensor, wantsWeight: boolean, wantsBias: boolean): tf.Tensor[] =>
    runKernel('PgLinearGrad', { dy: given, x, weight, z }, { wantsWeight, wantsBias });
  if (!rates || !(wants.weight || wants.bias)) return run(dy, wants.weight, wants.bias);
  const [dx] = run(dy, false, false);
  return [present(dx), ...run(ratedRows(dy, rates), wants.weight, wants.bias).slice(1)];
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
  { activation = 'none', weightRates: rates }: LinearOptions = {},
): tf.Tensor => {
  const parts: Parts = { x, weight, bias };
  const outShape = check(parts);
  expectActivation(activation, 'linear');
  if (rates) expectRowRates(rates, x, 'linear');
  const wants = { weight: wantsGradient(weight), bias: bias !== undefined && wantsGradient(bias) };
  const inputs: tf.Tensor[] = [x];
  if (wants.weight) inputs.push(weight);
  if (wants.bias && bias) inputs.push(bias);

  const given = rates ? [rates] : [];
  const restore = ([savedX, savedWeight, ...more]: readonly tf.Tensor[]) => ({
    restored: { x: present(savedX), weight: present(savedWeight) as tf.Tensor2D },
    wanted: { ...wants, rates: rates ? more[0] : undefined },
    rest: rates ? more.slice(1) : more,
  });

  return withGradient(inputs, (save, recorded) => {
    if (hasKernel('PgLinear')) {
      const keep = recorded && activation !== 'none';
      // A weight that is not trained stays as it is, also where a gradient passes it.
      const held = !recorded || !wants.weight;
      const [y, z] = runKernel('PgLinear', { x, weight, bias }, { activation, keep, held });
      save([x, weight, ...given, ...(z ? [z] : [])]);
      return {
        value: present(y),
        gradient: (dy, saved) => {
          const { restored, wanted, rest } = restore(saved);
          const [savedZ] = rest;
          if (hasKernel('PgLinearGrad')) return kernelGradient(dy, { ...restored, z: savedZ }, wanted);
          const dz = savedZ ? composeGeluGradient(dy, savedZ, gaussianDistribution(savedZ)) : dy;
          return composeGradient(dz, restored, wanted);
        },
      };
    }
    const z = composeProduct(parts);
    if (activation === 'none') {
      save([x, weight, ...given]);
      return {
        value: tf.reshape(z, outShape),
        gradient: (dy, saved) => {
          const { restored, wanted } = restore(saved);
          return composeGradient(dy, restored, wanted);
        },
      };
    }
    const { value, distribution } = composeGelu(z);
    save([x, weight, ...given, z, distribution]);
    return {
      value: tf.reshape(value, outShape),
      gradient: (dy, saved) => {
        const { restored, wanted, rest } = restore(saved);
        const [savedZ, phi] = rest;
        return composeGradient(
          composeGeluGradient(rows(dy), present(savedZ), present(phi)),
          restored,
          wanted,
        );
      },
    };
  });
};
