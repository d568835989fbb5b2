/** Keys and values that are kept: positions one after another have the hidden states that they have all at once. */
import { createRandom } from '@polygate/core';
import {
  exportMerged,
  KeyValueCache,
  type Encoder,
  type EncoderAdapter,
  type EncodeOptions,
  type ExpertConfig,
  type SequenceContinuation,
} from '@polygate/encoder';
import { textSegment, type SequenceBatch } from '@polygate/modalities';
import { maximumDifference, testEngines } from '@polygate/tensor/testing';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { captionBatch, drawnModel, inputOf, keys, rows, tiny } from './tiny-models.ts';

const engines = await testEngines();
const SIZE = 3;
/** Prefix and two frames of four patches. */
const HEAD = 9;

/** Images behind the prefix, the start of two texts each. */
const startOf = (padding = false): SequenceBatch => {
  const whole = inputOf(captionBatch(SIZE, 5));
  const [visual] = whole.segments;
  if (!visual) throw new Error('expected a visual segment');
  const keyPadding = new Uint8Array(SIZE * HEAD);
  // The last patches of the second image.
  keyPadding.fill(1, 2 * HEAD - 2, 2 * HEAD);
  return { size: SIZE, task: 'a', segments: [visual], length: HEAD, ...(padding ? { keyPadding } : {}) };
};

/** Steps of a tree: each position by what it sees of earlier kept ones and of its own step, and its place in the text. */
const steps: readonly {
  readonly ids: readonly number[];
  readonly positions: readonly number[];
  readonly keep: number;
  /** Of each position: numbers of kept and new positions, the kept ones first. */
  readonly sees: readonly (readonly number[])[];
}[] = [
  // Queries alone.
  { ids: [9, 9], positions: [0, 0], keep: 0, sees: [[0], [1]] },
  // First tokens of two texts, and their queries.
  { ids: [3, 4, 9, 9], positions: [0, 0, 1, 1], keep: 2, sees: [[0], [1], [0, 2], [1, 3]] },
  // Both go on from the first text.
  {
    ids: [5, 6, 9, 9],
    positions: [1, 1, 2, 2],
    keep: 2,
    sees: [
      [0, 2],
      [0, 3],
      [0, 2, 4],
      [0, 3, 5],
    ],
  },
];

const continuationOf = (step: (typeof steps)[number], kept: number, size = SIZE): SequenceContinuation => {
  const length = step.ids.length;
  const columns = kept + length;
  const visibility = new Uint8Array(size * length * columns);
  for (let b = 0; b < size; b += 1) {
    step.sees.forEach((seen, at) => {
      for (const key of seen) visibility[(b * length + at) * columns + key] = 1;
    });
  }
  const ids = Int32Array.from(Array.from({ length: size }, () => step.ids).flat());
  return {
    size,
    task: 'a',
    segments: [textSegment({ ids, length, positions: Int32Array.from(step.positions) }, rows.captionText)],
    length,
    visibility,
    keep: step.keep,
  };
};

/** All steps as one sequence. */
const wholeOf = (start: SequenceBatch): SequenceBatch => {
  const ids = steps.flatMap((step) => step.ids);
  const total = HEAD + ids.length;
  const visibility = new Uint8Array(total * total);
  for (let query = 0; query < total; query += 1) visibility.fill(1, query * total, query * total + HEAD);
  const kept: number[] = [];
  let first = HEAD;
  for (const step of steps) {
    step.sees.forEach((seen, at) => {
      for (const key of seen) {
        const position = key < kept.length ? (kept[key] as number) : first + key - kept.length;
        visibility[(first + at) * total + position] = 1;
      }
    });
    kept.push(...Array.from({ length: step.keep }, (_, i) => first + i));
    first += step.ids.length;
  }
  const padding = start.keyPadding;
  const keyPadding = padding && new Uint8Array(SIZE * total);
  for (let b = 0; padding && b < SIZE; b += 1) {
    keyPadding?.set(padding.subarray(b * HEAD, (b + 1) * HEAD), b * total);
  }
  return {
    ...start,
    segments: [
      ...start.segments,
      textSegment(
        {
          ids: Int32Array.from(Array.from({ length: SIZE }, () => ids).flat()),
          length: ids.length,
          positions: Int32Array.from(steps.flatMap(({ positions }) => positions)),
        },
        rows.captionText,
      ),
    ],
    length: total,
    ...(keyPadding ? { keyPadding } : {}),
    visibility,
  };
};

const valuesOf = (tensor: tf.Tensor): Float32Array => {
  const values = Float32Array.from(tensor.dataSync());
  tensor.dispose();
  return values;
};

/** Hidden states of all new positions, [B, L, D] of each step. */
const continued = (encoder: Encoder, start: SequenceBatch, options: EncodeOptions = {}): Float32Array[] => {
  using cache = new KeyValueCache();
  encoder.encode(start, { ...options, cache }).dispose();
  return steps.map((step) => valuesOf(encoder.extend(continuationOf(step, cache.kept), cache, options)));
};

const atOnce = (encoder: Encoder, start: SequenceBatch, options: EncodeOptions = {}): Float32Array[] => {
  const hidden = encoder.encode(wholeOf(start), options);
  let first = HEAD;
  const parts = steps.map(({ ids }) => {
    const part = tf.slice(hidden, [0, first, 0], [SIZE, ids.length, -1]);
    first += ids.length;
    return valuesOf(part);
  });
  hidden.dispose();
  return parts;
};

const expectEqual = (
  encoder: Encoder,
  tolerance: number,
  padding = false,
  options: EncodeOptions = {},
): void => {
  const start = startOf(padding);
  const expected = atOnce(encoder, start, options);
  continued(encoder, start, options).forEach((got, i) => {
    expect(maximumDifference(got, expected[i] as Float32Array)).toBeLessThan(tolerance);
  });
};

const conditions: readonly (readonly [string, ExpertConfig | undefined])[] = [
  ['dense', undefined],
  ['attribute', { experts: 4, topK: 2 }],
  ['modality', { experts: 3, condition: 'modality' }],
  ['task', { experts: 3, condition: 'task', tasks: ['a', 'b'] }],
  ['task-specific', { condition: 'task-specific', tasks: ['a', 'b'] }],
  ['token, dropless', { experts: 3, condition: 'token', noise: 0, capacityFactor: 'dropless' }],
];

describe.each(engines)('a continued sequence on $title', (engine) => {
  beforeAll(() => engine.use());
  const tolerance = engine.precision === 'bf16' ? 0.2 : 2e-5;

  it.each(conditions)('has the hidden states of the whole: %s', (_, moe) => {
    // Routing by content may swap two experts that are almost level where inputs are rounded.
    if (engine.precision === 'bf16' && moe?.condition === 'token') return;
    using encoder = drawnModel({ ...tiny, ...(moe ? { moe } : {}) }, 3);
    expect(encoder.refusesContinuation).toBeUndefined();
    expectEqual(encoder, tolerance);
    expectEqual(encoder, tolerance, true);
  });

  it('works with merged weights of a cache, on the tape, and of an export', () => {
    using encoder = drawnModel({ ...tiny, splitAttention: true, moe: { experts: 4, topK: 2 } }, 4);
    expectEqual(encoder, tolerance, false, { merged: false });
    using exported = exportMerged(encoder, [keys.captionImage, keys.captionText]);
    expectEqual(exported, tolerance, true);
    const [trained, merged] = [continued(encoder, startOf()), continued(exported, startOf())];
    trained.forEach((values, i) => {
      expect(maximumDifference(values, merged[i] as Float32Array)).toBeLessThan(tolerance);
    });
  });

  it('has the adapter of the whole: deep prompts, which are computed once, prefix bias, sums of linears, norms', () => {
    const random = createRandom(6);
    const draw = (...shape: number[]) =>
      tf.tensor(
        Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => random.normal()),
        shape,
      );
    const { width } = tiny;
    // One block has no prompts.
    const prompts = [draw(2, width), undefined, draw(3, width)];
    const [bias, delta] = [draw(width) as tf.Tensor1D, draw(width, width) as tf.Tensor2D];
    const norm = tf.variable(draw(width), false);
    const adapter: EncoderAdapter = {
      replaced: (name) => (name === 'blocks.1.norm2.weight' ? norm : undefined),
      begin: ({ batch }) => {
        expect(batch.size).toBe(SIZE);
        return {
          prompts: (block) => prompts[block] as tf.Tensor2D | undefined,
          prefixBias: bias,
          linear: (x, { block, linear }) =>
            block === 2 && linear === 'attention.output'
              ? (tf.reshape(tf.matMul(tf.reshape(x, [-1, width]), delta), x.shape) as tf.Tensor3D)
              : undefined,
        };
      },
    };
    using encoder = drawnModel({ ...tiny, moe: { experts: 4, topK: 2 } }, 7);
    expectEqual(encoder, 2 * tolerance, true, { adapter });
    const [plain, adapted] = [continued(encoder, startOf()), continued(encoder, startOf(), { adapter })];
    expect(maximumDifference(plain[2] as Float32Array, adapted[2] as Float32Array)).toBeGreaterThan(1e-3);
    tf.dispose([...prompts.filter((prompt) => prompt !== undefined), bias, delta, norm]);
  });

  it('goes on with some of the sequences, and leaves nothing behind', () => {
    using encoder = drawnModel({ ...tiny, moe: { experts: 4, topK: 2 } }, 8);
    const start = startOf(true);
    const all = continued(encoder, start);
    const before = tf.memory().numTensors;
    const cache = new KeyValueCache();
    encoder.encode(start, { cache }).dispose();
    const [, first, second] = steps as [(typeof steps)[0], (typeof steps)[0], (typeof steps)[0]];
    encoder.extend(continuationOf(first, 0), cache).dispose();
    cache.take([2, 1]);
    expect(cache.size).toBe(2);
    const got = valuesOf(encoder.extend(continuationOf(second, 2, 2), cache));
    const width = got.length / 2;
    const last = all[2] as Float32Array;
    expect(maximumDifference(got.subarray(0, width), last.subarray(2 * width))).toBeLessThan(tolerance);
    expect(maximumDifference(got.subarray(width), last.subarray(width, 2 * width))).toBeLessThan(tolerance);
    // Of each block and sequence keys and values of 8 numbers, and the mask of the start.
    expect(cache.bytes).toBe(4 * tiny.layers * 2 * (2 * tiny.width * (HEAD + 4) + HEAD));
    cache.dispose();
    cache.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe('a continued sequence', () => {
  beforeAll(async () => {
    await engines[0]?.use();
  });

  it('is refused where the experts of a token hang on others', () => {
    const of = (moe: ExpertConfig) => drawnModel({ ...tiny, moe: { experts: 3, noise: 0, ...moe } }, 9);
    using limited = of({ condition: 'token' });
    using context = of({ condition: 'context', capacityFactor: 'dropless' });
    expect(limited.refusesContinuation).toContain('"token"');
    using cache = new KeyValueCache();
    expect(() => limited.encode(startOf(), { cache })).toThrow(
      'encode: expected experts that a token has wherever it stands, to keep keys and values, got the condition "token" with slots for a share of the batch alone; encode whole sequences, or let every token have its experts (moe.capacityFactor "dropless")',
    );
    expect(() => context.encode(startOf(), { cache })).toThrow(
      'encode: expected experts that a token has wherever it stands, to keep keys and values, got the condition "context", which looks at the whole sequence; encode whole sequences',
    );
  });

  it('says what does not fit', () => {
    using encoder = drawnModel(tiny, 10);
    using cache = new KeyValueCache();
    const [first] = steps as [(typeof steps)[0]];
    const step = continuationOf(first, 0);
    expect(() => encoder.extend(step, cache)).toThrow(
      'extend: expected a key-value cache with a start, got an empty one; encode the start with it first',
    );
    encoder.encode(startOf(), { cache }).dispose();
    expect(() => encoder.encode(startOf(), { cache })).toThrow(
      'encode: expected an empty key-value cache, got one of 3 sequences; go on with extend, or make a new one',
    );
    expect(() => encoder.extend(continuationOf(first, 0, 2), cache)).toThrow(
      'extend: expected 3 sequences, as the cache has, got 2',
    );
    expect(() => encoder.extend({ ...step, length: 3 }, cache)).toThrow(
      'extend: expected a length of 2 (all segments; there is no prefix token), got 3',
    );
    expect(() => encoder.extend({ ...step, visibility: new Uint8Array(4) }, cache)).toThrow(
      'extend: expected visibility of 3 x 2 x 2 flags (new positions by kept and new ones), got 4',
    );
    expect(() => encoder.extend({ ...step, keep: 3 }, cache)).toThrow(
      'extend: expected keep to be a whole number of 0 to 2, got 3',
    );
    expect(() => cache.take([3])).toThrow('key-value cache: expected one row or more below 3, got 3');
    expect(() => encoder.encode(startOf(), { cache: new KeyValueCache(), training: true })).toThrow(
      'encode: expected no key-value cache in training, got one; weights change there',
    );
    cache.dispose();
    expect(() => encoder.extend(step, cache)).toThrow('got one that was disposed; make a new one');
  });
});
