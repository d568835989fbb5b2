import { createRandom } from '@polygate/core';
import { createUniPerceiver, type UniPerceiver } from '@polygate/encoder';
import {
  joinSegments,
  textSegment,
  visualSegment,
  type Segment,
  type SequenceBatch,
} from '@polygate/modalities';
import { parameterGradients } from '@polygate/nn';
import { leakedTensors, maximumDifference, relativeDifference, testEngines } from '@polygate/tensor/testing';
import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  captionBatch,
  drawnModel,
  inputOf,
  keys,
  rows,
  textBatch,
  tiny,
  type PlainBatch,
} from './tiny-models.ts';

const engines = await testEngines();
const sparse = { ...tiny, moe: { experts: 4, topK: 2 } };

const encoded = (model: UniPerceiver, batch: PlainBatch, mask?: number[][]): Float32Array => {
  const input = inputOf(batch, mask);
  const hidden = model.encode(input);
  const values = Float32Array.from(hidden.dataSync());
  hidden.dispose();
  return values;
};

/** A scalar that depends on every hidden state, the head and every temperature. */
const anyLoss = (model: UniPerceiver, input: SequenceBatch, seed: number): tf.Scalar =>
  tf.tidy(() => {
    const hidden = model.encode(input, { training: true, random: createRandom(seed) });
    const [batch, length, width] = hidden.shape;
    const flat = hidden.reshape([batch * length, width]) as tf.Tensor2D;
    const values = createRandom(99);
    const factors = tf.tensor2d(
      Float32Array.from({ length: flat.size }, () => values.normal()),
      flat.shape,
    );
    const projected = model.project(flat).mul(factors).sum();
    const heat = tf.addN(model.config.temperatures.map((name) => model.temperature(name)));
    return projected.mul(heat.mul(0.01)).add(flat.mul(factors).sum()) as tf.Scalar;
  });

describe.each(engines)('UniPerceiver on $title', (engine) => {
  beforeAll(() => engine.use());

  it('permutes with its batch', () => {
    const model = drawnModel(sparse, 1);
    const batch = captionBatch(3, 2);
    const order = [2, 0, 1];
    const plain = encoded(model, batch);
    const moved = encoded(
      model,
      order.map((b) => batch[b] ?? []),
    );
    const size = plain.length / 3;
    order.forEach((from, to) => {
      const difference = maximumDifference(
        moved.subarray(to * size, (to + 1) * size),
        plain.subarray(from * size, (from + 1) * size),
      );
      expect(difference).toBeLessThan(engine.precision === 'bf16' ? 0.05 : 1e-5);
    });
    model.dispose();
  });

  it('does not let masked tokens reach visible ones', () => {
    const model = drawnModel(sparse, 3);
    // The last two of five tokens are padding.
    const mask = Array.from({ length: 6 }, () => [0, 0, 0, 0, -1e4, -1e4]);
    fc.assert(
      fc.property(fc.array(fc.nat(10), { minLength: 2, maxLength: 2 }), (padding) => {
        const [sample = []] = textBatch(1, 3, 4);
        const [segment] = sample;
        const padded = (tail: number[]): PlainBatch =>
          segment?.kind === 'text' ? [[{ ...segment, ids: [...segment.ids, ...tail] }]] : [];
        const visible = (values: Float32Array): Float32Array => values.subarray(0, 4 * 8);
        const plain = visible(encoded(model, [sample]));
        const one = visible(encoded(model, padded([0, 0]), mask));
        const other = visible(encoded(model, padded(padding), mask));
        expect(other).toEqual(one);
        expect(relativeDifference(one, plain)).toBeLessThan(engine.tolerance);
      }),
      { numRuns: 10 },
    );
    model.dispose();
  });

  it('leaks nothing: training, evaluation, routing, clearing, disposing', () => {
    const input = inputOf(captionBatch(2, 5));
    const model = drawnModel({ ...sparse, dropPath: 0.3 }, 6);
    const round = (): void => {
      const { loss, gradients } = parameterGradients(model.parameters, () => anyLoss(model, input, 7));
      tf.dispose([loss, ...Object.values(gradients)]);
      model.encode(input).dispose();
      model.encode(input).dispose();
      model.routing([keys.text]);
      model.temperature('image-classification').dispose();
      model.clearMergedCache();
    };
    round();
    expect(leakedTensors(round)).toEqual({ tensors: 0, buffers: 0 });
    model.dispose();
    const life = (): void => {
      const encoder = createUniPerceiver(sparse, createRandom(8));
      encoder.encode(input).dispose();
      encoder.dispose();
      encoder.dispose();
    };
    expect(leakedTensors(life)).toEqual({ tensors: 0, buffers: 0 });
  });
});

describe('gradients', () => {
  beforeAll(async () => {
    await engines[0]?.use();
  });

  it('reach every parameter that took part, and no expert that was not chosen', () => {
    const model = drawnModel(sparse, 11);
    const input = inputOf(captionBatch(2, 12));
    // The same stream in the loss and here: noise is drawn first, so the decisions are those of the loss.
    const chosen = new Set<string>();
    const quiet = drawnModel({ ...sparse, moe: { ...sparse.moe, noise: 0 } }, 11);
    for (const { block, linears, chosen: ids } of quiet.routing([keys.captionImage, keys.captionText])) {
      for (const linear of linears) {
        for (const e of ids.flat()) chosen.add(`blocks.${block}.${linear}.experts.${e}`);
      }
    }
    expect(chosen.size).toBeLessThan(3 * 4 * 4);
    const { loss, gradients } = parameterGradients(quiet.parameters, () => anyLoss(quiet, input, 13));
    for (const { name } of quiet.parameters.specs) {
      const expert = /^(.*\.experts\.\d+)\./u.exec(name)?.[1];
      const expected = expert === undefined || chosen.has(expert);
      expect(gradients[name] !== undefined, name).toBe(expected);
      if (expected) {
        const size = Math.max(...(gradients[name]?.abs().dataSync() ?? []));
        // Zero for rows that no token used is right; a whole tensor of zeros would not be.
        expect(size, name).toBeGreaterThan(1e-7);
      }
    }
    tf.dispose([loss, ...Object.values(gradients)]);
    quiet.dispose();
    model.dispose();
  });

  it('agree with central differences along a random direction of each parameter', () => {
    // One block with experts, one without. A seed that leaves no third expert near the second: where they change
    // places the loss jumps, and there is no gradient to find.
    const model = drawnModel({ ...sparse, layers: 2, dropPath: 0.3, moe: { ...sparse.moe, every: 2 } }, 24);
    const input = inputOf(captionBatch(1, 15));
    const { loss, gradients } = parameterGradients(model.parameters, () => anyLoss(model, input, 16));
    const value = (): number => {
      const scalar = anyLoss(model, input, 16);
      const [result = NaN] = scalar.dataSync();
      scalar.dispose();
      return result;
    };
    let compared = 0;
    for (const { name, variable } of model.parameters.entries()) {
      const gradient = gradients[name]?.dataSync();
      if (!gradient) continue;
      const random = createRandom(17).fork(name);
      const start = Float32Array.from(variable.dataSync());
      const direction = Float32Array.from(start, () => random.normal());
      const length = Math.hypot(...direction);
      const along = direction.reduce((sum, d, i) => sum + (d / length) * (gradient[i] ?? 0), 0);
      const norm = Math.hypot(...gradient);
      const at = (step: number): number => {
        model.parameters.write(
          name,
          start.map((v, i) => v + (step * (direction[i] ?? 0)) / length),
        );
        return value();
      };
      const central = (step: number): number => (at(step) - at(-step)) / (2 * step);
      // Richardson: the step^2 term cancels; float32 leaves about 1e-6 * |loss| / step.
      const expected = (4 * central(0.01) - central(0.02)) / 3;
      model.parameters.write(name, start);
      expect(Math.abs(along - expected), `${name}: ${along} against ${expected}`).toBeLessThan(
        0.01 + 0.01 * norm,
      );
      compared += 1;
    }
    expect(compared).toBeGreaterThan(35);
    tf.dispose([loss, ...Object.values(gradients)]);
    model.dispose();
  });

  it('pass through the unmerged evaluation, and none to experts through cached weights', () => {
    const model = drawnModel(sparse, 18);
    const input = inputOf(textBatch(2, 3, 19));
    const names = (merged: boolean): string[] => {
      const { loss, gradients } = parameterGradients(model.parameters, () =>
        tf.tidy(() => model.encode(input, { merged }).square().sum() as tf.Scalar),
      );
      tf.dispose([loss, ...Object.values(gradients)]);
      return Object.keys(gradients).filter((name) => name.includes('experts') || name.startsWith('routers'));
    };
    // Twice: the first forward fills the cache on the tape's watch.
    expect(names(true)).toEqual([]);
    expect(names(true)).toEqual([]);
    expect(names(false).length).toBeGreaterThan(20);
    model.dispose();
  });
});

describe('merged weights', () => {
  beforeAll(async () => {
    await engines[0]?.use();
  });

  it('are kept by row until training or clearing', () => {
    const model = drawnModel({ ...sparse, moe: { ...sparse.moe, noise: 0 } }, 21);
    const caption = inputOf(captionBatch(1, 22));
    const text = inputOf(textBatch(1, 2, 23));
    model.encode(caption).dispose();
    expect(model.mergedRows).toBe(2);
    model.encode(text).dispose();
    expect(model.mergedRows).toBe(3);
    const held = tf.memory().numTensors;
    model.encode(text).dispose();
    expect(tf.memory().numTensors).toBe(held);
    model.encode(text, { training: true }).dispose();
    expect(model.mergedRows).toBe(0);
    model.encode(text).dispose();
    model.clearMergedCache();
    expect(model.mergedRows).toBe(0);
    model.dispose();
  });

  it('show a changed parameter after clearing, not before', () => {
    const model = drawnModel(sparse, 24);
    const batch = textBatch(1, 2, 25);
    const before = encoded(model, batch);
    for (let e = 0; e < 4; e += 1) {
      model.parameters.write(`blocks.0.ffn.fc2.experts.${e}.bias`, new Float32Array(8).fill(3));
    }
    expect(encoded(model, batch)).toEqual(before);
    model.clearMergedCache();
    expect(maximumDifference(encoded(model, batch), before)).toBeGreaterThan(0.1);
    model.dispose();
  });
});

describe('head', () => {
  beforeAll(async () => {
    await engines[0]?.use();
  });

  it('projects to unit length and scales by a temperature of at most 100', () => {
    const model = createUniPerceiver(tiny, createRandom(31));
    // At its start: exp(ln(1 / 0.07)) = 1 / 0.07 = 14.2857...
    expect(model.temperature('image-classification').dataSync()[0]).toBeCloseTo(14.285714, 4);
    model.parameters.write('temperature.image-classification', Float32Array.from([4.7]));
    // e^4.7 = 109.9
    expect(model.temperature('image-classification').dataSync()[0]).toBe(100);
    const projected = model.project(tf.randomNormal([5, 8], 0, 3, 'float32', 1));
    for (const length of tf.norm(projected, 2, 1).dataSync()) expect(length).toBeCloseTo(1, 5);
    model.dispose();
  });

  it('starts LayerScale at 1e-3, so that a new encoder is nearly its embedding', () => {
    const { layerScale: _, ...paper } = tiny;
    const model = createUniPerceiver(paper, createRandom(32));
    expect([...model.parameters.get('blocks.1.scale2').dataSync()]).toEqual(
      new Array(8).fill(Math.fround(1e-3)),
    );
    model.dispose();
  });
});

describe('routing', () => {
  beforeAll(async () => {
    await engines[0]?.use();
  });

  it('reports each router with its block and linears; a dense encoder has none', () => {
    const model = drawnModel({ ...tiny, moe: { experts: 4, every: 2 } }, 41);
    const reports = model.routing([keys.image, keys.name]);
    expect(reports.map(({ block, linears }) => [block, ...linears])).toEqual([
      [0, 'attention.qkv', 'attention.output'],
      [0, 'ffn.fc1', 'ffn.fc2'],
      [2, 'attention.qkv', 'attention.output'],
      [2, 'ffn.fc1', 'ffn.fc2'],
    ]);
    for (const { chosen, probabilities } of reports) {
      expect(chosen.map((ids) => ids.length)).toEqual([2, 2]);
      expect(probabilities.slice(0, 4).reduce((a, b) => a + b)).toBeCloseTo(1, 5);
    }
    model.dispose();
    const dense = createUniPerceiver(tiny, createRandom(42));
    expect(dense.routing([keys.image])).toEqual([]);
    dense.dispose();
  });
});

describe('error texts', () => {
  beforeAll(async () => {
    await engines[0]?.use();
  });

  it('say what a sequence lacks', () => {
    const model = createUniPerceiver({ ...sparse, dropPath: 0.1 }, createRandom(51));
    const ids = new Int32Array(6);
    const words = textSegment({ ids, length: 3 }, rows.text);
    const grid = { rows: 2, columns: 2, frames: 1 };
    const images = { size: 2, patches: new Float32Array(2 * 4 * 4), patchCount: 4, patchWidth: 4, grid };
    const image = visualSegment(images, rows.image);
    const encode =
      (...segments: readonly Segment[]) =>
      () =>
        model.encode(
          joinSegments(
            2,
            segments.map((segment) => ({ segment })),
          ),
        );
    expect(encode()).toThrow('encode: expected at least one segment, got none; give text or patches');
    expect(encode({ ...words, arrays: { ids: new Float32Array(6) } })).toThrow(
      'encode: expected segment 0 (text): 2 x 3 ids, an Int32Array, got 6 of Float32Array',
    );
    expect(encode({ ...words, arrays: { ids: new Int32Array(14) }, length: 7 })).toThrow(
      'encode: expected segment 0 (text): at most 6 tokens, got 7; cut the text or raise maxPositions before training',
    );
    expect(encode({ ...words, layout: { positions: Int32Array.of(0, 1) } })).toThrow(
      'encode: expected segment 0 (text): 3 positions, an Int32Array, got 2 of Int32Array',
    );
    expect(encode(words, visualSegment({ ...images, patchWidth: 5 }, rows.image))).toThrow(
      'encode: expected segment 1 (visual): patches of 4 values (2 x 2 pixels, 1 channels), got 5',
    );
    expect(encode(visualSegment({ ...images, grid: { ...grid, frames: 2 } }, rows.image))).toThrow(
      'encode: expected segment 0 (visual): 8 patches (2 x 2 x 2), got 4; correct grid',
    );
    expect(encode({ ...image, layout: { ...image.layout, startFrame: 4 } })).toThrow(
      'encode: expected segment 0 (visual): frames within the 4 temporal positions, got 1 from position 4; use fewer frames, or an earlier startFrame',
    );
    expect(encode(words, visualSegment({ ...images, patches: new Float32Array(48) }, rows.image))).toThrow(
      'encode: expected segment 1 (visual): 2 x 4 x 4 values, a Float32Array, got 48 of Float32Array',
    );
    expect(encode({ ...words, modality: 'audio' })).toThrow(
      'unknown modality of the encoder "audio": known: text, visual',
    );
    const batch = joinSegments(2, [{ segment: words }]);
    expect(() => model.encode({ ...batch, length: 3 })).toThrow(
      'encode: expected a length of 4 (the prefix token and all segments), got 3',
    );
    expect(() => model.encode({ ...batch, visibility: new Uint8Array(9) })).toThrow(
      'encode: expected visibility of 4 x 4 flags (position 0 is the prefix token), got 9',
    );
    expect(() => model.encode({ ...batch, keyPadding: new Uint8Array(9) })).toThrow(
      'encode: expected keyPadding of 2 x 4 flags (position 0 is the prefix token), got 9',
    );
    expect(() => model.encode(batch, { training: true })).toThrow(
      'encode: expected a random stream for drop path in training, got none; pass random',
    );
    expect(() => model.project(tf.zeros([2, 7]))).toThrow(
      'project: expected hidden states of shape [count, 8], got [2, 7]; gather the compared positions first',
    );
    expect(() => model.temperature('captioning')).toThrow('unknown temperature "captioning"');
    model.dispose();
    expect(encode(words)).toThrow(
      'encoder: expected a live encoder, got one that was disposed; create it anew',
    );
  });
});
