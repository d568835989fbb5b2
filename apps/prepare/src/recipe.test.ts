import { describe, expect, it } from 'vitest';
import { resolvePrepareRecipe } from './prepare.ts';
import { applyPrepareSettings, parsePrepareRecipe } from './recipe.ts';

const own = { name: 'own', sources: { photos: { source: 'image-folder', path: 'x' } } };

describe('prepare recipe', () => {
  it('fills in what is not said', () => {
    const recipe = parsePrepareRecipe(own);
    expect(recipe).toMatchObject({
      image: { size: 48, fit: 'contain', background: '#ffffff' },
      text: { length: 64 },
      tokenizer: { vocabularySize: 4096, lowercase: true },
      limits: { rate: 0.1, run: 200 },
    });
    expect(recipe.sources['photos']).toMatchObject({ testPercent: 10, validationPercent: 5 });
  });

  it('takes settings: numbers as numbers, paths as text, lists as JSON', () => {
    const recipe = applyPrepareSettings(own, [
      'image.size=32',
      'sources.photos.path=2024',
      'sources.extra={"source":"plain-text","files":["a.txt"]}',
    ]);
    expect(recipe.image.size).toBe(32);
    expect(recipe.sources['photos']).toMatchObject({ path: '2024' });
    expect(recipe.sources['extra']).toMatchObject({ files: ['a.txt'], unit: 'paragraph' });
  });

  it('refuses unknown names and lists the known ones', () => {
    expect(() => resolvePrepareRecipe({ recipe: 'minni' })).toThrow(
      'unknown prepare recipe "minni": did you mean "mini"? known: captions, image-folder, mini, mini-small',
    );
    expect(() => applyPrepareSettings(own, ['image.siz=3'])).toThrow(
      'unknown prepare recipe key "image.siz": did you mean "image.size"? known: image.background, image.fit, image.size',
    );
    expect(() => applyPrepareSettings(own, ['colour=red'])).toThrow(
      'unknown prepare recipe key "colour": known: baselines, compression, image, limits, name, sources, text, tokenizer',
    );
    expect(() => applyPrepareSettings(own, ['sources.photos.pth=a'])).toThrow(
      'unknown prepare recipe key "sources.photos.pth": did you mean "sources.photos.path"? known: sources.photos.classNames, sources.photos.dataset,',
    );
    expect(() => applyPrepareSettings(own, ['sources.photos.source=folder'])).toThrow(
      'unknown source "folder": known: captions-csv, coco-captions, emoji, image-folder,',
    );
  });

  it('says which setting is missing or wrong, and how to set it', () => {
    expect(() => resolvePrepareRecipe({ recipe: 'captions' })).toThrow(
      /^prepare recipe: sources\.photos\.file: .*, got nothing; set it with --set sources\.photos\.file=VALUE$/u,
    );
    expect(() => applyPrepareSettings(own, ['image.size=1'])).toThrow(
      /^prepare recipe: image\.size: .*4.*, got 1; set it with --set image\.size=VALUE$/u,
    );
    expect(() => applyPrepareSettings(own, ['image.size'])).toThrow(
      '--set: expected path=value such as image.size=32, got "image.size"',
    );
    expect(() => parsePrepareRecipe({ name: 'x', sources: {} })).toThrow(
      'expected at least one source, got none',
    );
  });
});
