import type { Suite } from '@polygate/datasets';
import { ConfigError } from '@polygate/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { applyOverrides } from './recipe-overrides.ts';
import { areFewImages, smallImages, type TunedBy } from './small-images.ts';

interface Rows {
  readonly train?: number;
  readonly validation?: number;
}

const suiteOf = (size: number, datasets: Readonly<Record<string, Rows>>, kind = 'labelled-image'): Suite => ({
  name: 'own',
  version: 1,
  image: { height: size, width: size },
  textLength: 64,
  tokenizerHash: '',
  recipeHash: '',
  quarantine: {},
  datasets: Object.entries(datasets).map(([name, rows]) => ({
    name,
    kind,
    classes: ['a', 'b'],
    splits: Object.fromEntries(
      Object.entries(rows).map(([split, count]: [string, number]) => [split, { rows: count }]),
    ),
  })),
});
const fitted = (size: number, rows: Rows, tuned?: TunedBy) =>
  smallImages(suiteOf(size, { photos: rows }), { folder: 'data/own', tuned });

describe('smallImages', () => {
  it('goes by the number of samples and the size of the images, and says why', () => {
    const { recipe, reasons } = fitted(48, { train: 500, validation: 100 });
    // 48 / 16 = 3 patches a side; 60 epochs of 500 are 30,000 samples, between 16,000 and 40,000.
    expect(recipe).toMatchObject({
      name: 'own',
      suite: 'data/own',
      model: { preset: 'mini', patchSize: 16 },
      tasks: { photos: { family: 'image-classification', dataset: 'photos', batchSize: 32 } },
      steps: '60 epochs',
      validation: { best: { score: 'validation/accuracy' } },
    });
    expect(reasons.join('\n')).toMatch(/patchSize=16: 3 x 3 patches of an image of 48 pixels/u);
    // 40,000 / 2000 = 20 epochs, and 100 samples see 160 epochs to reach 16,000.
    expect(fitted(48, { train: 2000, validation: 500 }).recipe.steps).toBe('20 epochs');
    expect(fitted(48, { train: 100, validation: 50 }).recipe.steps).toBe('160 epochs');
  });

  it('resizes images that cannot be cut into patches', () => {
    // 47 and 46 = 2 * 23 have no divisor from 3 to 8; 45 has 3 and 5, and 47 / 16 is nearly 3.
    const { recipe, reasons } = fitted(47, { train: 500 });
    expect(recipe).toMatchObject({ image: { size: 45 }, model: { patchSize: 15 } });
    expect(reasons[0]).toBe("image.size=45: 47 pixels can't be cut into 3 to 8 patches a side");
    expect(fitted(28, { train: 500 }).recipe).not.toHaveProperty('image');
    // 28 has 4 and 7 from 3 to 8, and 4 is nearer to 3; 224 / 16 = 14 is more than 8, and of 4, 7 and 8 that is nearest.
    expect(fitted(28, { train: 500 }).recipe.model).toMatchObject({ patchSize: 7 });
    expect(fitted(224, { train: 500 }).recipe.model).toMatchObject({ patchSize: 28 });
  });

  it('ends no run early by a handful of validation samples', () => {
    const { recipe, reasons } = fitted(32, { train: 300, validation: 9 });
    expect(recipe.validation).not.toHaveProperty('stop');
    expect(reasons.join('\n')).toMatch(/no early stop: 9 validation samples tell too little/u);
  });

  it('tunes a model that is there without saying what it is', () => {
    for (const tuned of ['fine', 'prompt', 'lora'] as const) {
      const { recipe } = fitted(48, { train: 500, validation: 100 }, tuned);
      expect(recipe.model).toBeUndefined();
      expect(recipe.tune?.method).toBe(tuned);
    }
  });

  it('counts all datasets of images with classes, or the one that is named', () => {
    const suite = suiteOf(48, { photos: { train: 500 }, drawings: { train: 1500 } });
    const all = smallImages(suite, { folder: 'data/own' }).recipe;
    expect(Object.keys(all.tasks ?? {})).toEqual(['photos', 'drawings']);
    expect(all.steps).toBe('20 epochs');
    expect(
      Object.keys(smallImages(suite, { folder: 'data/own', dataset: 'photos' }).recipe.tasks ?? {}),
    ).toEqual(['photos']);
  });

  it('gives a whole recipe over which settings win, for any counts', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 4, max: 512 }),
        fc.integer({ min: 1, max: 100_000 }),
        fc.integer({ min: 0, max: 5000 }),
        (size, train, validation) => {
          const { recipe } = fitted(size, { train, validation });
          const { model, steps, image } = applyOverrides(recipe, []);
          const { patchSize = 0 } = model as { readonly patchSize?: number };
          const grid = (image?.size ?? size) / patchSize;
          expect([3, 4, 5, 6, 7, 8]).toContain(grid);
          // 3 divides one of any three sizes.
          expect(size - (image?.size ?? size)).toBeLessThan(3);
          expect(Number.parseInt(steps, 10)).toBeGreaterThanOrEqual(10);
          expect(
            applyOverrides(recipe, ['steps=7 steps', 'tasks.photos.augmentation.shift=0.3']),
          ).toMatchObject({ steps: '7 steps', tasks: { photos: { augmentation: { shift: 0.3 } } } });
        },
      ),
      { numRuns: 30 },
    );
  });

  it('refuses a suite without images that have classes', () => {
    const texts = suiteOf(48, { reviews: { train: 10 } }, 'labelled-text');
    expect(() => smallImages(texts, { folder: 'data/texts' })).toThrow(ConfigError);
    expect(() => smallImages(texts, { folder: 'data/texts' })).toThrow(
      'recipe small-images: expected images with classes and a split "train" in data/texts, got reviews (labelled-text: train 10); take another recipe for these',
    );
  });

  it('is advised for few images with classes and nothing else', () => {
    expect(areFewImages(suiteOf(48, { photos: { train: 500 }, others: { train: 700 } }))).toBe(true);
    expect(areFewImages(suiteOf(48, { photos: { train: 9000 }, others: { train: 2000 } }))).toBe(false);
    expect(areFewImages(suiteOf(48, { photos: { validation: 20 } }))).toBe(false);
    expect(areFewImages(suiteOf(48, { texts: { train: 20 } }, 'labelled-text'))).toBe(false);
  });
});
