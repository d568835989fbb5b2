import { describe, expect, it } from 'vitest';
import { resolvePrepareRecipe } from './prepare.ts';
import { applyPrepareSettings, parsePrepareRecipe } from './recipe.ts';

const input = { name: 'own', sources: { photos: { source: 'image-folder', path: 'x' } } };

describe('prepare recipe', () => {
  it('fills in what is not said', () => {
    const recipe = parsePrepareRecipe(input);
    expect(recipe).toMatchObject({
      image: { size: 48, fit: 'contain', background: '#ffffff' },
      text: { length: 64 },
      tokenizer: { vocabularySize: 4096, lowercase: true },
      limits: { rate: 0.1, run: 200 },
    });
    expect(recipe.sources['photos']).toMatchObject({ testPercent: 10, validationPercent: 5 });
  });

  it('refuses shares that leave nothing for training, and names both', () => {
    const photos = { ...input.sources.photos, validationPercent: 60, testPercent: 40 };
    expect(() => parsePrepareRecipe({ ...input, sources: { photos } })).toThrow(
      'sources.photos: expected validationPercent and testPercent below 100 together, so that samples are left for training, got 60 and 40; lower one of them',
    );
    const digits = { source: 'mnist', validationPercent: 20, testPercent: 80 };
    expect(() => parsePrepareRecipe({ ...input, sources: { digits } })).toThrow('got 20 and 80');
    expect(() =>
      parsePrepareRecipe({ ...input, sources: { photos: { ...photos, split: 'test' } } }),
    ).not.toThrow();
  });

  it('takes settings: numbers as numbers, paths as text, lists as JSON', () => {
    const recipe = applyPrepareSettings(input, [
      'image.size=32',
      'sources.photos.path=2024',
      'sources.extra={"source":"plain-text","files":["a.txt"]}',
    ]);
    expect(recipe.image.size).toBe(32);
    expect(recipe.sources['photos']).toMatchObject({ path: '2024' });
    expect(recipe.sources['extra']).toMatchObject({ files: ['a.txt'], unit: 'paragraph' });
  });

  it('keeps text as it is written, and lists of texts', () => {
    const table = { name: 'own', sources: { t: { source: 'captions-csv' } } };
    const read = (...more: string[]) =>
      applyPrepareSettings(table, ['sources.t.file=a=b.csv', 'sources.t.images=x', ...more]).sources['t'];
    for (const text of ['1.10', '1e3', '007', 'true', 'null', '[1]', '"a"', '{"a":1}', 'a=b', ' x']) {
      expect(read(`sources.t.images=${text}`)).toMatchObject({ file: 'a=b.csv', images: text });
    }
    expect(read('sources.t.delimiter=\t')).toMatchObject({ delimiter: '\t' });
    expect(read('sources.t.delimiter=\\t')).toMatchObject({ delimiter: '\t' });
    expect(applyPrepareSettings(input, ['name=2024']).name).toBe('2024');
    const texts = { name: 'own', sources: { t: { source: 'plain-text' } } };
    expect(applyPrepareSettings(texts, ['sources.t.files=1.10']).sources['t']).toMatchObject({
      files: ['1.10'],
    });
    expect(() => applyPrepareSettings(texts, ['sources.t.files=a,b'])).toThrow(
      'expected a list, got text with a comma; write sources.t.files=["a","b"] for several or sources.t.files=["a,b"] for one',
    );
    expect(() => applyPrepareSettings(texts, ['sources.t.files=["a"'])).toThrow('expected a list');
  });

  it('takes a column by name or index: only what a number is written as is a number', () => {
    const table = { name: 'own', sources: { t: { source: 'labelled-tsv', file: 'f', textColumns: ['a'] } } };
    const label = (text: string) =>
      applyPrepareSettings(table, [`sources.t.labelColumn=${text}`]).sources['t'];
    expect(label('1')).toMatchObject({ labelColumn: 1 });
    expect(label('01')).toMatchObject({ labelColumn: '01' });
    expect(label('label')).toMatchObject({ labelColumn: 'label' });
  });

  it('refuses names that every record inherits, and numbers for texts in a recipe', () => {
    for (const key of ['__proto__', 'toString', 'constructor', 'hasOwnProperty']) {
      expect(() => applyPrepareSettings(input, [`${key}=x`])).toThrow(`unknown setting "${key}"`);
      expect(() => applyPrepareSettings(input, [`image.${key}=1`])).toThrow(`unknown setting "image.${key}"`);
      expect(() => applyPrepareSettings(input, [`image.size.${key}=1`])).toThrow(
        `unknown setting "image.size.${key}"`,
      );
    }
    expect(() => applyPrepareSettings(input, ['sources.__proto__.path=x'])).toThrow(
      'unknown setting "sources.__proto__"',
    );
    expect(() =>
      parsePrepareRecipe({ name: 'x', sources: { t: { source: 'image-folder', path: 1.1 } } }),
    ).toThrow(/sources\.t\.path: .*string.*, got 1\.1; a text is written in quotes, "1\.1"$/u);
  });

  it('refuses colours and delimiters that the work would fail at', () => {
    for (const colour of ['whit', 'transparent', '#fff0', 'rgba(0,0,0,0.5)', '#12', 'toString', '']) {
      expect(() => applyPrepareSettings(input, [`image.background=${colour}`])).toThrow(
        'prepare recipe: image.background: expected an opaque colour as CSS writes it, such as #ffffff, white or rgb(255, 255, 255)',
      );
    }
    for (const colour of ['white', '#fff', '#fffF', 'rgb(1,2,3)', 'hsl(120,50%,50%)', 'rgba(1, 2, 3, 1)']) {
      expect(applyPrepareSettings(input, [`image.background=${colour}`]).image.background).toBe(colour);
    }
    const table = { name: 'o', sources: { t: { source: 'captions-csv', file: 'f', images: 'i' } } };
    for (const text of ['"', '', '\n', ';;']) {
      expect(() => applyPrepareSettings(table, [`sources.t.delimiter=${text}`])).toThrow(
        'sources.t.delimiter: expected one character such as',
      );
    }
    const classes = { name: 'o', sources: { t: { source: 'jsonl', file: 'f', classes: ['a', 'a'] } } };
    expect(() => parsePrepareRecipe(classes)).toThrow(
      'sources.t.classes: expected different names, got one twice',
    );
  });

  it('refuses unknown names and lists the known ones', () => {
    expect(() => resolvePrepareRecipe({ recipe: 'minni' })).toThrow(
      'unknown prepare recipe "minni": did you mean "mini"? known: captions, demo-clips, image-folder, mini, mini-digits, mini-drawings, mini-full, mini-glue, mini-small',
    );
    expect(() => applyPrepareSettings(input, ['image.siz=3'])).toThrow(
      'unknown setting "image.siz": did you mean "image.size"? known: image.background, image.fit, image.size',
    );
    expect(() => applyPrepareSettings(input, ['colour=red'])).toThrow(
      'unknown setting "colour": known: baselines, budgets, compression, extensions, image, limits, name, sources, text, tokenizer, video',
    );
    expect(() => applyPrepareSettings(input, ['sources.photos.pth=a'])).toThrow(
      'unknown setting "sources.photos.pth": did you mean "sources.photos.path"? known: sources.photos.classNames, sources.photos.dataset,',
    );
    expect(() => applyPrepareSettings(input, ['sources.photos.source=folder'])).toThrow(
      'unknown source "folder": known: caption-list, captions-csv, coco-captions, emoji, fashion-mnist, glue, idx, image-folder,',
    );
  });

  it('says which setting is missing or wrong, and how to set it', () => {
    expect(() => resolvePrepareRecipe({ recipe: 'captions' })).toThrow(
      /^prepare recipe: sources\.photos\.file: .*, got nothing; set it with --set sources\.photos\.file=VALUE$/u,
    );
    expect(() => applyPrepareSettings(input, ['image.size=1'])).toThrow(
      /^prepare recipe: image\.size: .*4.*, got 1; set it with --set image\.size=VALUE$/u,
    );
    expect(() => applyPrepareSettings(input, ['image.size'])).toThrow(
      '--set: expected path=value such as image.size=1, got "image.size"',
    );
    expect(() => parsePrepareRecipe({ name: 'x', sources: {} })).toThrow(
      'expected at least one source, got none',
    );
  });
});
