import { parseRecipe } from '@polygate/generalist';
import { describe, expect, it } from 'vitest';
import { describeSize, estimateSize, requireRoom } from './size-estimate.ts';

/** A million parameters, and activations that do not count beside them. */
const model = {
  parameters: 1_000_000,
  patch: 8,
  textLength: 16,
  activations: () => 1,
  leastActivations: () => 1,
};
const context = { model, channels: 3, pixels: 16, textLength: 16 };
const recipeOf = (optimizer: object, more: object = {}) =>
  parseRecipe({
    name: 'sized',
    optimizer,
    tasks: { digits: { family: 'image-classification', dataset: 'digits', batchSize: 1 } },
    ...more,
  });

describe('estimateSize', () => {
  // Four bytes each: a weight, its gradient, and what the optimizer keeps.
  it.each([
    [{ kind: 'adamw' }, 16, 'weights, gradients and moments'],
    [{ kind: 'sgd' }, 12, 'weights, gradients and momentum'],
    [{ kind: 'sgd', momentum: 0 }, 8, 'weights and gradients'],
  ])('counts what %o keeps', (optimizer, bytes, words) => {
    const recipe = recipeOf(optimizer);
    const size = estimateSize(recipe, context);
    expect(size.stateBytes).toBe(bytes * 1_000_000);
    expect(describeSize(recipe, size)).toMatch(
      new RegExp(`^sized: 1\\.0M parameters, 1000 steps, about [\\d.]+ [A-Za-z]+ for ${words} and `, 'u'),
    );
  });

  it('counts frozen parameters once', () => {
    const recipe = recipeOf({ kind: 'adamw' });
    const size = estimateSize(recipe, { ...context, trained: 100_000 });
    expect(size.stateBytes).toBe(16 * 100_000 + 4 * 900_000);
    expect(describeSize(recipe, size)).toContain('sized: 1.0M parameters (0.1M of them trained), ');
  });

  it('lets a part be trained where there is no room for all', () => {
    const recipe = recipeOf({ kind: 'adamw' }, { memoryBytes: 8_000_000 });
    expect(() => requireRoom(recipe, estimateSize(recipe, context))).toThrow(
      /^pretrain sized: 1\.0M parameters in training /u,
    );
    requireRoom(recipe, estimateSize(recipe, { ...context, trained: 100_000 }));
  });
});
