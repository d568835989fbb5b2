/** A modality of another package in an encoder: parameters, numbers, gradients, accounting, starts and errors. */
import { parseRow, rowKey } from '@polygate/attributes';
import { createRandom } from '@polygate/core';
import {
  accountParameters,
  countFlops,
  createUniPerceiver,
  describeEncoder,
  exportMerged,
  modalitySettings,
  planTransfer,
  presets,
  resolveEncoderConfig,
  type EncoderConfig,
} from '@polygate/encoder';
import {
  joinSegments,
  linearSpecs,
  refuseSegment,
  registerModality,
  segmentRow,
  tableSpec,
  takeSequences,
  text,
  textSegment,
  type Segment,
  type SequenceBatch,
} from '@polygate/modalities';
import { parameterGradients } from '@polygate/nn';
import { linear } from '@polygate/tensor';
import { leakedTensors, maximumDifference, testEngines } from '@polygate/tensor/testing';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { drawnModel, rows, tiny } from './tiny-models.ts';

const engines = await testEngines();

type SensorSegment = Segment<{ readonly steps: Float32Array }, { readonly offset?: number }>;
interface SensorSettings {
  readonly values: number;
  readonly maxSteps: number;
}

const sensor = registerModality<SensorSettings, { readonly steps: number }, SensorSegment>({
  name: 'test-sensor',
  summary: 'a few values a step',
  attribute: 'sensor',
  columns: ({ steps }) => ({ sensor: { fixedList: 'float32', size: steps } }),
  read: (columns, { steps }, { row }) => ({
    segment: segmentOf(Float32Array.from(columns.fixed('sensor'), Number), { length: steps, row }),
  }),
  tokens: ({ steps }) => steps,
  values: ({ steps }) => steps,
  synthetic: (random, { steps }, count) => ({
    sensor: Float32Array.from({ length: count * steps }, () => random.normal()),
  }),
  resolve: (settings) => ({ values: 2, maxSteps: 6, ...(settings as Partial<SensorSettings>) }),
  parameters: ({ values, maxSteps }, width) => [
    ...linearSpecs('embedding.sensor', [width, values]),
    tableSpec('embedding.sensor.position', maxSteps, width),
  ],
  operations: ({ values }, width) => 2 * values * width,
  transfer: { same: ['values'], tables: { 'embedding.sensor.position': 'steps' } },
  check: ({ arrays, length }, { settings, size, label }) => {
    const values = size * length * settings.values;
    if (arrays.steps.length !== values) refuseSegment(label, `${values} values`, `${arrays.steps.length}`);
  },
  draw: (segment, { maxSteps }, random) => ({
    ...segment,
    layout: { offset: random.integer(maxSteps - segment.length + 1) },
  }),
  embed: (segments, { settings, size, width, parameter }) =>
    tf.concat(
      segments.map(({ arrays, length, layout: { offset = 0 } }) => {
        const steps = tf.tensor3d(arrays.steps, [size, length, settings.values]);
        const weight = parameter('embedding.sensor.weight') as tf.Tensor2D;
        const projected = linear(steps, weight, parameter('embedding.sensor.bias') as tf.Tensor1D);
        const positions = tf.slice(parameter('embedding.sensor.position'), [offset, 0], [length, width]);
        return projected.add(positions) as tf.Tensor3D;
      }),
      1,
    ),
});

const segmentOf = (
  steps: Float32Array,
  { length, row = parseRow('01010001') }: { readonly length: number; readonly row?: SensorSegment['row'] },
): SensorSegment => ({ modality: 'test-sensor', arrays: { steps }, length, layout: {}, row });

const sensing: EncoderConfig = {
  ...tiny,
  layers: 1,
  modalities: { 'test-sensor': { maxSteps: 4 }, text: {} },
};

/** Two sequences of two sensor steps, one token, and one more step. */
const batchOf = (seed: number): SequenceBatch => {
  const random = createRandom(seed);
  const steps = (count: number) => Float32Array.from({ length: 2 * count * 2 }, () => random.normal());
  return joinSegments(2, [
    { segment: segmentOf(steps(2), { length: 2 }) },
    { segment: textSegment({ ids: Int32Array.of(3, 5), length: 1 }, rows.text) },
    { segment: segmentOf(steps(1), { length: 1 }) },
  ]);
};

beforeAll(async () => {
  await engines[0]?.use();
});

describe('an encoder with a modality of another package', () => {
  it('has its parameters behind those of the text, whose token the prefix is', () => {
    const names = describeEncoder(sensing).map(({ name }) => name);
    expect(names.slice(0, 6)).toEqual([
      'embedding.word',
      'embedding.position',
      'embedding.type',
      'embedding.sensor.weight',
      'embedding.sensor.bias',
      'embedding.sensor.position',
    ]);
    expect(names.some((name) => name.startsWith('embedding.patch'))).toBe(false);
    expect(modalitySettings(sensing, sensor)).toEqual({ values: 2, maxSteps: 4 });
    expect(() => modalitySettings(tiny, sensor)).toThrow(
      'encoder: expected one that embeds test-sensor, got one of visual, text; name it in modalities',
    );
  });

  it('has a prefix of its own where no modality has one', () => {
    const alone = { ...tiny, layers: 1, modalities: { 'test-sensor': {} } };
    expect(describeEncoder(alone)[0]).toMatchObject({ name: 'embedding.prefix', shape: [1, 8] });
    const model = drawnModel(alone, 3);
    const batch = joinSegments(2, [{ segment: segmentOf(new Float32Array(8), { length: 2 }) }]);
    const hidden = tf.tidy(() => model.encode(batch).arraySync());
    // A library may add up the rows of a product in an order that goes by their place.
    expect(maximumDifference(hidden[0]?.[0] ?? [], hidden[1]?.[0] ?? [])).toBeLessThan(1e-5);
    model.dispose();
  });

  it('embeds segments in their order, whatever came first', () => {
    // The embedding alone: no block changes the sum of value, position and norm.
    const model = drawnModel(sensing, 4);
    for (const name of ['blocks.0.scale1', 'blocks.0.scale2']) {
      model.parameters.write(name, new Float32Array(8));
    }
    const batch = batchOf(5);
    const whole = tf.tidy(() => model.encode(batch).arraySync());
    const [first, , last] = batch.segments;
    const reversed = joinSegments(
      2,
      [last, first].flatMap((segment) => (segment ? [{ segment }] : [])),
    );
    const turned = tf.tidy(() => model.encode(reversed).arraySync());
    // Prefix, two steps, a token, a step: the same vectors in the other order, as positions are those of the segment.
    for (const [from, to] of [
      [0, 0],
      [1, 2],
      [2, 3],
      [4, 1],
    ] as const) {
      expect(maximumDifference(turned[1]?.[to] ?? [], whole[1]?.[from] ?? [])).toBeLessThan(1e-5);
    }
    const [one] = tf.tidy(() => model.encode(takeSequences(batch, [1])).arraySync());
    expect(maximumDifference(one?.flat() ?? [], whole[1]?.flat() ?? [])).toBeLessThan(1e-5);
    model.dispose();
  });

  it('has gradients that agree with central differences', () => {
    const model = drawnModel(
      { ...sensing, moe: { experts: 2, topK: 2, noise: 0, condition: 'modality' } },
      6,
    );
    const batch = batchOf(7);
    const loss = (): tf.Scalar =>
      tf.tidy(() => {
        const hidden = model.encode(batch, { training: true });
        const random = createRandom(8);
        const factors = tf.tensor3d(
          Float32Array.from({ length: hidden.size }, () => random.normal()),
          hidden.shape,
        );
        return hidden.mul(factors).sum() as tf.Scalar;
      });
    const { loss: scalar, gradients } = parameterGradients(model.parameters, loss);
    for (const name of [
      'embedding.sensor.weight',
      'embedding.sensor.bias',
      'embedding.sensor.position',
      'embedding.word',
      'routers.modality.embedding',
    ]) {
      const gradient = gradients[name]?.dataSync() ?? [];
      const random = createRandom(9).fork(name);
      const start = Float32Array.from(model.parameters.get(name).dataSync());
      const direction = Float32Array.from(start, () => random.normal());
      const length = Math.hypot(...direction);
      const along = direction.reduce((sum, d, i) => sum + (d / length) * (gradient[i] ?? 0), 0);
      const at = (step: number): number => {
        const moved = start.map((value, i) => value + (step * (direction[i] ?? 0)) / length);
        model.parameters.write(name, moved);
        const value = loss();
        const [result = NaN] = value.dataSync();
        value.dispose();
        return result;
      };
      const expected = (4 * (at(0.01) - at(-0.01))) / 0.02 / 3 - (at(0.02) - at(-0.02)) / 0.04 / 3;
      model.parameters.write(name, start);
      expect(Math.hypot(...gradient), name).toBeGreaterThan(1e-3);
      expect(Math.abs(along - expected), name).toBeLessThan(0.01 + 0.01 * Math.hypot(...gradient));
    }
    tf.dispose([scalar, ...Object.values(gradients)]);
    const once = (): void => model.encode(batch, { training: true, random: createRandom(1) }).dispose();
    once();
    expect(leakedTensors(once)).toEqual({ tensors: 0, buffers: 0 });
    model.dispose();
  });

  it('draws in training what a segment leaves open', () => {
    const model = drawnModel(sensing, 10);
    const batch = batchOf(11);
    const values = (seed?: number): Float32Array =>
      tf.tidy(() =>
        Float32Array.from(
          model
            .encode(batch, seed === undefined ? {} : { training: true, random: createRandom(seed) })
            .dataSync(),
        ),
      );
    expect(values(1)).toEqual(values(1));
    // Positions 0 to 2 of the first segment: some two of these seeds differ.
    expect(new Set([1, 2, 3, 4, 5, 6].map((seed) => values(seed).join())).size).toBeGreaterThan(1);
    expect(values()).toEqual(values());
    model.dispose();
  });

  it('tells its parameters, operations and rows apart, and exports it', () => {
    const moe = { experts: 4, condition: 'modality' };
    const resolved = resolveEncoderConfig({ ...sensing, moe });
    expect(resolved.moe?.modalities).toEqual(['test-sensor', 'text']);
    const account = accountParameters({ ...sensing, moe });
    // A projection of two values, its bias, and four positions.
    expect(account.parts['test-sensor embedding']).toBe(8 * (2 + 1 + 4));
    expect(Object.keys(account.parts)).not.toContain('visual embedding');
    expect(account.published.vocabulary).toBe(accountParameters(tiny).published.vocabulary);
    const { embedding } = countFlops(sensing, { length: 4, tokens: { 'test-sensor': 3, text: 1 } });
    expect(embedding).toBe(3 * 2 * 2 * 8);
    expect(() => countFlops(sensing, { length: 4, tokens: { visual: 3 } })).toThrow(
      'unknown modality of the encoder "visual": known: test-sensor, text',
    );
    const model = drawnModel({ ...sensing, moe }, 12);
    const keys = batchOf(13).segments.map(({ row, modality }) => ({ attributes: row, modality, task: '' }));
    const exported = exportMerged(model, keys);
    const [live, merged] = [model, exported].map((each) =>
      tf.tidy(() => Float32Array.from(each.encode(batchOf(13)).dataSync())),
    );
    expect(maximumDifference(live ?? [], merged ?? [])).toBeLessThan(1e-5);
    model.dispose();
    exported.dispose();
  });

  it('has bits of its own among the attributes, which the configuration records', () => {
    const moe = { experts: 4, topK: 1, noise: 0, condition: 'attribute' };
    const resolved = resolveEncoderConfig({ ...sensing, moe });
    expect(resolved.moe?.attributes).toEqual(['visual', 'text', 'sensor']);
    expect(resolveEncoderConfig({ ...tiny, moe }).moe?.attributes).toBeUndefined();
    const specs = new Map(describeEncoder(resolved).map(({ name, shape }) => [name, shape]));
    // Three bits of three groups, and two.
    expect(specs.get('routers.attribute.weight')).toEqual([2, 8, 11]);
    const signature = { inputs: ['test-sensor', 'text'], targets: ['text'] };
    const row = segmentRow(signature, { modality: 'test-sensor', causal: false, source: 'input' });
    expect(rowKey(row)).toBe('01010001+sensor=101');
    expect(() =>
      segmentRow({ ...signature, inputs: ['sound'] }, { modality: 'sound', causal: false, source: 'input' }),
    ).toThrow('unknown modality "sound"');
    // By the paper's eight bits, rows of two new modalities would be one; here they choose for themselves.
    const model = drawnModel(resolved, 14);
    const keys = ['01010001+sensor=101', '01010001'].map((text) => ({
      attributes: parseRow(text),
      modality: 'test-sensor',
      task: '',
    }));
    for (const { probabilities } of model.routing(keys)) {
      expect(maximumDifference(probabilities.slice(0, 4), probabilities.slice(4))).toBeGreaterThan(1e-3);
    }
    const batch = joinSegments(2, [{ segment: segmentOf(new Float32Array(8), { length: 2, row }) }]);
    const exported = exportMerged(model, [{ attributes: row, modality: 'test-sensor', task: '' }]);
    expect(exported.config.merged.groups[0]?.rows).toEqual([{ attributes: '01010001+sensor=101', set: 0 }]);
    const [live, merged] = [model, exported].map((each) =>
      tf.tidy(() => Float32Array.from(each.encode(batch).dataSync())),
    );
    expect(maximumDifference(live ?? [], merged ?? [])).toBeLessThan(1e-5);
    model.dispose();
    exported.dispose();
  });

  it('starts from an encoder without it, or with another size of it', () => {
    const { entries } = planTransfer(sensing, tiny);
    const told = new Map(entries.map(({ name, source, reason }) => [name, `${source.how}: ${reason ?? ''}`]));
    expect(told.get('embedding.word')).toBe('taken: ');
    expect(told.get('embedding.sensor.weight')).toBe('new: a modality that the start does not have');
    const longer = { ...sensing, modalities: { 'test-sensor': { maxSteps: 9 }, text: {} } };
    const position = planTransfer(longer, sensing).entries.find(({ name }) =>
      name.endsWith('sensor.position'),
    );
    expect(position?.reason).toBe("5 new steps after the start's 4");
    const other = { ...sensing, modalities: { 'test-sensor': { values: 3 }, text: {} } };
    expect(() => planTransfer(other, sensing)).toThrow('values (model 3, start 2)');
  });

  it('refuses what does not fit', () => {
    expect(() => resolveEncoderConfig({ ...tiny, modalities: { 'test-sensro': {} } })).toThrow(
      /^unknown modality "test-sensro": did you mean "test-sensor"\? known: .*test-sensor, text, .*visual$/u,
    );
    expect(() => resolveEncoderConfig({ ...tiny, modalities: {} })).toThrow(
      'encoder: expected modalities to name one or more, got none',
    );
    expect(() => resolveEncoderConfig({ ...tiny, modalities: { text: 3 as unknown as object } })).toThrow(
      'encoder: expected modalities.text to be an object, got 3',
    );
    const model = createUniPerceiver(sensing, createRandom(1));
    const short = joinSegments(2, [{ segment: segmentOf(new Float32Array(7), { length: 2 }) }]);
    expect(() => model.encode(short)).toThrow('encode: expected segment 0 (test-sensor): 8 values, got 7');
    model.dispose();
  });

  it('may have its settings of text under the name or on the top level', () => {
    const { vocabularySize: _, patch: __, maxPositions: ___, ...rest } = sensing;
    const named = { ...rest, modalities: { text: { vocabularySize: 40, maxPositions: 9 } } };
    expect(modalitySettings(named, text)).toEqual({ vocabularySize: 40, prefixToken: 38, maxPositions: 9 });
    const resolved = resolveEncoderConfig({ ...presets.mini, modalities: { text: { maxPositions: 9 } } });
    expect(resolved.modalities).toEqual({
      text: { vocabularySize: 4096, prefixToken: 4094, maxPositions: 9 },
    });
    expect(resolveEncoderConfig(resolved)).toEqual(resolved);
    expect(Object.keys(resolved)).not.toContain('patch');
    expect(() => resolveEncoderConfig({ ...resolved, vocabularySize: 9 })).toThrow(
      'encoder: expected vocabularySize to be that of modalities.text (4096); say it in one place, got 9',
    );
  });
});
