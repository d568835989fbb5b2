import * as tf from '@tensorflow/tfjs';
import { expect, it } from 'vitest';
import { registerTorchKernel, ScalarType } from '@polygate/backend-torch';
import { describeOnTorch, on, torchBackend, torchMemory } from './torch-suite.ts';

/** Unit roundoff of bfloat16: 8 significant bits. */
const BF16 = 2 ** -8;

describeOnTorch(
  'bf16',
  () => {
    const typeOf = (x: tf.Tensor): number => torchBackend().context.typeOf(x);

    it('stores products and convolutions in bf16 behind float32 tensors', () => {
      tf.tidy(() => {
        const product = tf.matMul(tf.ones([2, 3]), tf.ones([3, 4]));
        expect(product.dtype).toBe('float32');
        expect(typeOf(product)).toBe(ScalarType.bfloat16);
        expect(product.dataSync()).toBeInstanceOf(Float32Array);
        expect([...product.dataSync()]).toEqual(Array<number>(8).fill(3));
        const convolved = tf.conv2d(tf.ones([1, 4, 4, 2]) as tf.Tensor4D, tf.ones([3, 3, 2, 2]), 1, 'valid');
        expect(typeOf(convolved)).toBe(ScalarType.bfloat16);
        // 3 x 3 x 2 ones
        expect(convolved.dataSync()[0]).toBe(18);
      });
    });

    it('keeps bf16 through data movement and the relu family, and float32 in softmax and sums', () => {
      tf.tidy(() => {
        const x = tf.matMul(tf.ones([2, 3]), tf.ones([3, 4]));
        const moved = [tf.reshape(x, [8]), tf.transpose(x), tf.slice(x, 0, 1), tf.concat([x, x]), tf.relu(x)];
        for (const y of moved) expect(typeOf(y)).toBe(ScalarType.bfloat16);
        expect(typeOf(tf.add(x, x))).toBe(ScalarType.bfloat16);
        const exact = [tf.softmax(x), tf.sum(x), tf.exp(x), tf.mean(x), tf.add(x, tf.ones([2, 4]))];
        for (const y of exact) expect(typeOf(y)).toBe(ScalarType.float32);
      });
    });

    it('sums long products of one sign in float32, in every layout and way', () => {
      // A sum of ones that is kept in bf16 stays at 256, where the next number is 258.
      const terms = 1024;
      const { dispatcher } = torchBackend().context;
      for (const on of [false, true]) {
        dispatcher.value('polygate::use_wide_products', on);
        tf.tidy(() => {
          const sums = [
            tf.matMul(tf.ones([3, terms]), tf.ones([terms, 2])),
            tf.matMul(tf.ones([terms, 3]), tf.ones([terms, 2]), true),
            tf.matMul(tf.ones([3, terms]), tf.ones([2, terms]), false, true),
            tf.matMul(tf.ones([terms, 3]), tf.ones([2, terms]), true, true),
            tf.matMul(tf.ones([2, 3, terms]), tf.ones([2, terms, 2])),
            tf.einsum('ik,kj->ij', tf.ones([3, terms]), tf.ones([terms, 2])),
            tf.conv2d(tf.ones([1, 16, 16, 4]) as tf.Tensor4D, tf.ones([16, 16, 4, 2]), 1, 'valid'),
            tf.grad((filter) =>
              tf.conv2d(tf.ones([1, 32, 32, 1]) as tf.Tensor4D, filter as tf.Tensor4D, 1, 'same'),
            )(tf.ones([1, 1, 1, 2])),
          ];
          for (const sum of sums) expect(new Set(sum.dataSync())).toEqual(new Set([terms]));
        });
      }
      dispatcher.value('polygate::use_wide_products', false);
    });

    it('holds half the bytes', () => {
      const before = torchMemory().bytesHeld;
      const x = tf.matMul(tf.ones([64, 2]), tf.ones([2, 64]));
      // 64 x 64 values of two bytes; the inputs are four bytes each and still held by no one
      tf.dispose(x);
      const kept = tf.tidy(() => tf.matMul(tf.ones([64, 2]), tf.ones([2, 64])));
      const inputs = 2 * 64 * 2 * 4;
      expect(torchMemory().bytesHeld - before).toBe(64 * 64 * 2 + inputs);
      kept.dispose();
    });

    it('rounds factors to bf16 and sums exactly enough', async () => {
      const compute = () =>
        tf.matMul(
          tf.randomUniform([7, 33], -1, 1, 'float32', 1) as tf.Tensor2D,
          tf.randomUniform([33, 5], -1, 1, 'float32', 2),
        );
      const exact = await on('cpu', compute);
      const rounded = await on('torch', compute);
      // Each factor is off by at most u, the result is rounded once: 33 terms below 1 and their sum.
      exact.values.forEach((value, i) =>
        expect(Math.abs((rounded.values[i] ?? NaN) - value)).toBeLessThan(
          33 * 2 * BF16 + Math.abs(value) * BF16,
        ),
      );
      expect(rounded.values).not.toEqual(exact.values);
    });

    it('keeps variables and their gradients usable in float32', () => {
      const weight = tf.variable(tf.ones([3, 2]), true, 'precision/weight');
      const { value, grads } = tf.variableGrads(
        () => tf.mean(tf.square(tf.matMul(tf.ones([4, 3]), weight as unknown as tf.Tensor2D))) as tf.Scalar,
        [weight as tf.Variable],
      );
      expect(value.dataSync()[0]).toBe(9);
      // d/dw of mean((3w)^2) over 8 elements: 2 * 3 / 8 * 4 rows = 3
      expect([...(grads['precision/weight'] as tf.Tensor).dataSync()]).toEqual(Array<number>(6).fill(3));
      tf.train.sgd(0.5).applyGradients(grads);
      expect(typeOf(weight)).toBe(ScalarType.float32);
      expect(weight.dataSync()[0]).toBe(1 - 0.5 * 3);
      tf.dispose([value, weight, ...Object.values(grads)]);
    });

    it('remembers the bf16 copy of a weight until the weight is written', () => {
      let handles: number[] = [];
      registerTorchKernel<{ x: tf.TensorInfo }>('TestCast', ({ inputs: { x }, torch }) => {
        handles = [torch.castOf(x, ScalarType.bfloat16), torch.castOf(x, ScalarType.bfloat16)];
        return torch.output(torch.castOf(x, ScalarType.bfloat16), x.shape);
      });
      registerTorchKernel<{ x: tf.TensorInfo }>('TestWrite', ({ inputs: { x }, torch }) => {
        expect(torch.isExclusive(x)).toBe(true);
        torch.aten('add_.Scalar', torch.storedTensorOf(x), 1);
        torch.replaced(x);
        return torch.output(torch.aten('clone', torch.storedTensorOf(x)), x.shape);
      });
      const run = (name: string, x: tf.Tensor): number => {
        const y = tf.engine().runKernel(name, { x }) as tf.Tensor;
        const [value = NaN] = y.dataSync();
        y.dispose();
        return value;
      };
      const before = torchMemory().handles;
      const x = tf.tensor1d([1, 2]);
      expect(run('TestCast', x)).toBe(1);
      const first = handles[0];
      expect(handles[1]).toBe(first);
      expect(run('TestCast', x)).toBe(1);
      expect(handles[0]).toBe(first);
      expect(torchMemory().handles - before).toBe(2);
      expect(run('TestWrite', x)).toBe(2);
      expect(torchMemory().handles - before).toBe(1);
      expect(run('TestCast', x)).toBe(2);
      x.dispose();
      expect(torchMemory().handles).toBe(before);
    });

    it('knows when a tensor may not be written in place', () => {
      const { context } = torchBackend();
      const x = tf.ones([2, 3]);
      expect(context.isExclusive(x)).toBe(true);
      const clone = tf.clone(x);
      expect(context.isExclusive(x)).toBe(false);
      clone.dispose();
      const view = tf.transpose(x);
      expect(context.isExclusive(x)).toBe(false);
      tf.dispose([view]);
      expect(context.isExclusive(x)).toBe(true);
      x.dispose();
    });
  },
  { precision: 'bf16' },
);
