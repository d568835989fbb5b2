/** Encoders whose experts are chosen token by token: against plain loops, capacity, padding, losses, gradients. */
import { createRandom } from '@polygate/core';
import {
  createRoutingTrace,
  exportMerged,
  type EncodeOptions,
  type ExpertConfig,
  type UniPerceiver,
} from '@polygate/encoder';
import type { SequenceBatch } from '@polygate/modalities';
import { parameterGradients } from '@polygate/nn';
import { leakedTensors, maximumDifference, relativeDifference, testEngines } from '@polygate/tensor/testing';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { plainEncoder, type PlainOptions } from './plain-encoder.ts';
import {
  captionBatch,
  drawnModel,
  inputOf,
  keys,
  prompted,
  textBatch,
  tiny,
  type PlainBatch,
} from './tiny-models.ts';

// In bf16 the inputs of a router are rounded, which may swap two experts that are almost level: no twin is exact.
const engines = (await testEngines()).filter(({ precision }) => precision !== 'bf16');

const encoded = (model: UniPerceiver, input: SequenceBatch, options: EncodeOptions = {}): Float32Array => {
  const hidden = model.encode(input, options);
  const values = Float32Array.from(hidden.dataSync());
  hidden.dispose();
  return values;
};

const plainly = (model: UniPerceiver, batch: PlainBatch, options: (b: number) => PlainOptions): number[] => {
  const plain = plainEncoder(model);
  return batch.flatMap((sample, b) => plain(sample, options(b)).flat());
};

const tokens = (moe: ExpertConfig): ExpertConfig => ({ condition: 'token', experts: 4, noise: 0, ...moe });

const models: readonly (readonly [string, ExpertConfig])[] = [
  ['tokens', tokens({ capacityFactor: 'dropless' })],
  ['tokens, some dropped', tokens({ capacityFactor: { evaluate: 0.75 } })],
  ['tokens, gates as they are, every other block, top-1', tokens({ topK: 1, renormalize: false, every: 2 })],
  ['tokens, gates for each linear', tokens({ separateGates: true, capacityFactor: { evaluate: 1 } })],
  ['tokens, attention only', tokens({ ffn: false, topK: 3 })],
  ['contexts', tokens({ condition: 'context', capacityFactor: 'dropless' })],
  ['contexts, feed-forward only', tokens({ condition: 'context', attention: false })],
];

describe.each(engines)('routing by token on $title equals plain loops', (engine) => {
  beforeAll(() => engine.use());

  it.each(models)('%s', (_, moe) => {
    const model = drawnModel({ ...tiny, layers: 2, moe }, 5);
    for (const [batch, visible] of [
      [captionBatch(1, 6), undefined],
      // Two words of padding at the end.
      [textBatch(1, 5, 7), [1, 1, 1, 1, 0, 0]],
    ] as const) {
      const mask = visible?.map(() => visible.map((flag) => (flag ? 0 : -1e4)));
      const options: PlainOptions = { ...(mask ? { mask } : {}), ...(visible ? { visible } : {}) };
      const input = inputOf(batch, mask, visible ? { visible: [[...visible]] } : {});
      const expected = plainly(model, batch, () => options);
      expect(relativeDifference(encoded(model, input), expected)).toBeLessThan(1e-4);
    }
    model.dispose();
  });

  it('with deep prompts, and a context that leaves the words out', () => {
    const moe = tokens({ condition: 'context', capacityFactor: 'dropless' });
    const model = drawnModel({ ...tiny, layers: 2, moe }, 9);
    const batch = captionBatch(2, 10);
    const context = Array.from({ length: 12 }, (_, t) => (t < 9 ? 1 : 0));
    // Words see all, others no words: so those are no context.
    const mask = context.map((query) => context.map((key) => (query === 1 && key === 0 ? -1e4 : 0)));
    const random = createRandom(11);
    const prompts = [0, 1].map(() => [0, 1].map(() => Array.from({ length: 8 }, () => random.normal())));
    const input = inputOf(batch, mask);
    const deep = prompts.map((prompt) => tf.tensor2d(prompt));
    const got = encoded(model, input, prompted(deep));
    const expected = plainly(model, batch, () => ({ prompts, context, mask }));
    expect(relativeDifference(got, expected)).toBeLessThan(1e-4);
    tf.dispose(deep);
    model.dispose();
  });
});

describe('padding and capacity', () => {
  beforeAll(async () => {
    await engines[0]?.use();
  });

  it('take nothing from one another: a padded batch gives each sample what it gets alone', () => {
    const model = drawnModel({ ...tiny, moe: tokens({ capacityFactor: 'dropless' }) }, 3);
    const [long = [], short = []] = [textBatch(1, 5, 4)[0], textBatch(1, 3, 5)[0]];
    const [segment] = short;
    if (segment?.kind !== 'text') throw new Error('expected text');
    const padded = [{ ...segment, ids: [...segment.ids, 0, 0] }];
    const visible = [
      [1, 1, 1, 1, 1, 1],
      [1, 1, 1, 1, 0, 0],
    ];
    const together = encoded(model, inputOf([long, padded], undefined, { visible }));
    for (const [b, sample] of [long, short].entries()) {
      const alone = inputOf([sample]);
      const aloneStates = encoded(model, alone);
      expect(
        maximumDifference(together.subarray(b * 48, b * 48 + aloneStates.length), aloneStates),
      ).toBeLessThan(1e-5);
    }
    model.dispose();
  });

  it('let what has no slot pass by the residual', () => {
    const moe = tokens({ experts: 2, topK: 2, capacityFactor: { evaluate: 0.5 } });
    const model = drawnModel({ ...tiny, layers: 1, moe }, 6);
    const input = inputOf(textBatch(1, 5, 7), undefined, { visible: [[1, 1, 1, 0, 1, 1]] });
    // Everybody wants both experts, which have ceil(0.5 * 2 * 5 / 2) = 3 slots each: the first three of the five tokens
    // that count get one, and 4 of 10 choices are dropped.
    for (const { groups } of traced(model, input).reports) {
      expect(groups[0]?.counts).toMatchObject({ tokens: 5, dropped: 4, choices: [5, 5] });
    }
    const hidden = encoded(model, input);
    for (const name of ['blocks.0.scale1', 'blocks.0.scale2']) {
      model.parameters.write(name, new Float32Array(8));
    }
    const embedded = encoded(model, input);
    const changed = [0, 1, 2, 3, 4, 5].filter((t) =>
      hidden.subarray(8 * t, 8 * t + 8).some((value, d) => value !== embedded[8 * t + d]),
    );
    expect(changed).toEqual([0, 1, 2]);
    model.dispose();
  });

  it('is the same every time in evaluation, and noisy in training', () => {
    const model = drawnModel({ ...tiny, moe: tokens({ noise: 4 }) }, 8);
    const input = inputOf(captionBatch(2, 9));
    const first = encoded(model, input);
    expect(encoded(model, input)).toEqual(first);
    const noisy = (seed: number) => encoded(model, input, { training: true, random: createRandom(seed) });
    expect(noisy(1)).toEqual(noisy(1));
    expect(noisy(2)).not.toEqual(noisy(1));
    expect(() => model.encode(input, { training: true })).toThrow('random');
    model.dispose();
  });
});

/** Auxiliary losses and reports of a forward. */
const traced = (model: UniPerceiver, input: SequenceBatch, options: EncodeOptions = {}) => {
  const routing = createRoutingTrace({ telemetry: true });
  model.encode(input, { ...options, routing }).dispose();
  const losses = routing.losses.map(({ weighted, means }) => {
    const scalars = [weighted, ...Object.values(means)];
    const values = scalars.map((scalar) => scalar.dataSync()[0] ?? NaN);
    tf.dispose(scalars);
    return values;
  });
  return { losses, reports: routing.reports };
};

describe('auxiliary losses', () => {
  beforeAll(async () => {
    await engines[0]?.use();
  });

  it('are both losses of every router with their factors, and means without', () => {
    const moe = tokens({ balanceLoss: 0.5, zLoss: 0.25, every: 2 });
    const model = drawnModel({ ...tiny, moe }, 10);
    const input = inputOf(captionBatch(2, 11));
    const { losses, reports } = traced(model, input);
    expect(reports).toHaveLength(4);
    const balances = reports.map((report) => report.losses?.balance ?? NaN);
    const zs = reports.map((report) => report.losses?.z ?? NaN);
    const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
    const [[weighted, balance, z] = []] = losses;
    expect(weighted).toBeCloseTo(0.5 * sum(balances) + 0.25 * sum(zs), 4);
    expect(balance).toBeCloseTo(sum(balances) / 4, 5);
    expect(z).toBeCloseTo(sum(zs) / 4, 5);
    model.dispose();
  });

  it('are 1 and (ln E)^2 for routers that tell nothing apart', () => {
    // Zero gates: all probabilities are 1/4; the lower two ids win every token, so f = (1/2, 1/2, 0, 0) and P = 1/4:
    // balance = 4 * (1/2 * 1/4 + 1/2 * 1/4) = 1; z = (ln 4)^2.
    const model = drawnModel({ ...tiny, moe: tokens({}) }, 12);
    const gate = model.parameters.get('routers.gate.weight');
    model.parameters.write('routers.gate.weight', new Float32Array(gate.size));
    const input = inputOf(textBatch(1, 3, 13));
    const [[, balance, z] = []] = traced(model, input).losses;
    expect(balance).toBeCloseTo(1, 5);
    expect(z).toBeCloseTo(Math.log(4) ** 2, 4);
    model.dispose();
  });

  it('reach the router, and leave routers on rows without any', () => {
    const model = drawnModel({ ...tiny, moe: tokens({ capacityFactor: 'dropless' }) }, 14);
    const input = inputOf(textBatch(2, 3, 15));
    const routing = createRoutingTrace();
    const { loss, gradients } = parameterGradients(model.parameters, () => {
      model.encode(input, { training: true, random: createRandom(1), routing });
      return routing.losses[0]?.weighted as tf.Scalar;
    });
    const size = Math.max(...(gradients['routers.gate.weight']?.abs().dataSync() ?? []));
    expect(size).toBeGreaterThan(1e-6);
    tf.dispose([loss, ...Object.values(gradients)]);
    model.dispose();
    const byRow = drawnModel({ ...tiny, moe: {} }, 14);
    expect(traced(byRow, input, { merged: false }).losses).toEqual([]);
    byRow.dispose();
  });
});

describe('reports', () => {
  beforeAll(async () => {
    await engines[0]?.use();
  });

  it('count every token at every router, padding left out, by modality and attribute row', () => {
    const visible = [
      [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1],
      [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0],
    ];
    const input = inputOf(captionBatch(2, 20), undefined, { visible });
    for (const moe of [tokens({ capacityFactor: 'dropless' }), { condition: 'modality', experts: 4 }]) {
      const model = drawnModel({ ...tiny, moe }, 21);
      const { reports } = traced(model, input, { merged: false });
      expect(reports.map(({ block, linears }) => `${block} ${linears[0]}`)).toEqual([
        '0 attention.qkv',
        '0 ffn.fc1',
        '1 attention.qkv',
        '1 ffn.fc1',
        '2 attention.qkv',
        '2 ffn.fc1',
      ]);
      for (const { groups } of reports) {
        // Nine tokens of prefix and image in both samples; three words in one, one in the other.
        expect(groups.map(({ counts, ...key }) => ({ ...key, tokens: counts.tokens }))).toEqual([
          { modality: 'visual', attributes: '11011001', task: 'a', tokens: 18 },
          { modality: 'text', attributes: '11010111', task: 'a', tokens: 4 },
        ]);
        for (const { counts } of groups) {
          expect(counts.choices.reduce((a, b) => a + b)).toBe(2 * counts.tokens);
          expect(counts.gates.reduce((a, b) => a + b)).toBeCloseTo(counts.tokens, 3);
        }
      }
      model.dispose();
    }
  });

  it('are not made unless wanted, nor by merged weights', () => {
    const input = inputOf(textBatch(1, 3, 22));
    const model = drawnModel({ ...tiny, moe: {} }, 23);
    const quiet = createRoutingTrace();
    model.encode(input, { merged: false, routing: quiet }).dispose();
    expect(quiet.reports).toEqual([]);
    expect(traced(model, input).reports).toEqual([]);
    model.dispose();
  });
});

describe('gradients through choices of tokens', () => {
  beforeAll(async () => {
    await engines[0]?.use();
  });

  /** Depends on every hidden state and on the auxiliary losses. */
  const lossOf = (model: UniPerceiver, input: SequenceBatch): tf.Scalar =>
    tf.tidy(() => {
      const routing = createRoutingTrace();
      const hidden = model.encode(input, { training: true, random: createRandom(3), routing });
      const random = createRandom(99);
      const factors = tf.tensor3d(
        Float32Array.from({ length: hidden.size }, () => random.normal()),
        hidden.shape,
      );
      const auxiliary = routing.losses[0]?.weighted ?? tf.scalar(0);
      return hidden.mul(factors).sum().add(auxiliary.mul(10)) as tf.Scalar;
    });

  it.each([
    ['token', 1, 24],
    ['context', 0, 34],
  ] as const)('by %s agree with central differences', (condition, noise, seed) => {
    const moe = tokens({ condition, noise, capacityFactor: { train: 1.25 }, balanceLoss: 0.1, zLoss: 0.1 });
    const model = drawnModel({ ...tiny, layers: 1, moe }, seed);
    const input = inputOf(captionBatch(1, 15), undefined, {
      visible: [[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0]],
    });
    const { loss, gradients } = parameterGradients(model.parameters, () => lossOf(model, input));
    const value = (): number => {
      const scalar = lossOf(model, input);
      const [result = NaN] = scalar.dataSync();
      scalar.dispose();
      return result;
    };
    const names = model.parameters.specs
      .map(({ name }) => name)
      .filter((name) => /router|expert|norm|scale|word/u.test(name) && gradients[name]);
    expect(names.filter((name) => name.startsWith('routers')).length).toBe(condition === 'token' ? 1 : 8);
    for (const name of names) {
      const gradient = gradients[name]?.dataSync() ?? [];
      const random = createRandom(17).fork(name);
      const start = Float32Array.from(model.parameters.get(name).dataSync());
      const direction = Float32Array.from(start, () => random.normal());
      const length = Math.hypot(...direction);
      const along = direction.reduce((sum, d, i) => sum + (d / length) * (gradient[i] ?? 0), 0);
      const at = (step: number): number => {
        const moved = start.map((v, i) => v + (step * (direction[i] ?? 0)) / length);
        model.parameters.write(name, moved);
        return value();
      };
      const central = (step: number): number => (at(step) - at(-step)) / (2 * step);
      const expected = (4 * central(0.002) - central(0.004)) / 3;
      model.parameters.write(name, start);
      const tolerance = 0.03 + 0.02 * Math.hypot(...gradient);
      expect(Math.abs(along - expected), `${name}: ${along} against ${expected}`).toBeLessThan(tolerance);
    }
    tf.dispose([loss, ...Object.values(gradients)]);
    model.dispose();
  });

  it('leak nothing', () => {
    const model = drawnModel({ ...tiny, moe: tokens({ condition: 'context' }) }, 30);
    const input = inputOf(captionBatch(2, 31));
    const round = (): void => {
      const { loss, gradients } = parameterGradients(model.parameters, () => lossOf(model, input));
      tf.dispose([loss, ...Object.values(gradients)]);
      traced(model, input);
      model.encode(input).dispose();
      expect(model.routing([keys.text])).toEqual([]);
    };
    round();
    expect(leakedTensors(round)).toEqual({ tensors: 0, buffers: 0 });
    model.dispose();
  });

  it('say why such experts cannot be merged', () => {
    for (const condition of ['token', 'context']) {
      const model = drawnModel({ ...tiny, moe: tokens({ condition }) }, 33);
      expect(() => exportMerged(model, [keys.text])).toThrow(
        `exportMerged: expected experts that are chosen before a token is embedded (attribute, modality, task), got the condition "${condition}", by which every token chooses its own: there is no weight that all tokens of a task share; deploy the trained model as it is`,
      );
      model.dispose();
    }
  });
});
