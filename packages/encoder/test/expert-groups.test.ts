/** Encoders with several groups of experts: against plain loops, merged, accounted for, and what settings come to. */
import { createRandom } from '@polygate/core';
import {
  accountParameters,
  countFlops,
  createRoutingTrace,
  createUniPerceiver,
  describeEncoder,
  exportMerged,
  formatExperts,
  idleSettings,
  mergedConfigOf,
  planTransfer,
  resolveEncoderConfig,
  transferWeights,
  type EncoderConfig,
  type ExpertConfig,
} from '@polygate/encoder';
import { parameterGradients, sizeOf } from '@polygate/nn';
import { maximumDifference, relativeDifference, testEngines } from '@polygate/tensor/testing';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { plainEncoder, type PlainOptions } from './plain-encoder.ts';
import {
  captionBatch,
  drawnModel,
  encodedCaptions,
  inputOf,
  keys,
  prompted,
  textBatch,
  tiny,
} from './tiny-models.ts';

// In bf16 the inputs of a router are rounded, which may swap two experts that are almost level: no twin is exact.
const engines = (await testEngines()).filter(({ precision }) => precision !== 'bf16');

const served = [keys.captionImage, keys.captionText, keys.text];

const attentionByModality = {
  name: 'attend',
  linears: ['attention.*'],
  condition: 'modality',
  experts: 3,
  noise: 0,
} as const;
const ffnByToken = {
  name: 'feed',
  linears: ['ffn.*'],
  condition: 'token',
  experts: 4,
  noise: 0,
  capacityFactor: 'dropless',
} as const;
/** Query, key and value experts with a router each, as SM^4 has them. */
const split: EncoderConfig = {
  ...tiny,
  layers: 2,
  splitAttention: true,
  moe: {
    groups: ['query', 'key', 'value'].map((name) => ({
      ...ffnByToken,
      name,
      linears: [`attention.${name}`],
      topK: 1,
    })),
  },
};

const models: readonly (readonly [string, EncoderConfig])[] = [
  [
    'attention by modality, feed-forward by token',
    { ...tiny, moe: { groups: [attentionByModality, ffnByToken] } },
  ],
  [
    'attention by task in blocks 0 and 2, feed-forward by attributes in block 1',
    {
      ...tiny,
      moe: {
        tasks: ['b', 'a'],
        groups: [
          { ...attentionByModality, condition: 'task', blocks: { every: 2 } },
          { ...ffnByToken, condition: 'attribute', blocks: [1], linears: ['ffn.fc1', 'ffn.fc2'] },
        ],
      },
    },
  ],
  ['separate query, key and value', split],
  [
    'other numbers of experts by modality',
    {
      ...tiny,
      moe: {
        groups: [
          {
            ...attentionByModality,
            condition: 'attribute',
            topK: 1,
            topKByModality: { visual: 3 },
            renormalize: true,
          },
          { ...ffnByToken, topK: 3, topKByModality: { text: 1 }, capacityFactor: { evaluate: 1 } },
        ],
      },
    },
  ],
  [
    'one expert for some modalities and several for others, gates of several divided by their sum',
    {
      ...tiny,
      moe: {
        groups: [
          { ...attentionByModality, condition: 'attribute', topK: 2, topKByModality: { visual: 1 } },
          { ...ffnByToken, topK: 1, topKByModality: { text: 3 } },
        ],
      },
    },
  ],
];

describe.each(engines)('groups of experts on $title', (engine) => {
  beforeAll(() => engine.use());

  it.each(models)('%s equal plain loops', (_, config) => {
    const model = drawnModel(config, 5);
    const random = createRandom(11);
    const prompts = [0, 1].map(() => [0, 1].map(() => Array.from({ length: 8 }, () => random.normal())));
    const deep = prompts.map((prompt) => tf.tensor2d(prompt));
    for (const [batch, options] of [
      [captionBatch(1, 6), {}],
      [textBatch(1, 4, 7), {}],
      [captionBatch(1, 8), { prompts }],
    ] as const) {
      const plain = plainEncoder(model);
      const expected = batch.flatMap((sample) => plain(sample, options as PlainOptions).flat());
      for (const way of [{}, { merged: false }]) {
        const given = 'prompts' in options ? { ...way, ...prompted(deep) } : way;
        const hidden = model.encode(inputOf(batch), given);
        expect(relativeDifference(hidden.dataSync(), expected)).toBeLessThan(1e-4);
        hidden.dispose();
      }
    }
    tf.dispose(deep);
    model.dispose();
  });
});

describe('groups of experts', () => {
  beforeAll(async () => {
    await engines[0]?.use();
  });

  it('are what the settings of one group come to, and may be given again', () => {
    const once = resolveEncoderConfig({ ...tiny, moe: { every: 2, separateGates: true, zLoss: 0 } });
    expect(resolveEncoderConfig(once)).toEqual(once);
    expect(
      once.moe?.groups.map(({ name, blocks, linears, losses }) => ({ name, blocks, linears, losses })),
    ).toEqual([
      {
        name: 'experts',
        blocks: [0, 2],
        linears: [['attention.qkv'], ['attention.output'], ['ffn.fc1'], ['ffn.fc2']],
        losses: { balance: 0.01, z: 0 },
      },
    ]);
    expect(describeEncoder(once)).toEqual(
      describeEncoder({ ...tiny, moe: { every: 2, separateGates: true } }),
    );
  });

  it('name the parameters of their routers, and keep those of the settings of before', () => {
    const names = describeEncoder(split).map(({ name }) => name);
    expect(names).toContain('blocks.1.attention.query.experts.3.weight');
    expect(names).toContain('routers.query.gate.weight');
    expect(describeEncoder(split).find(({ name }) => name === 'routers.value.gate.weight')?.shape).toEqual([
      2, 4, 8,
    ]);
    expect(describeEncoder({ ...tiny, moe: {} }).map(({ name }) => name)).toContain('routers.gate.weight');
  });

  it('merge where all decisions are by row, each group with its own sets', () => {
    const config: EncoderConfig = {
      ...tiny,
      moe: {
        tasks: ['a', 'b'],
        groups: [attentionByModality, { ...ffnByToken, condition: 'task', capacityFactor: {} }],
      },
    };
    const model = drawnModel(config, 22);
    const { merged } = mergedConfigOf(config, served);
    expect(
      'groups' in merged &&
        merged.groups.map(({ name, by, rows: groupRows }) => [name, by, groupRows.length]),
    ).toEqual([
      ['attend', ['modality'], 2],
      ['feed', ['task'], 1],
    ]);
    const exported = exportMerged(model, served);
    expect(maximumDifference(encodedCaptions(exported), encodedCaptions(model))).toBeLessThan(1e-5);
    expect(exported.serves({ ...keys.text, task: 'b' })).toBe(false);
    expect(() => exported.encode({ ...inputOf(captionBatch(1, 3)), task: 'b' })).toThrow(
      'encode: expected a row that this merged model was exported with: [task a]; got [task b]',
    );
    for (const each of [model, exported]) each.dispose();
    expect(() =>
      mergedConfigOf({ ...tiny, moe: { groups: [attentionByModality, ffnByToken] } }, served),
    ).toThrow(
      'exportMerged: expected experts that are chosen before a token is embedded (attribute, modality, task), got the condition "token" in the group "feed", by which every token chooses its own',
    );
  });

  it('keep merged sets of modalities apart that choose other numbers of experts', () => {
    const config: EncoderConfig = {
      ...tiny,
      moe: { topK: 1, topKByModality: { text: 3 }, renormalize: true },
    };
    const model = drawnModel(config, 23);
    const exported = exportMerged(model, served);
    expect(exported.config.merged.groups[0]?.by).toEqual(['attributes', 'modality']);
    expect(maximumDifference(encodedCaptions(exported), encodedCaptions(model))).toBeLessThan(1e-5);
    for (const each of [model, exported]) each.dispose();
  });

  it('read a merged model of one group as it was written before', () => {
    const model = drawnModel({ ...tiny, moe: { condition: 'modality', every: 2, ffn: false } }, 24);
    const exported = exportMerged(model, served);
    const [group] = exported.config.merged.groups;
    const { merged: _, ...shape } = exported.config;
    const before = {
      ...shape,
      merged: {
        condition: 'modality',
        every: 2,
        attention: true,
        ffn: false,
        by: group?.by,
        rows: group?.rows,
      },
    };
    expect(planTransfer(tiny, before as unknown as EncoderConfig)).toEqual(
      planTransfer(tiny, exported.config),
    );
    for (const each of [model, exported]) each.dispose();
  });

  it('take other numbers of experts from a forward, merged and not', () => {
    const model = drawnModel({ ...tiny, moe: { experts: 4, topK: 1, renormalize: true } }, 25);
    const twice = drawnModel({ ...tiny, moe: { experts: 4, topK: 2, renormalize: true } }, 25);
    const topK = (): number => 2;
    expect(encodedCaptions(model, { topK })).toEqual(encodedCaptions(twice));
    expect(encodedCaptions(model, { topK, merged: false })).toEqual(
      encodedCaptions(twice, { merged: false }),
    );
    expect(encodedCaptions(model)).not.toEqual(encodedCaptions(twice));
    expect(() => encodedCaptions(model, { topK: () => 5 })).toThrow(
      'gate: expected topK from 1 to the number of experts (4), got 5; lower topK or add experts',
    );
    for (const each of [model, twice]) each.dispose();
  });

  it.each([
    ['attribute', { topK: 2, topKByModality: { visual: 1 } }],
    ['token', { topK: 2, topKByModality: { visual: 1 }, capacityFactor: 'dropless' }],
  ] as const)(
    'teach the routers by %s of a modality that chooses one expert alone',
    (condition, settings) => {
      const group = { ...ffnByToken, ...settings, condition, experts: 3, losses: {} };
      const model = drawnModel({ ...tiny, layers: 1, moe: { groups: [group] } }, 28);
      const batch = captionBatch(2, 29);
      const { loss, gradients } = parameterGradients(model.parameters, () => {
        const hidden = model.encode(inputOf(batch), { merged: false });
        // Prefix and image alone, nine positions.
        return tf.sum(tf.square(tf.slice(hidden, [0, 0, 0], [2, 9, 8]))) as tf.Scalar;
      });
      const greatest = Math.max(
        ...Array.from(gradients['routers.feed.gate.weight']?.dataSync() ?? [], Math.abs),
      );
      expect(greatest).toBeGreaterThan(1e-6);
      tf.dispose([loss, gradients]);
      model.dispose();
    },
  );

  it('add their own auxiliary losses, by name', () => {
    const groups = [
      { ...ffnByToken, name: 'one', linears: ['ffn.fc1'], losses: { importance: 0.5, load: 0.25 } },
      { ...ffnByToken, name: 'two', linears: ['ffn.fc2'], losses: { balance: 2 } },
    ];
    const model = drawnModel({ ...tiny, layers: 1, moe: { groups } }, 26);
    const routing = createRoutingTrace({ telemetry: true });
    tf.tidy(() => {
      model.encode(inputOf(captionBatch(2, 27)), { routing });
      const [losses] = routing.losses;
      const value = (scalar: tf.Scalar | undefined): number => scalar?.dataSync()[0] ?? NaN;
      const [one, two] = routing.reports;
      expect([one?.group, two?.group]).toEqual(['one', 'two']);
      expect(Object.keys(losses?.means ?? {})).toEqual(['balance', 'z', 'importance', 'load']);
      expect(value(losses?.means['importance'])).toBeCloseTo(one?.losses?.['importance'] ?? NaN, 5);
      const expected =
        0.5 * (one?.losses?.['importance'] ?? NaN) +
        0.25 * (one?.losses?.['load'] ?? NaN) +
        2 * (two?.losses?.['balance'] ?? NaN);
      expect(value(losses?.weighted)).toBeCloseTo(expected, 5);
    });
    model.dispose();
  });

  it('count parameters and operations by group', () => {
    const config: EncoderConfig = {
      ...tiny,
      moe: { groups: [attentionByModality, { ...ffnByToken, topK: 3 }] },
    };
    const account = accountParameters(config);
    const described = describeEncoder(config).reduce((sum, { shape }) => sum + sizeOf(shape), 0);
    expect(account.trained).toBe(described);
    // Three blocks: 8 x 24 + 24 + 8 x 8 + 8 of attention, 8 x 12 + 12 + 12 x 8 + 8 of the feed-forward part.
    expect(account.groups).toEqual([
      { name: 'attend', mergeable: true, rows: 2, mergedSet: 3 * 288 },
      { name: 'feed', mergeable: false, rows: 4, mergedSet: 3 * 212 },
    ]);
    expect(account.mergeable).toBe(false);
    const shape = { length: 10, rows: 2 };
    const flops = countFlops(config, shape);
    const dense = countFlops(tiny, shape);
    // Two further experts of 192 products a token and block; two routers a block less: one of 4 gates of 8 channels.
    expect(flops.linears - dense.linears).toBe(10 * 2 * 2 * 3 * 192);
    expect(flops.routing).toBe(3 * 10 * 2 * 4 * 8);
    expect(flops.merging).toBe(2 * 2 * 2 * 3 * 288);
    const one = countFlops(config, { ...shape, topK: () => 1 });
    expect(one.linears).toBe(dense.linears);
    expect(formatExperts(config)).toBe(
      [
        "attend: 3 experts, 2 chosen by modality (a learned embedding of the segment's modality); attention of every block, 3 decisions a token",
        'feed: 4 experts, 3 chosen by token (the token itself); feed-forward of every block, 3 decisions a token',
      ].join('\n'),
    );
    expect(formatExperts(split)).toContain(
      'query: 4 experts, 1 chosen by token (the token itself); attention.query of every block',
    );
  });

  it('start from one group, and from a dense encoder with fused attention', async () => {
    const start = drawnModel({ ...tiny, moe: { condition: 'modality', experts: 3, noise: 0 } }, 28);
    const model = createUniPerceiver(
      {
        ...tiny,
        moe: {
          groups: [
            { ...attentionByModality, name: 'experts' },
            { ...attentionByModality, name: 'feed', linears: ['ffn.*'] },
          ],
        },
      },
      createRandom(29),
    );
    await transferWeights(model, start);
    expect(maximumDifference(encodedCaptions(model), encodedCaptions(start))).toBeLessThan(1e-6);
    const dense = drawnModel({ ...tiny, layers: 2 }, 30);
    const apart = createUniPerceiver({ ...tiny, layers: 2, splitAttention: true }, createRandom(31));
    await transferWeights(apart, dense);
    expect(maximumDifference(encodedCaptions(apart), encodedCaptions(dense))).toBeLessThan(1e-5);
    for (const each of [start, model, dense, apart]) each.dispose();
  });

  it.each<readonly [ExpertConfig, string]>([
    [{ groups: [] }, 'encoder: expected moe.groups to name one group or more, got none'],
    [
      { every: 2, groups: [attentionByModality] },
      'encoder: expected moe.groups without settings of one group beside it, got every; move them into the groups',
    ],
    [
      { groups: [{ name: 'q', linears: ['attention.query'] }] },
      'encoder: expected moe.groups.q.linears to name linears of a block, some of attention.qkv, attention.output, ffn.fc1, ffn.fc2 or patterns such as attention.*, got "attention.query"; correct it, or set splitAttention for separate query, key and value',
    ],
    [
      { groups: [attentionByModality, { ...ffnByToken, linears: ['*'] }] },
      'encoder: expected each linear in one group of experts at most, once, got blocks.0.attention.qkv in "attend" and "feed"; take it out of one of them',
    ],
    [
      { groups: [{ ...ffnByToken, blocks: [3] }] },
      'encoder: expected moe.groups.feed.blocks to be a whole number of 0 to 2, got 3',
    ],
    [
      { losses: { balnce: 1 } },
      'unknown auxiliary loss "balnce": did you mean "balance"? known: balance, importance, load, z',
    ],
    [
      { topKByModality: { text: 9 } },
      'encoder: expected moe.topKByModality.text to be at most moe.experts (8), got 9',
    ],
    [{ topKByModality: { image: 1 } }, 'unknown modality of moe.topKByModality "image": known: text, visual'],
    [
      { groups: [{ ...ffnByToken, topKByModality: { constructor: 1 } }] },
      'unknown modality of moe.groups.feed.topKByModality "constructor": known: text, visual',
    ],
    [
      { groups: [{ ...ffnByToken, linears: ['ffn.fc1', []] }] },
      'encoder: expected moe.groups.feed.linears to name one linear or more in each list, got an empty one',
    ],
  ])('refuse %o', (moe, text) => {
    expect(() => resolveEncoderConfig({ ...tiny, moe })).toThrow(text);
  });
});

describe('settings for tokens of routers that decide for rows', () => {
  it('are told of', () => {
    const names = { tasks: [], modalities: ['visual', 'text'] };
    const losses = { balance: 1 };
    expect(
      idleSettings({ capacityFactor: 'dropless', batchPriority: true, losses, zLoss: 0 }, names),
    ).toEqual(['capacityFactor', 'batchPriority', 'losses', 'zLoss'].map((field) => `moe.${field}`));
    expect(idleSettings({ condition: 'token', losses }, names)).toEqual([]);
    const groups = [{ ...attentionByModality, losses }, ffnByToken];
    expect(idleSettings({ groups }, names)).toEqual(['moe.groups.attend.losses']);
  });
});
