/**
 * Matrix products in each layout of their factors, batched ones, and linear layers forward and backward. Sizes are above
 * those below which libraries take other paths (oneDNN multiplies bfloat16 from 4096 multiplications on), are whole blocks
 * of 32 and parts of one.
 */
import * as tf from '@tensorflow/tfjs';
import { exactLinear } from '../exact-linear.ts';
import { linear } from '../linear.ts';
import { routerLogits } from '../router-logits.ts';
import {
  bilinear,
  columnSums,
  geluOf,
  geluSlope,
  knownTensor,
  plusBias,
  productTerms,
  tensorOf,
  type Known,
} from './known.ts';
import { withGradients, type Part, type Question } from './question.ts';

const layouts = [
  [false, false],
  [false, true],
  [true, false],
  [true, true],
] as const;

/** Values that add up instead of cancelling one another. */
const shifted = ({ shape, values }: Known, by: number): Known => ({
  shape,
  values: values.map((value) => value + by),
});

const namedLayout = (name: string, [transposeA, transposeB]: readonly [boolean, boolean]): string =>
  `${name}${transposeA ? ', first factor transposed' : ''}${transposeB ? ', second factor transposed' : ''}`;

const matrixProduct = (
  name: string,
  {
    rows,
    inner,
    columns,
    shift = 0,
  }: { readonly rows: number; readonly inner: number; readonly columns: number; readonly shift?: number },
  [transposeA, transposeB]: readonly [boolean, boolean],
): Question => ({
  name,
  family: 'product',
  ask: () => {
    const a = shifted(knownTensor(transposeA ? [inner, rows] : [rows, inner], 1), shift);
    const b = shifted(knownTensor(transposeB ? [columns, inner] : [inner, columns], 2), shift);
    const dy = knownTensor([rows, columns], 3);
    const terms = productTerms({ rows, inner, columns }, { transposeA, transposeB });
    const { y, da, db } = bilinear(terms, a.values, b.values, dy.values);
    return withGradients(
      (left, right) => tf.matMul(left as tf.Tensor2D, right as tf.Tensor2D, transposeA, transposeB),
      { 'the first factor': tensorOf(a), 'the second factor': tensorOf(b) },
      { dy: tensorOf(dy), right: { result: y, 'the first factor': da, 'the second factor': db } },
    );
  },
});

const products: Question[] = layouts.map((layout) =>
  matrixProduct(namedLayout('matrix product', layout), { rows: 35, inner: 40, columns: 34 }, layout),
);

/**
 * A library that sums in bfloat16 loses most of a sum as long as those of real layers, if its terms are of one sign: LibTorch
 * 1.13 does so on processors without AVX-512, in every layout but one.
 */
const longSums: Question[] = layouts.map((layout) =>
  matrixProduct(
    namedLayout('matrix product with long sums', layout),
    { rows: 9, inner: 600, columns: 8, shift: 1 },
    layout,
  ),
);

/** The gradient of a layer's weight is a sum over all tokens of a batch. */
const longBatch: Question = {
  name: 'linear layer over many tokens',
  family: 'linear',
  ask: () => {
    const [rows, inputs, outputs] = [900, 12, 10];
    const x = shifted(knownTensor([3, rows / 3, inputs], 14), 1);
    const weight = knownTensor([outputs, inputs], 15);
    const dy = shifted(knownTensor([3, rows / 3, outputs], 16), 1);
    const terms = productTerms({ rows, inner: inputs, columns: outputs }, { transposeB: true });
    const { y, da, db } = bilinear(terms, x.values, weight.values, dy.values);
    return withGradients(
      (a, w) => linear(a, w as tf.Tensor2D),
      { x: tensorOf(x), 'the weight': tensorOf(weight) },
      { dy: tensorOf(dy), right: { result: y, x: da, 'the weight': db } },
    );
  },
};

const batched: Question = {
  name: 'batched matrix product',
  family: 'product',
  ask: () => {
    const [batch, rows, inner, columns] = [3, 33, 24, 20];
    const a = knownTensor([batch, rows, inner], 4);
    const b = knownTensor([batch, columns, inner], 5);
    const dy = knownTensor([batch, rows, columns], 6);
    const terms = productTerms({ batch, rows, inner, columns }, { transposeB: true });
    const { y, da, db } = bilinear(terms, a.values, b.values, dy.values);
    return withGradients(
      (left, right) => tf.matMul(left, right, false, true),
      { 'the first factor': tensorOf(a), 'the second factor': tensorOf(b) },
      { dy: tensorOf(dy), right: { result: y, 'the first factor': da, 'the second factor': db } },
    );
  },
};

/** Axes of the linear layer that is asked about: B batch · L tokens · I inputs · O outputs. */
const LINEAR = { batch: 2, length: 17, inputs: 40, outputs: 35 };

const linearLayer = (activation: 'none' | 'gelu'): Question => ({
  name: activation === 'gelu' ? 'linear layer with bias and GELU' : 'linear layer with bias',
  family: 'linear',
  // With an activation, what is kept for the gradient is rounded, too.
  slack: activation === 'gelu' ? 2 : 1,
  ask: () => {
    const { batch, length, inputs, outputs } = LINEAR;
    const rows = batch * length;
    const x = knownTensor([batch, length, inputs], 7);
    const weight = knownTensor([outputs, inputs], 8);
    const bias = knownTensor([outputs], 9);
    const dy = knownTensor([batch, length, outputs], 10);
    // Weights of a trained layer keep what comes out near 1; an eighth of an eighth is exact, too.
    const scaled = weight.values.map((value) => value / 8);
    const terms = productTerms({ rows, inner: inputs, columns: outputs }, { transposeB: true });
    const z = plusBias(bilinear(terms, x.values, scaled, dy.values).y, bias.values);
    const dz =
      activation === 'gelu' ? z.map((value, at) => geluSlope(value) * (dy.values[at] as number)) : dy.values;
    const { da, db } = bilinear(terms, x.values, scaled, dz);
    const result = activation === 'gelu' ? z.map(geluOf) : z;
    const given = {
      x: tensorOf(x),
      'the weight': tensorOf<tf.Tensor2D>({ shape: weight.shape, values: scaled }),
      'the bias': tensorOf<tf.Tensor1D>(bias),
    };
    const parts = withGradients(
      (a, w, b) => linear(a, w as tf.Tensor2D, b as tf.Tensor1D, { activation }),
      given,
      {
        dy: tensorOf(dy),
        right: { result, x: da, 'the weight': db, 'the bias': columnSums(dz, outputs) },
      },
    );
    // Without a gradient an engine may keep the weight packed.
    const held = linear(given.x, given['the weight'], given['the bias'], { activation });
    return [...parts, { name: 'result without a gradient', given: held, right: result }];
  },
});

/** Products that are float32 in every precision, for the gates of routers. */
const exact = (name: string, operator: (x: tf.Tensor, weight: tf.Tensor2D) => tf.Tensor): Question => ({
  name,
  family: 'linear',
  exact: true,
  ask: (): Part[] => {
    const [rows, inner, columns] = [70, 40, 9];
    const x = knownTensor([rows, inner], 11);
    const weight = knownTensor([columns, inner], 12);
    const dy = knownTensor([rows, columns], 13);
    const terms = productTerms({ rows, inner, columns }, { transposeB: true });
    const { y, da, db } = bilinear(terms, x.values, weight.values, dy.values);
    return withGradients(
      (a, w) => operator(a, w as tf.Tensor2D),
      { x: tensorOf(x), 'the weight': tensorOf(weight) },
      { dy: tensorOf(dy), right: { result: y, x: da, 'the weight': db } },
    );
  },
});

export const productQuestions: readonly Question[] = [
  ...products,
  ...longSums,
  longBatch,
  batched,
  linearLayer('none'),
  linearLayer('gelu'),
  exact('linear layer of a gate', (x, weight) => exactLinear(x as tf.Tensor2D, weight)),
  exact('logits of a router', (x, weight) => routerLogits(x, weight).logits),
];
