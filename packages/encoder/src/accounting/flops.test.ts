import { describe, expect, it } from 'vitest';
import { countFlops } from './flops.ts';
import { presets } from '../config/presets.ts';

describe('countFlops', () => {
  it('gives a ViT-B/16 at 224 pixels its known cost', () => {
    // 196 patches and the prefix: 12 blocks of 2 * 197 * 12 * 768^2 = 33,465 M in linears altogether,
    // 12 * 4 * 197^2 * 768 = 1,431 M in attention, 196 * 2 * 768 * 768 = 231 M in patches: 35.1 G, i.e. 17.6 G
    // multiply-adds, which is what is published for ViT-B/16.
    const { linears, attention, embedding, forward } = countFlops(presets.b, {
      length: 197,
      tokens: { visual: 196 },
    });
    expect(linears).toBe(12 * 2 * 197 * 12 * 768 * 768);
    expect(attention).toBe(12 * 4 * 197 * 197 * 768);
    expect(embedding).toBe(196 * 2 * 768 * 768);
    expect((forward / 2e9).toFixed(1)).toBe('17.6');
  });

  it('adds merging for the rows of a batch, and nothing to a forward with merged weights', () => {
    const shape = { length: 100, tokens: { visual: 64 }, rows: 2, batch: 16 };
    const dense = countFlops(presets.b, shape);
    const sparse = countFlops(presets['b-moe'], shape);
    expect(sparse.forward).toBe(dense.forward);
    // Two rows, two experts each, a product and a sum for each of the 42,508,800 scalars of a set, over 16 sequences.
    expect(sparse.merging).toBe((2 * 2 * 2 * 42508800) / 16);
    expect(sparse.training - dense.training).toBe(2.5 * sparse.merging);
    expect(dense.training).toBe(3 * dense.forward);
  });

  it('counts experts that tokens choose, and what choosing costs', () => {
    const shape = { length: 10 };
    const config = { ...presets.ti, layers: 3 };
    const dense = countFlops(config, shape);
    const moe = { experts: 4, topK: 3, every: 2, ffn: false };
    const token = countFlops({ ...config, moe: { ...moe, condition: 'token' } }, shape);
    // Blocks 0 and 2, attention alone: 4 * 192^2 products a token, twice more than once; two routers of 4 gates.
    expect(token.linears - dense.linears).toBe(10 * 2 * 2 * 2 * 4 * 192 * 192);
    expect(token.routing).toBe(2 * 10 * 2 * 4 * 192);
    expect(token.forward).toBe(dense.forward + token.linears - dense.linears + token.routing);
    expect(token.training).toBe(3 * token.forward);
    const context = countFlops({ ...config, moe: { ...moe, condition: 'context' } }, shape);
    // Three heads of 64: a mean, three scores and three means of 192 channels for each token, four products of 192 x 192.
    const pool = 10 * 2 * (1 + 3 + 3) * 192 + 4 * 2 * 192 * 192;
    expect(context.routing).toBe(token.routing + 2 * (pool + 2 * 4 * 192));
    const separate = { ...moe, condition: 'token', separateGates: true };
    expect(countFlops({ ...config, moe: separate }, shape).routing).toBe(2 * token.routing);
    for (const condition of ['attribute', 'modality', 'task', 'task-specific']) {
      const experts = { condition, every: 2, ffn: false, tasks: ['a', 'b'] };
      const account = countFlops({ ...config, moe: experts }, shape);
      expect([account.forward, account.routing], condition).toEqual([dense.forward, 0]);
      expect(account.merging, condition).toBeGreaterThan(0);
    }
  });
});
