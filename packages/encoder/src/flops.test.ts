import { describe, expect, it } from 'vitest';
import { countFlops } from './flops.ts';
import { presets } from './presets.ts';

describe('countFlops', () => {
  it('gives a ViT-B/16 at 224 pixels its known cost', () => {
    // 196 patches and the prefix: 12 blocks of 2 * 197 * 12 * 768^2 = 33,465 M in linears altogether,
    // 12 * 4 * 197^2 * 768 = 1,431 M in attention, 196 * 2 * 768 * 768 = 231 M in patches: 35.1 G, i.e. 17.6 G
    // multiply-adds, which is what is published for ViT-B/16.
    const { linears, attention, patches, forward } = countFlops(presets.b, { length: 197, patches: 196 });
    expect(linears).toBe(12 * 2 * 197 * 12 * 768 * 768);
    expect(attention).toBe(12 * 4 * 197 * 197 * 768);
    expect(patches).toBe(196 * 2 * 768 * 768);
    expect((forward / 2e9).toFixed(1)).toBe('17.6');
  });

  it('adds merging for the rows of a batch, and nothing to a forward with merged weights', () => {
    const shape = { length: 100, patches: 64, rows: 2, batch: 16 };
    const dense = countFlops(presets.b, shape);
    const sparse = countFlops(presets['b-moe'], shape);
    expect(sparse.forward).toBe(dense.forward);
    // Two rows, two experts each, a product and a sum for each of the 42,508,800 scalars of a set, over 16 sequences.
    expect(sparse.merging).toBe((2 * 2 * 2 * 42508800) / 16);
    expect(sparse.training - dense.training).toBe(2.5 * sparse.merging);
    expect(dense.training).toBe(3 * dense.forward);
  });
});
