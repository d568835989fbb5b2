import { describe, expect, it } from 'vitest';
import { resolveEncoderConfig, type EncoderConfig } from '../config/config.ts';
import { describeEncoder } from './description.ts';
import { gateSites } from '../experts/sites.ts';
import { presetNamed } from '../config/presets.ts';

const config: EncoderConfig = {
  layers: 3,
  width: 8,
  heads: 2,
  hidden: 16,
  vocabularySize: 30,
  patch: { size: 4, channels: 3 },
  moe: { experts: 2, every: 2 },
};

const specOf = (name: string) => describeEncoder(config).find((spec) => spec.name === name);

describe('describeEncoder', () => {
  it('puts experts where placement says and dense linears elsewhere', () => {
    const names = describeEncoder(config).map(({ name }) => name);
    expect(names).toContain('blocks.0.attention.qkv.experts.1.weight');
    expect(names).toContain('blocks.1.attention.qkv.weight');
    expect(names).toContain('blocks.2.ffn.fc2.experts.0.bias');
    expect(names).not.toContain('blocks.0.attention.qkv.weight');
    expect(names).not.toContain('blocks.1.attention.qkv.experts.0.weight');
    expect(specOf('routers.gate.weight')?.shape).toEqual([4, 2, 8]);
  });

  it('gives shapes [out, in], roles and start values', () => {
    expect(specOf('embedding.patch.weight')).toEqual({
      name: 'embedding.patch.weight',
      shape: [8, 48],
      initializer: { kind: 'xavierUniform', fans: [48, 8] },
      role: 'weight',
    });
    // The fused projection counts as three square matrices.
    expect(specOf('blocks.1.attention.qkv.weight')).toMatchObject({
      shape: [24, 8],
      initializer: { fans: [8, 8] },
    });
    expect(specOf('blocks.1.ffn.fc1.weight')).toMatchObject({
      shape: [16, 8],
      initializer: { fans: [8, 16] },
    });
    expect(specOf('blocks.1.scale1')).toMatchObject({
      initializer: { kind: 'constant', value: 1e-3 },
      role: 'scale',
    });
    expect(specOf('embedding.word')).toMatchObject({
      initializer: { kind: 'normal', std: 0.02 },
      role: 'embedding',
    });
    expect(specOf('temperature.image-captioning')).toMatchObject({ shape: [], role: 'temperature' });
  });

  it('shares decisions within attention and feed-forward unless told otherwise', () => {
    const sites = (moe: EncoderConfig['moe']) =>
      gateSites(resolveEncoderConfig({ ...config, ...(moe ? { moe } : {}) })).map(
        ({ block, linears }) => `${block} ${linears.join('+')}`,
      );
    expect(sites({ every: 2 })).toEqual([
      '0 attention.qkv+attention.output',
      '0 ffn.fc1+ffn.fc2',
      '2 attention.qkv+attention.output',
      '2 ffn.fc1+ffn.fc2',
    ]);
    expect(sites({ every: 3, attention: false, separateGates: true })).toEqual(['0 ffn.fc1', '0 ffn.fc2']);
  });
});

describe('resolveEncoderConfig', () => {
  it('fills in the paper’s defaults', () => {
    expect(resolveEncoderConfig(config)).toMatchObject({
      modalities: {
        visual: { patch: { size: 4, channels: 3 }, maxFrames: 8, gridScale: 1 },
        text: { vocabularySize: 30, prefixToken: 28, maxPositions: 512 },
      },
      layerScale: 1e-3,
      moe: {
        groups: [
          {
            name: 'experts',
            blocks: [0, 2],
            linears: [
              ['attention.qkv', 'attention.output'],
              ['ffn.fc1', 'ffn.fc2'],
            ],
            experts: 2,
            topK: 2,
            noise: 1,
            losses: { balance: 0.01, z: 1e-3 },
          },
        ],
      },
    });
  });

  it.each([
    [{ width: 6 }, 'encoder: expected width to be a multiple of 4, for the sin-cos positions, got 6'],
    [{ heads: 3 }, 'encoder: expected heads to divide width (8), got 3'],
    [{ layers: 0 }, 'encoder: expected layers to be a whole number of 1 to 2048, got 0'],
    [{ dropPath: 1 }, 'encoder: expected dropPath to be in [0, 1), got 1'],
    [
      { prefixToken: 30 },
      'encoder: expected modalities.text.prefixToken to be below vocabularySize (30), got 30',
    ],
    [
      { moe: { topK: 9 } },
      'encoder: expected moe.topK to be at most moe.experts (8), got 9; lower moe.topK or raise moe.experts',
    ],
    [
      { moe: { attention: false, ffn: false } },
      'encoder: expected moe.attention or moe.ffn to be true (leave moe out for a dense encoder), got neither',
    ],
    [{ moe: { condition: 'atribute' } }, 'unknown condition "atribute": did you mean "attribute"? known: '],
    [
      { moe: { condition: 'task' } },
      'task condition: expected the distinct names of at least one task, got []; list every task that the model meets',
    ],
    [
      { moe: { condition: 'task-specific', tasks: ['a', 'b'], experts: 8 } },
      'encoder: expected moe.experts 2 and moe.topK 1 for the condition "task-specific", got 8 and 1; leave both out',
    ],
    [
      { moe: { capacityFactor: { train: 0 } } },
      'encoder: expected moe.capacityFactor.train to be above 0 (1 holds an even load; "dropless" holds any), got 0',
    ],
    [{ moe: { balanceLoss: -1 } }, 'encoder: expected moe.balanceLoss to be at least 0, got -1'],
  ])('refuses %o', (change, text) => {
    expect(() => resolveEncoderConfig({ ...config, ...change } as EncoderConfig)).toThrow(text);
  });
});

describe('presetNamed', () => {
  it('lists the known presets', () => {
    expect(presetNamed('b-moe')).toMatchObject({ layers: 12, width: 768, moe: { every: 2 } });
    expect(() => presetNamed('bmoe')).toThrow(
      'unknown preset "bmoe": did you mean "b-moe"? known: b, b-moe, l, l-moe, mini, mini-moe, ti, ti-moe',
    );
  });
});
