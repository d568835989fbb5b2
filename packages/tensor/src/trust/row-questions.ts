/** What is computed row by row: norms, softmax, cross-entropy, GELU, the residual branch. Axes: N rows · D width. */
import * as tf from '@tensorflow/tfjs';
import { softmaxCrossEntropy } from '../cross-entropy.ts';
import { gelu } from '../gelu.ts';
import { l2Normalize } from '../l2-normalize.ts';
import { layerNorm } from '../layer-norm.ts';
import { residual } from '../residual.ts';
import {
  byRows,
  columnSums,
  geluOf,
  geluSlope,
  knownTensor,
  knownBy,
  softmaxGradient,
  softmaxOf,
  tensorOf,
} from './known.ts';
import { withGradients, type Question } from './question.ts';

const ROWS = 37;
/** Whole vectors of 16 and a part of one. */
const WIDTH = 70;

const inner = (a: Float64Array, b: Float64Array): number =>
  a.reduce((sum, value, at) => sum + value * (b[at] as number), 0);
const rowOf = (x: Float64Array, row: number): Float64Array => x.subarray(row * WIDTH, (row + 1) * WIDTH);

const norm: Question = {
  name: 'layer norm',
  family: 'norm',
  ask: () => {
    const epsilon = 1e-6;
    const x = knownTensor([ROWS, WIDTH], 31);
    const gamma = knownTensor([WIDTH], 32);
    const beta = knownTensor([WIDTH], 33);
    const dy = knownTensor([ROWS, WIDTH], 34);
    const deviations: number[] = [];
    const unit = byRows(x.values, WIDTH, (row) => {
      const mean = row.reduce((sum, value) => sum + value, 0) / WIDTH;
      const centred = row.map((value) => value - mean);
      const deviation = Math.sqrt(inner(centred, centred) / WIDTH + epsilon);
      deviations.push(deviation);
      return centred.map((value) => value / deviation);
    });
    const scaled = (at: number): number => gamma.values[at % WIDTH] as number;
    const g = dy.values.map((value, at) => value * scaled(at));
    const dx = byRows(g, WIDTH, (row, index) => {
      const unitRow = rowOf(unit, index);
      const mean = row.reduce((sum, value) => sum + value, 0) / WIDTH;
      const along = inner(row, unitRow) / WIDTH;
      return row.map(
        (value, at) => (value - mean - (unitRow[at] as number) * along) / (deviations[index] as number),
      );
    });
    return withGradients(
      (a, b, c) => layerNorm(a, b as tf.Tensor1D, c as tf.Tensor1D, { epsilon }),
      { x: tensorOf(x), gamma: tensorOf(gamma), beta: tensorOf(beta) },
      {
        dy: tensorOf(dy),
        right: {
          result: unit.map((value, at) => value * scaled(at) + (beta.values[at % WIDTH] as number)),
          x: dx,
          gamma: columnSums(
            unit.map((value, at) => value * (dy.values[at] as number)),
            WIDTH,
          ),
          beta: columnSums(dy.values, WIDTH),
        },
      },
    );
  },
};

const unitLength: Question = {
  name: 'rows of unit length',
  family: 'norm',
  exact: true,
  ask: () => {
    const x = knownTensor([ROWS, WIDTH], 35);
    const dy = knownTensor([ROWS, WIDTH], 36);
    const lengths = Array.from({ length: ROWS }, (_, row) =>
      Math.sqrt(inner(rowOf(x.values, row), rowOf(x.values, row))),
    );
    const y = byRows(x.values, WIDTH, (row, index) => row.map((value) => value / (lengths[index] as number)));
    const dx = byRows(dy.values, WIDTH, (row, index) => {
      const unitRow = rowOf(y, index);
      const along = inner(row, unitRow);
      return row.map((value, at) => (value - (unitRow[at] as number) * along) / (lengths[index] as number));
    });
    return withGradients(
      (a) => l2Normalize(a),
      { x: tensorOf(x) },
      { dy: tensorOf(dy), right: { result: y, x: dx } },
    );
  },
};

const softmax: Question = {
  name: 'softmax',
  family: 'softmax',
  exact: true,
  ask: () => {
    const x = knownTensor([ROWS, WIDTH], 37);
    const dy = knownTensor([ROWS, WIDTH], 38);
    const y = byRows(x.values, WIDTH, softmaxOf);
    const dx = byRows(dy.values, WIDTH, (row, index) => softmaxGradient(rowOf(y, index), row));
    return withGradients(
      (a) => tf.softmax(a),
      { x: tensorOf(x) },
      { dy: tensorOf(dy), right: { result: y, x: dx } },
    );
  },
};

const crossEntropy: Question = {
  name: 'cross-entropy with label smoothing',
  family: 'softmax',
  exact: true,
  ask: () => {
    const labelSmoothing = 0.1;
    const logits = knownTensor([ROWS, WIDTH], 39);
    const labels = Int32Array.from({ length: ROWS }, (_, row) => (row * 29 + 3) % WIDTH);
    const dy = knownTensor([ROWS], 40);
    const p = byRows(logits.values, WIDTH, softmaxOf);
    const target = (at: number): number =>
      labelSmoothing / WIDTH + (at % WIDTH === labels[Math.floor(at / WIDTH)] ? 1 - labelSmoothing : 0);
    const losses = new Float64Array(ROWS);
    p.forEach((value, at) => {
      const row = Math.floor(at / WIDTH);
      losses[row] = (losses[row] as number) - target(at) * Math.log(value);
    });
    const dx = p.map((value, at) => (value - target(at)) * (dy.values[Math.floor(at / WIDTH)] as number));
    return withGradients(
      (a) => softmaxCrossEntropy(a as tf.Tensor2D, labels, { labelSmoothing }),
      { 'the logits': tensorOf(logits) },
      { dy: tensorOf(dy), right: { result: losses, 'the logits': dx } },
    );
  },
};

const activation: Question = {
  name: 'GELU',
  family: 'activation',
  ask: () => {
    // From -4.1 to 4.1: the tails, too.
    const x = knownBy([ROWS, WIDTH], (at) => (((at * 37) % 263) - 131) / 32);
    const dy = knownTensor([ROWS, WIDTH], 41);
    return withGradients(
      (a) => gelu(a),
      { x: tensorOf(x) },
      {
        dy: tensorOf(dy),
        right: {
          result: x.values.map(geluOf),
          x: x.values.map((value, at) => geluSlope(value) * (dy.values[at] as number)),
        },
      },
    );
  },
};

const branch: Question = {
  name: 'residual branch with a scale',
  family: 'activation',
  ask: () => {
    const x = knownTensor([ROWS, WIDTH], 42);
    const added = knownTensor([ROWS, WIDTH], 43);
    const scale = knownTensor([WIDTH], 44);
    const dy = knownTensor([ROWS, WIDTH], 45);
    const scaleAt = (at: number): number => scale.values[at % WIDTH] as number;
    return withGradients(
      (a, b, c) => residual(a, b, { scale: c as tf.Tensor1D }),
      { x: tensorOf(x), 'the branch': tensorOf(added), 'the scale': tensorOf(scale) },
      {
        dy: tensorOf(dy),
        right: {
          result: x.values.map((value, at) => value + (added.values[at] as number) * scaleAt(at)),
          x: dy.values,
          'the branch': dy.values.map((value, at) => value * scaleAt(at)),
          'the scale': columnSums(
            dy.values.map((value, at) => value * (added.values[at] as number)),
            WIDTH,
          ),
        },
      },
    );
  },
};

export const rowQuestions: readonly Question[] = [
  norm,
  unitLength,
  softmax,
  crossEntropy,
  activation,
  branch,
];
