/** Multi-head attention with and without a mask, and attention pooling. Axes: B batch · L tokens · h heads · d width of a head. */
import type * as tf from '@tensorflow/tfjs';
import { attention } from '../attention.ts';
import { attentionPool, type AttentionPoolWeights } from '../attention-pool.ts';
import {
  bilinear,
  byRows,
  columnSums,
  knownTensor,
  knownBy,
  plusBias,
  productTerms,
  softmaxGradient,
  softmaxOf,
  tensorOf,
  type Known,
  type Terms,
} from './known.ts';
import { withGradients, type Question } from './question.ts';

/** More tokens than a block of 32, a head that is no whole vector of 16. */
const SIZES = { batch: 1, length: 33, heads: 2, head: 20 };

/** One of q, k, v [B h, L, d] out of qkv [B, L, 3, h, d], or back into it. */
const placeOf = (part: number) => (index: number) => {
  const { length, heads, head } = SIZES;
  const [channel, row] = [index % head, Math.floor(index / head)];
  const [token, matrix] = [row % length, Math.floor(row / length)];
  const [h, sample] = [matrix % heads, Math.floor(matrix / heads)];
  return (((sample * length + token) * 3 + part) * heads + h) * head + channel;
};

/** Where an element of [B h, L, d] lies in [B, L, h d]. */
const joinedPlace = (index: number): number => {
  const { length, heads, head } = SIZES;
  const [channel, row] = [index % head, Math.floor(index / head)];
  const [token, matrix] = [row % length, Math.floor(row / length)];
  const [h, sample] = [matrix % heads, Math.floor(matrix / heads)];
  return ((sample * length + token) * heads + h) * head + channel;
};

const attentionWith = (name: string, masked: boolean): Question => ({
  name,
  family: 'attention',
  slack: 2,
  ask: () => {
    const { batch, length, heads, head } = SIZES;
    const matrices = batch * heads;
    const count = matrices * length * head;
    const qkv = knownTensor([batch, length, 3 * heads * head], 51);
    const dy = knownTensor([batch, length, heads * head], 52);
    // Causal: a token sees itself and those before it.
    const mask = knownBy([1, 1, length, length], (at) => (at % length > Math.floor(at / length) ? -1e9 : 0));
    const partOf = (part: number) =>
      Float64Array.from({ length: count }, (_, index) => qkv.values[placeOf(part)(index)] as number);
    const [q, k, v] = [partOf(0), partOf(1), partOf(2)];
    const upstream = Float64Array.from(
      { length: count },
      (_, index) => dy.values[joinedPlace(index)] as number,
    );
    const scale = 1 / Math.sqrt(head);
    const forScores = productTerms(
      { batch: matrices, rows: length, inner: head, columns: length },
      { transposeB: true },
    );
    const forValues = productTerms({ batch: matrices, rows: length, inner: length, columns: head });
    const nothing = new Float64Array(matrices * length * length);
    const scores = bilinear(forScores, q, k, nothing).y.map(
      (value, at) => value * scale + (masked ? (mask.values[at % (length * length)] as number) : 0),
    );
    const p = byRows(scores, length, softmaxOf);
    const mixed = bilinear(forValues, p, v, upstream);
    const dScores = byRows(mixed.da, length, (row, index) =>
      softmaxGradient(p.subarray(index * length, (index + 1) * length), row).map((value) => value * scale),
    );
    const { da: dq, db: dk } = bilinear(forScores, q, k, dScores);
    const result = new Float64Array(dy.values.length);
    mixed.y.forEach((value, index) => (result[joinedPlace(index)] = value));
    const dqkv = new Float64Array(qkv.values.length);
    [dq, dk, mixed.db].forEach((gradient, part) =>
      gradient.forEach((value, index) => (dqkv[placeOf(part)(index)] = value)),
    );
    const options = masked ? { heads, mask: tensorOf<tf.Tensor4D>(mask) } : { heads };
    return withGradients(
      (x) => attention(x as tf.Tensor3D, options),
      { 'queries, keys and values': tensorOf(qkv) },
      { dy: tensorOf(dy), right: { result, 'queries, keys and values': dqkv } },
    );
  },
});

/** B batch · T tokens · H heads · C channels of a head · D = H C. */
const POOL = { batch: 2, tokens: 19, heads: 2, channels: 12 };

/** <q[b, h], k[b, t, h]> for each head and token. */
const headScores: Terms = (add) => {
  const { batch, tokens, heads, channels } = POOL;
  const width = heads * channels;
  for (let b = 0; b < batch; b += 1)
    for (let h = 0; h < heads; h += 1)
      for (let t = 0; t < tokens; t += 1)
        for (let c = h * channels; c < (h + 1) * channels; c += 1)
          add(b * width + c, (b * tokens + t) * width + c, (b * heads + h) * tokens + t);
};

/** sum over t of a[b, h, t] v[b, t, h]. */
const headMeans: Terms = (add) => headScores((q, v, a) => add(a, v, q));

const pooling: Question = {
  name: 'attention pooling',
  family: 'attention',
  ask: () => {
    const { batch, tokens, heads, channels } = POOL;
    const width = heads * channels;
    const x = knownTensor([batch, tokens, width], 53);
    const dy = knownTensor([batch, width], 54);
    const matrix = (seed: number): Known => {
      const { shape, values } = knownTensor([width, width], seed);
      return { shape, values: values.map((value) => value / 8) };
    };
    const [queryWeight, keyWeight, valueWeight, outputWeight] = [
      matrix(55),
      matrix(56),
      matrix(57),
      matrix(58),
    ];
    const [queryBias, valueBias, outputBias] = [
      knownTensor([width], 59),
      knownTensor([width], 60),
      knownTensor([width], 61),
    ];
    const layer = (rows: number): Terms =>
      productTerms({ rows, inner: width, columns: width }, { transposeB: true });
    const product = (a: Float64Array, weight: Known): Float64Array =>
      bilinear(layer(a.length / width), a, weight.values, new Float64Array(a.length)).y;
    const mean = new Float64Array(batch * width);
    x.values.forEach((value, at) => {
      const index = Math.floor(at / (tokens * width)) * width + (at % width);
      mean[index] = (mean[index] as number) + value / tokens;
    });
    const q = plusBias(product(mean, queryWeight), queryBias.values);
    const k = product(x.values, keyWeight);
    const v = product(x.values, valueWeight);
    const scale = 1 / Math.sqrt(channels);
    const scores = bilinear(headScores, q, k, new Float64Array(batch * heads * tokens)).y.map(
      (s) => s * scale,
    );
    const a = byRows(scores, tokens, softmaxOf);
    const pooled = plusBias(bilinear(headMeans, a, v, new Float64Array(batch * width)).y, valueBias.values);
    const output = bilinear(layer(batch), pooled, outputWeight.values, dy.values);
    const toPooled = bilinear(headMeans, a, v, output.da);
    const toScores = byRows(toPooled.da, tokens, (row, index) =>
      softmaxGradient(a.subarray(index * tokens, (index + 1) * tokens), row).map((s) => s * scale),
    );
    const { da: dq, db: dk } = bilinear(headScores, q, k, toScores);
    const toQuery = bilinear(layer(batch), mean, queryWeight.values, dq);
    const toKeys = bilinear(layer(batch * tokens), x.values, keyWeight.values, dk);
    const toValues = bilinear(layer(batch * tokens), x.values, valueWeight.values, toPooled.db);
    const dx = toKeys.da.map((value, at) => {
      const index = Math.floor(at / (tokens * width)) * width + (at % width);
      return value + (toValues.da[at] as number) + (toQuery.da[index] as number) / tokens;
    });
    const parameters = {
      queryWeight,
      queryBias,
      keyWeight,
      valueWeight,
      valueBias,
      outputWeight,
      outputBias,
    };
    return withGradients(
      (sequence, ...given) => {
        const weights = Object.fromEntries(Object.keys(parameters).map((name, at) => [name, given[at]]));
        return attentionPool(sequence as tf.Tensor3D, weights as unknown as AttentionPoolWeights, { heads });
      },
      {
        x: tensorOf(x),
        ...Object.fromEntries(Object.entries(parameters).map(([name, values]) => [name, tensorOf(values)])),
      },
      {
        dy: tensorOf(dy),
        right: {
          result: plusBias(output.y, outputBias.values),
          x: dx,
          queryWeight: toQuery.db,
          queryBias: columnSums(dq, width),
          keyWeight: toKeys.db,
          valueWeight: toValues.db,
          valueBias: columnSums(output.da, width),
          outputWeight: output.db,
          outputBias: columnSums(dy.values, width),
        },
      },
    );
  },
};

export const attentionQuestions: readonly Question[] = [
  attentionWith('attention', false),
  attentionWith('attention with a causal mask', true),
  pooling,
];
