/** Rows of weight gradients that count more or less: a learning pace for each modality. */
import { createRandom } from '@polygate/core';
import { type EncodeOptions, type ExpertConfig, type UniPerceiver } from '@polygate/encoder';
import { parameterGradients } from '@polygate/nn';
import { leakedTensors, relativeDifference, testEngines } from '@polygate/tensor/testing';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { captionBatch, drawnModel, encodedCaptions, inputOf, tiny } from './tiny-models.ts';

// In bf16 sums are rounded, and equal ways differ.
const engines = (await testEngines()).filter(({ precision }) => precision !== 'bf16');

describe('weighted rows of weight gradients', () => {
  beforeAll(async () => {
    await engines[0]?.use();
  });

  const factors = (hidden: tf.Tensor3D, kept: (position: number) => number): tf.Tensor3D => {
    const random = createRandom(41);
    const [batch, length, width] = hidden.shape;
    return tf.tensor3d(
      Float32Array.from(
        { length: batch * length * width },
        (_, at) => random.normal() * kept(Math.floor(at / width) % length),
      ),
      hidden.shape,
    );
  };
  const gradientsOf = (
    model: UniPerceiver,
    options: EncodeOptions,
    kept = (_position: number): number => 1,
  ) => {
    const { loss, gradients } = parameterGradients(model.parameters, () => {
      const hidden = model.encode(inputOf(captionBatch(2, 40)), { merged: false, ...options });
      return tf.sum(tf.mul(hidden, factors(hidden, kept))) as tf.Scalar;
    });
    const values = Object.fromEntries(
      Object.entries(gradients).map(([name, gradient]) => [name, Float32Array.from(gradient.dataSync())]),
    );
    tf.dispose([loss, gradients]);
    return values;
  };

  // The last linear of the last block: what its gradient is a sum of stands at its own position alone.
  const path = 'blocks.0.ffn.fc2';
  it.each<readonly [string, ExpertConfig | undefined, string]>([
    ['dense', undefined, path],
    ['experts of rows', { condition: 'task', tasks: ['a'], experts: 2, topK: 2 }, `${path}.experts.1`],
    [
      'experts of tokens',
      { condition: 'token', experts: 2, topK: 2, capacityFactor: 'dropless' },
      `${path}.experts.1`,
    ],
  ])('equal rows that are scaled by hand: %s', (_, moe, linear) => {
    const model = drawnModel({ ...tiny, layers: 1, ...(moe ? { moe } : {}) }, 42);
    const rule = ({ modality }: { readonly modality: string }): number => (modality === 'text' ? 0.25 : 2);
    const weighted = gradientsOf(model, { rowWeights: rule });
    const plain = gradientsOf(model, {});
    // Nine positions of prefix and image, three of words.
    const byHand = gradientsOf(model, {}, (position) => (position < 9 ? 2 : 0.25));
    for (const part of ['weight', 'bias']) {
      const name = `${linear}.${part}`;
      expect(relativeDifference(weighted[name] ?? [], byHand[name] ?? []), name).toBeLessThan(1e-5);
      expect(relativeDifference(weighted[name] ?? [], plain[name] ?? []), name).toBeGreaterThan(0.01);
    }
    // What is before the linears learns as ever, and so do the routers.
    const routers = Object.keys(plain).filter((each) => each.startsWith('routers.'));
    expect(routers.length > 0).toBe(moe !== undefined);
    for (const name of ['embedding.word', 'embedding.patch.weight', 'blocks.0.norm1.weight', ...routers]) {
      expect(relativeDifference(weighted[name] ?? [], plain[name] ?? []), name).toBeLessThan(1e-4);
    }
    model.dispose();
  });

  it('leave a modality of weight 0 out of what the linears learn', () => {
    const model = drawnModel({ ...tiny, layers: 1 }, 44);
    const none = gradientsOf(model, { rowWeights: () => 0 });
    expect(none[`${path}.weight`]?.every((value) => value === 0)).toBe(true);
    const images = gradientsOf(model, { rowWeights: ({ modality }) => Number(modality === 'visual') });
    const byHand = gradientsOf(model, {}, (position) => Number(position < 9));
    const [name] = [`${path}.weight`];
    expect(relativeDifference(images[name] ?? [], byHand[name] ?? [])).toBeLessThan(1e-5);
    model.dispose();
  });

  it('compute as without them', () => {
    const moe = { condition: 'task', tasks: ['a'], experts: 2, topK: 2 } as const;
    const model = drawnModel({ ...tiny, moe }, 45);
    const rowWeights = ({ modality }: { readonly modality: string }): number => (modality === 'text' ? 3 : 1);
    const weighted = encodedCaptions(model, { rowWeights, merged: false });
    expect(relativeDifference(weighted, encodedCaptions(model, { merged: false }))).toBeLessThan(1e-6);
    model.dispose();
  });

  it('leak nothing, and refuse a weight below 0', () => {
    const model = drawnModel({ ...tiny, moe: {} }, 43);
    const rowWeights = (): number => 0.5;
    gradientsOf(model, { rowWeights });
    expect(leakedTensors(() => gradientsOf(model, { rowWeights }))).toEqual({ tensors: 0, buffers: 0 });
    expect(() => encodedCaptions(model, { rowWeights: () => -1 })).toThrow(
      'encode: expected rowWeights of at least 0, got -1 for modality visual; 0 leaves a modality out of what the linears learn',
    );
    model.dispose();
  });
});
