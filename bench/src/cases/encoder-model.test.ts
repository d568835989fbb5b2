import { expect, it } from 'vitest';
import { stepFlops } from './encoder-model.ts';

it('counts the operations of a step in products', () => {
  // Linears of one layer: 2 x 3 tokens x (4 x 2 x 2 + 2 x 2 x 4) = 192. Attention: 2 products of 2 x 3 x 3 x 2 = 72.
  // Forward once, backward twice: 3 x 264 = 792; two layers and five samples are ten times that.
  expect(stepFlops({ layers: 2, width: 2, heads: 1, hidden: 4, batch: 5, length: 3 })).toBe(7920);
});
