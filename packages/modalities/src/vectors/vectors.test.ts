/** Series as tokens: patches, gaps, positions and their projection, by hand and by finite differences. */
import { parseRow } from '@polygate/attributes';
import { createRandom } from '@polygate/core';
import { allocateParameters } from '@polygate/nn';
import type { StoredInput } from '@polygate/stream';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import type { BatchColumns } from '../columns.ts';
import type { Modality } from '../modality.ts';
import { depth } from './grids.ts';
import { timeSeries } from './steps.ts';
import { set, table } from './tables.ts';
import type { VectorInput, VectorSettings } from './vector-modality.ts';
import type { VectorSegment } from './vector-segment.ts';

beforeAll(async () => {
  await tf.setBackend('cpu');
});

const row = parseRow('00010001+time-series=101');

/** Rows of lists of one column. */
const columnsOf = (name: string, rows: readonly (readonly number[])[]): BatchColumns => ({
  size: rows.length,
  has: (column) => column === name,
  fixed: () => {
    throw new Error('no such column');
  },
  list: (_, at) => Float32Array.from(rows[at] ?? []),
});

const inputOf = (
  modality: Modality<VectorSettings, VectorInput, VectorSegment>,
  stored: Partial<StoredInput>,
  settings = {},
): VectorInput => {
  const context = {
    name: 'x',
    image: { height: 8, width: 8, patch: 4 },
    text: { vocabularySize: 10, endToken: 9, maximumTokens: 4 },
    settings,
  };
  const input = modality.input?.({ modality: modality.name, form: 'values', ...stored }, context);
  if (!input) throw new Error('expected an input');
  return input;
};

const read = (
  modality: Modality<VectorSettings, VectorInput, VectorSegment>,
  input: VectorInput,
  rows: readonly (readonly number[])[],
) => modality.read(columnsOf('x', rows), input, { row });

describe('a time series', () => {
  const stored = {
    shape: [null, 2],
    gaps: true,
    statistics: [
      { mean: 1, deviation: 2 },
      { mean: 7, deviation: 0 },
    ],
  };
  const input = inputOf(timeSeries, stored, { patch: 2 });

  it('is cut into patches of steps, standardised, with a flag for each number that was observed', () => {
    // (3 - 1) / 2 = 1, (5 - 1) / 2 = 2; the second feature is constant: 0. The last step of a third row is not there.
    const { segment, padding } = read(timeSeries, input, [[3, 7, NaN, 7, 5, 7], [1, 7], []]);
    expect(segment.length).toBe(2);
    const token = (b: number, l: number) => [
      ...segment.arrays.tokens.slice((b * 2 + l) * 8, (b * 2 + l + 1) * 8),
    ];
    expect(token(0, 0)).toEqual([1, 0, 0, 0, 1, 1, 0, 1]);
    expect(token(0, 1)).toEqual([2, 0, 0, 0, 1, 1, 0, 0]);
    expect(token(1, 0)).toEqual([0, 0, 0, 0, 1, 1, 0, 0]);
    // The second row has one token, the third lacks the input.
    expect([...(padding ?? [])]).toEqual([0, 0, 0, 1, 1, 1]);
    expect(timeSeries.rawTokens?.(segment)).toMatchObject({
      width: 8,
      axes: 1,
      coordinates: Float32Array.of(0, 1),
    });
  });

  it('without gaps in training has no flags, and takes a gap for the mean', () => {
    const plain = inputOf(timeSeries, { ...stored, gaps: false });
    const { segment } = read(timeSeries, plain, [[3, 7, NaN, 7]]);
    expect([...segment.arrays.tokens]).toEqual([1, 0, 0, 0]);
  });

  it('that nobody in a batch has is one token that is padding', () => {
    const { segment, padding } = read(timeSeries, input, [[], []]);
    expect([segment.length, [...(padding ?? [])]]).toEqual([1, [1, 1]]);
  });

  it('is refused where it is none of the input, and says what it expects', () => {
    expect(() => read(timeSeries, input, [[1, 2, 3]])).toThrow(
      'input "x": expected numbers of the shape [null,2] for time-series, got 3 in row 0 of a batch; prepare the data again, or take a model of theirs',
    );
    expect(() => inputOf(timeSeries, { shape: [4, null] })).toThrow(
      'input "x": expected an array [steps, features] with lengths that differ in steps alone, got the shape [4,null]',
    );
    expect(() => inputOf(timeSeries, stored, { patch: 0 })).toThrow(
      'input "x": expected "patch" of a whole number above 0 for time-series, got {"patch":0}; correct inputs.x of the task',
    );
    expect(() => inputOf(timeSeries, stored, { patches: 2 })).toThrow('got {"patches":2}');
  });

  it('is projected and gets sin-cos positions by its steps', () => {
    const settings = timeSeries.resolve({ inputs: [{ name: 'x', width: 8 }] }, 4);
    const parameters = allocateParameters(timeSeries.parameters(settings, 4), createRandom(1));
    const { segment } = read(timeSeries, input, [[1, 7, NaN, 7, NaN, 7, NaN, 7]]);
    const embed = (parameter: (name: string) => tf.Tensor) =>
      timeSeries.embed([segment], {
        settings,
        width: 4,
        size: 1,
        prefix: false,
        parameter,
        constant: (_, make) => make(),
      });
    // Without weights, positions are left: sin(i), sin(i / 100), cos(i), cos(i / 100) of tokens 0 and 1.
    const bare = embed((name) => tf.zerosLike(parameters.get(name))).arraySync()[0] ?? [];
    const expected = [0, 1].map((i) => [Math.sin(i), Math.sin(i / 100), Math.cos(i), Math.cos(i / 100)]);
    bare.forEach((token, i) =>
      token.forEach((value, d) => expect(value).toBeCloseTo(expected[i]?.[d] ?? 9, 6)),
    );
    // d(sum of squares) / d(weight), against finite differences.
    const name = 'embedding.time-series.x-8.weight';
    const loss = (weight: tf.Tensor): tf.Scalar =>
      tf.sum(tf.square(embed((each) => (each === name ? weight : parameters.get(each)))));
    const weight = parameters.get(name);
    const gradient = tf.grad(loss)(weight).dataSync();
    const values = weight.dataSync();
    for (const at of [0, 5, 17, 31]) {
      const moved = (step: number) => {
        const other = Float32Array.from(values);
        other[at] = (other[at] ?? 0) + step;
        return loss(tf.tensor2d(other, [4, 8])).dataSync()[0] ?? NaN;
      };
      expect((moved(1e-2) - moved(-1e-2)) / 2e-2).toBeCloseTo(gradient[at] ?? NaN, 2);
    }
    parameters.dispose();
  });

  it('of another width is refused by an encoder, which says what it was made for', () => {
    const settings = timeSeries.resolve({ inputs: [{ name: 'x', width: 4 }] }, 4);
    const { segment } = read(timeSeries, input, [[1, 2]]);
    expect(() => timeSeries.check(segment, { settings, size: 1, label: 'here' })).toThrow(
      'here: an input that the model was made for (x of 4 values a token), got x of 8; use a model that was trained on such data',
    );
    expect(timeSeries.settingsFor?.([input, input])).toEqual({ inputs: [{ name: 'x', width: 8 }] });
  });
});

describe('tables, sets and grids', () => {
  it('give each column of a table a block of its own, and what is missing a place in it', () => {
    const columns = [
      { name: 'age', kind: 'number' },
      { name: 'site', kind: 'category', values: ['a', 'b'] },
    ] as const;
    const statistics = [
      { mean: 30, deviation: 10 },
      { mean: 0, deviation: 1 },
    ];
    const { segment, padding } = read(table, inputOf(table, { shape: [2], columns, statistics }), [
      [50, 1],
      [NaN, NaN],
      [],
    ]);
    // [value, is there, is missing | a, b, missing]
    expect([...segment.arrays.tokens.slice(0, 24)]).toEqual([
      ...[2, 1, 0, 0, 0, 0],
      ...[0, 0, 0, 0, 1, 0],
      ...[0, 0, 1, 0, 0, 0],
      ...[0, 0, 0, 0, 0, 1],
    ]);
    expect([...(padding ?? [])]).toEqual([0, 0, 0, 0, 1, 1]);
  });

  it('take elements of sets one by one', () => {
    const { segment, padding } = read(set, inputOf(set, { shape: [null, 2] }), [
      [1, 2, 3, 4],
      [5, 6],
    ]);
    expect([...segment.arrays.tokens]).toEqual([1, 2, 3, 4, 5, 6, 0, 0]);
    expect([...(padding ?? [])]).toEqual([0, 0, 0, 1]);
  });

  it('cut grids into patches row after row, with coordinates on both axes', () => {
    // [3, 4] by patches of 2 x 2: two rows of two tokens, the lower ones half outside.
    const input = inputOf(depth, { shape: [3, 4] }, { patch: [2, 2] });
    const { segment } = read(depth, input, [[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]]);
    expect([...segment.arrays.tokens]).toEqual([1, 2, 5, 6, 3, 4, 7, 8, 9, 10, 0, 0, 11, 12, 0, 0]);
    expect([...(depth.rawTokens?.(segment).coordinates ?? [])]).toEqual([0, 0, 0, 1, 1, 0, 1, 1]);
  });
});
