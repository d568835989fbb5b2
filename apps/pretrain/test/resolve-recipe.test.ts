/** Settings that choose a kind: its own defaults are filled in, and not those of the kind that they replace. */
import { resolvePretrainRecipe } from '@polygate/app-pretrain';
import { describe, expect, it } from 'vitest';

describe('settings over a recipe', () => {
  it('choose a kind before its defaults are filled in', () => {
    const { optimizer } = resolvePretrainRecipe({
      recipe: { optimizer: { learningRate: 1e-2 } },
      set: ['optimizer.kind=sgd'],
    });
    expect(optimizer).toMatchObject({ kind: 'sgd', learningRate: 1e-2 });
    expect(optimizer).not.toHaveProperty('beta1');
    // A setting that the recipe itself says stays there, and is named where the kind has none of it.
    expect(() =>
      resolvePretrainRecipe({ recipe: { optimizer: { beta1: 0.8 } }, set: ['optimizer.kind=sgd'] }),
    ).toThrow('unknown recipe key "optimizer.beta1"');
  });
});
