import { createRandom } from '@polygate/core';
import { allocateParameters, sizeOf } from '@polygate/nn';
import { describe, expect, it } from 'vitest';
import { accountParameters } from './accounting.ts';
import type { EncoderConfig } from '../config/config.ts';
import { describeEncoder } from '../models/description.ts';
import { presetNamed, presets, type PresetName } from '../config/presets.ts';

const million = 1e6;

describe('accountParameters', () => {
  // Uni-Perceiver-MoE, Table 6 as printed, and #param of Table 4c (dense and with experts).
  const table6: readonly (readonly [PresetName, number, number, number])[] = [
    ['ti', 9.5, 5.3, 14.8],
    ['b', 38, 86, 124],
    ['l', 51, 303, 354],
  ];
  it.each(table6)('gives the figures of Table 6 for %s', (name, vocabulary, encoder, total) => {
    for (const preset of [name, `${name}-moe`]) {
      const { published } = accountParameters(presetNamed(preset));
      expect(published.vocabulary / million).toBeCloseTo(vocabulary, 9);
      expect(published.encoder / million).toBeCloseTo(encoder, 9);
      expect(published.total / million).toBeCloseTo(total, 9);
    }
  });

  it.each([
    ['b', 124, 167],
    ['l', 354, 505],
  ] as const)('gives the deployed size of %s for image-text', (name, dense, sparse) => {
    expect(accountParameters(presets[name]).published.deployed).toBe(dense * million);
    expect(accountParameters(presets[`${name}-moe`]).published.deployed).toBe(sparse * million);
  });

  it('counts every part of B exactly', () => {
    const { parts, trained, dense, deployed, mergedSet } = accountParameters(presets['b-moe']);
    // One conditional set of a block: 768 * 2304 + 2304 + 768 * 768 + 768 + 768 * 3072 + 3072 + 3072 * 768 + 768 = 7,084,800.
    const set = 7084800;
    expect(mergedSet).toBe(6 * set);
    expect(parts).toEqual({
      vocabulary: 49411 * 768,
      'text embedding': (512 + 1) * 768,
      'visual embedding': 768 * 768 + 768 + 8 * 768,
      'embedding norm': 2 * 768,
      'shared linears': 6 * set,
      experts: 6 * 8 * set,
      'block norms and scales': 12 * 6 * 768,
      // 12 routers: 8 attributes, a bias, a norm, 8 gates for each channel.
      routers: 12 * 768 * (8 + 1 + 2 + 8),
      'output head': 768 * 768 + 768 + 2 * 768,
      temperatures: 5,
    });
    expect(dense).toBe(accountParameters(presets.b).trained);
    expect(deployed).toBe(dense + 6 * set);
    expect(trained).toBe(Object.values(parts).reduce((a, b) => a + b));
    // All linears with all their experts: 6 dense blocks and 8 sets in 6 more, 54 sets, 382.6 million.
    expect(Math.round((parts['shared linears'] + parts.experts) / million)).toBe(383);
  });

  it('keeps one merged set for one row, and none beyond the dense one', () => {
    const one = accountParameters(presets['l-moe'], 1);
    expect(one.deployed).toBe(one.dense);
    expect(one.published.deployed).toBe(354 * million);
    expect(accountParameters(presets['l-moe'], 3).published.deployed).toBe((354 + 302) * million);
  });

  // Ti with 8 experts everywhere: 24 routers of width 192 with 8 gates each.
  const gates = 24 * 8 * 192;
  it.each([
    ['attribute', {}, gates + 24 * 192 * (8 + 1 + 2), 2],
    ['modality', {}, gates + 24 * 2 * 192, 2],
    ['task', { tasks: ['a', 'b', 'c'] }, gates + 24 * 3 * 192, 3],
    ['task-specific', { tasks: ['a', 'b', 'c'] }, 0, 3],
    ['token', {}, gates, 8],
    // Twice the gates, and a pool of four matrices and three biases.
    ['context', {}, 2 * gates + 24 * (4 * 192 * 192 + 3 * 192), 8],
  ] as const)('counts routers and what is deployed by %s', (condition, settings, routers, rows) => {
    const config = { ...presets.ti, moe: { condition, ...settings } };
    const account = accountParameters(config);
    expect(account.parts.routers).toBe(routers);
    expect(account.dense).toBe(accountParameters(presets.ti).trained);
    expect(account.rows).toBe(rows);
    const byToken = condition === 'token' || condition === 'context';
    expect(account.mergeable).toBe(!byToken);
    expect(account.deployed).toBe(byToken ? account.trained : account.dense + (rows - 1) * account.mergedSet);
    // One set: 12 blocks of 12 * 192^2 weights and 9 * 192 biases.
    const set = 12 * (12 * 192 * 192 + 9 * 192);
    expect(account.mergedSet).toBe(set);
    expect(account.published.deployed).toBe(14.8e6 + Math.round(((rows - 1) * set) / 1e5) * 1e5);
    const gate = { ...config, moe: { ...config.moe, separateGates: true } };
    expect(accountParameters(gate).parts.routers).toBe(2 * routers);
  });

  it('counts what is described, and huge models at once', () => {
    const tiny = { ...presets['mini-moe'], layers: 3, width: 8, heads: 2, hidden: 12, vocabularySize: 20 };
    const described = (config: EncoderConfig): number =>
      describeEncoder(config).reduce((sum, { shape }) => sum + sizeOf(shape), 0);
    for (const moe of [{}, { every: 2 }, { attention: false }, { condition: 'context', experts: 3 }]) {
      expect(accountParameters({ ...tiny, moe }).trained).toBe(described({ ...tiny, moe }));
    }
    const huge = { ...tiny, layers: 16, width: 131_072, hidden: 1_048_576, moe: { experts: 4096, topK: 2 } };
    // 16 layers of 4 D D + 2 D H weights, 4096 times: 22.5 thousand million million.
    expect(accountParameters(huge).parts.experts / 1e15).toBeCloseTo(22.5, 0);
    expect(() => accountParameters({ ...huge, moe: { experts: 16_384 } })).toThrow(
      'encoder: expected layers x moe.experts to make at most 262144 expert linears, got 1048576',
    );
  });

  it('counts what is allocated', () => {
    const config = { ...presets['mini-moe'], layers: 2, width: 8, heads: 2, hidden: 12, vocabularySize: 20 };
    const parameters = allocateParameters(describeEncoder(config), createRandom(1));
    expect(accountParameters(config).trained).toBe(parameters.size);
    parameters.dispose();
  });
});
