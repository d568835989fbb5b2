/** Look-ups and their gradients, reductions over each axis, data that is moved, and a step of the optimizer. */
import * as tf from '@tensorflow/tfjs';
import { adamWStep } from '../adamw-step.ts';
import { embedding } from '../embedding.ts';
import { globalNorm } from '../global-norm.ts';
import { bilinear, knownTensor, tensorOf, type Terms } from './known.ts';
import { withGradients, type Question } from './question.ts';

const ROWS = 50;
const WIDTH = 40;
/** Rows that are looked up: some several times, the last not at all. */
const ids = Int32Array.from({ length: 68 }, (_, at) => (at * 31 + 7) % (ROWS - 1));

const lookUp = (
  name: string,
  operator: (table: tf.Tensor2D, rows: tf.Tensor1D) => tf.Tensor,
  kernels: readonly string[] = [],
): Question => ({
  name,
  family: 'look-up',
  kernels,
  ask: () => {
    const table = knownTensor([ROWS, WIDTH], 81);
    const dy = knownTensor([ids.length, WIDTH], 82);
    const terms: Terms = (add) =>
      ids.forEach((id, n) => {
        for (let d = 0; d < WIDTH; d += 1) add(id * WIDTH + d, 0, n * WIDTH + d);
      });
    const { y, da } = bilinear(terms, table.values, Float64Array.of(1), dy.values);
    return withGradients(
      (lookedUp) => operator(lookedUp as tf.Tensor2D, tf.tensor1d(ids, 'int32')),
      { 'the table': tensorOf(table) },
      { dy: tensorOf(dy), right: { result: y, 'the table': da } },
    );
  },
});

const scatter: Question = {
  name: 'sums of scattered rows',
  family: 'look-up',
  kernels: ['ScatterNd'],
  exact: true,
  ask: () => {
    const updates = knownTensor([ids.length, WIDTH], 83);
    const right = new Float64Array(ROWS * WIDTH);
    updates.values.forEach((value, at) => {
      const index = (ids[Math.floor(at / WIDTH)] as number) * WIDTH + (at % WIDTH);
      right[index] = (right[index] as number) + value;
    });
    const given = tf.scatterND(tf.tensor2d(ids, [ids.length, 1], 'int32'), tensorOf(updates), [ROWS, WIDTH]);
    return [{ name: 'result', given, right }];
  },
};

/** Shape of what is reduced, and the sums' places along each set of axes. */
const shape = [5, 33, 70] as const;
const axesOf = [[0], [1], [2], [0, 1], [0, 1, 2]] as const;

/** Which sum an element goes to. */
const sumPlace =
  (axes: readonly number[]) =>
  (at: number): number => {
    const position = [
      Math.floor(at / (shape[1] * shape[2])),
      Math.floor(at / shape[2]) % shape[1],
      at % shape[2],
    ];
    return position.reduce(
      (offset, index, axis) => (axes.includes(axis) ? offset : offset * (shape[axis] ?? 1) + index),
      0,
    );
  };

const reductions: Question = {
  name: 'sums, means and maxima',
  family: 'reduction',
  exact: true,
  ask: () => {
    const x = knownTensor(shape, 84);
    const tensor = tensorOf<tf.Tensor3D>(x);
    return axesOf.flatMap((axes) => {
      const placeOf = sumPlace(axes);
      const count = axes.reduce<number>((product, axis) => product * (shape[axis] ?? 1), 1);
      const sums = new Float64Array(x.values.length / count);
      const tops = new Float64Array(sums.length).fill(-Infinity);
      x.values.forEach((value, at) => {
        const to = placeOf(at);
        sums[to] = (sums[to] as number) + value;
        tops[to] = Math.max(tops[to] as number, value);
      });
      const over = `over ${axes.length === 1 ? 'axis' : 'axes'} ${axes.join(', ')}`;
      return [
        { name: `sum ${over}`, given: tf.sum(tensor, [...axes]), right: sums },
        { name: `mean ${over}`, given: tf.mean(tensor, [...axes]), right: sums.map((sum) => sum / count) },
        { name: `maximum ${over}`, given: tf.max(tensor, [...axes]), right: tops },
      ];
    });
  },
};

const norm: Question = {
  name: 'norm of all gradients',
  family: 'reduction',
  exact: true,
  ask: () => {
    const parts = [knownTensor([ROWS, WIDTH], 85), knownTensor([7], 86)];
    const square = parts.flatMap(({ values }) => [...values]).reduce((sum, value) => sum + value * value, 0);
    return [
      {
        name: 'result',
        given: globalNorm(parts.map((part) => tensorOf(part))),
        right: Float64Array.of(Math.sqrt(square)),
      },
    ];
  },
};

const moved: Question = {
  name: 'parts of a transposed tensor, joined',
  family: 'movement',
  exact: true,
  ask: () => {
    const [rows, columns] = [33, 40];
    const x = knownTensor([rows, columns], 87);
    const dy = knownTensor([columns, rows], 88);
    // x^T with its first 10 rows moved to the end.
    const source = (at: number): number => (at % rows) * columns + ((Math.floor(at / rows) + 10) % columns);
    const right = dy.values.map((_, at) => x.values[source(at)] as number);
    const dx = new Float64Array(x.values.length);
    dy.values.forEach((value, at) => (dx[source(at)] = value));
    return withGradients(
      (table) => {
        const turned = tf.transpose(table as tf.Tensor2D) as tf.Tensor2D;
        return tf.concat([tf.slice(turned, [10, 0]), tf.slice(turned, [0, 0], [10, rows])], 0);
      },
      { x: tensorOf(x) },
      { dy: tensorOf(dy), right: { result: right, x: dx } },
    );
  },
};

let asked = 0;

const optimizer: Question = {
  name: 'step of AdamW',
  family: 'optimizer',
  exact: true,
  ask: () => {
    const options = {
      learningRate: 0.01,
      beta1: 0.9,
      beta2: 0.98,
      epsilon: 1e-6,
      weightDecay: 0.05,
      step: 3,
      gradScale: 0.5,
    };
    const { learningRate, beta1, beta2, epsilon, weightDecay, step, gradScale } = options;
    const size = 1003;
    const [weight, gradient, first] = [
      knownTensor([size], 89),
      knownTensor([size], 90),
      knownTensor([size], 91),
    ];
    const second = { shape: [size], values: knownTensor([size], 92).values.map((value) => value * value) };
    asked += 1;
    const variable = (part: string, values: Float64Array): tf.Variable =>
      tf.variable(tensorOf({ shape: [size], values }), true, `known-question-${asked}-${part}`);
    const [w, m, v] = [
      variable('w', weight.values),
      variable('m', first.values),
      variable('v', second.values),
    ];
    const right = { m: new Float64Array(size), v: new Float64Array(size), w: new Float64Array(size) };
    for (let i = 0; i < size; i += 1) {
      const g = gradScale * (gradient.values[i] as number);
      right.m[i] = beta1 * (first.values[i] as number) + (1 - beta1) * g;
      right.v[i] = beta2 * (second.values[i] as number) + (1 - beta2) * g * g;
      const update =
        (right.m[i] as number) /
        (1 - beta1 ** step) /
        (Math.sqrt((right.v[i] as number) / (1 - beta2 ** step)) + epsilon);
      right.w[i] = (weight.values[i] as number) * (1 - learningRate * weightDecay) - learningRate * update;
    }
    try {
      adamWStep(
        [{ variable: w, gradient: tensorOf(gradient), m, v, step, learningRate, weightDecay }],
        options,
      );
      return [
        { name: 'the weight', given: tf.clone(w), right: right.w },
        { name: 'the first moment', given: tf.clone(m), right: right.m },
        { name: 'the second moment', given: tf.clone(v), right: right.v },
      ];
    } finally {
      tf.dispose([w, m, v]);
    }
  },
};

export const tableQuestions: readonly Question[] = [
  lookUp('embedding', embedding),
  lookUp('gathered rows', (table, rows) => tf.gather(table, rows), ['UnsortedSegmentSum']),
  scatter,
  reductions,
  norm,
  moved,
  optimizer,
];
