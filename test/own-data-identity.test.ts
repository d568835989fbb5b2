/** What counts as one sample of somebody's own files, prepared through the command line. */
import { describe, expect, it } from 'vitest';
import { ids, none, image, texts, useOwnData } from './own-data.ts';

const { at, put, prepared, refused } = useOwnData();

describe('identity', () => {
  it('takes five lines that name one image for one sample, in one split', async () => {
    const lines: string[] = [];
    for (let n = 0; n < 40; n += 1) {
      await put(`photos/${n}.svg`, image(n));
      for (let v = 0; v < 5; v += 1) {
        const name = ['photos', './photos', 'photos', 'photos/../photos', 'photos'][v] ?? '';
        const separator = v === 4 ? '\\' : '/';
        lines.push(
          JSON.stringify({
            file_name: `${name}${separator}${n}.svg`,
            text: `field ${n}, version ${v}`,
            id: n * 5 + v,
          }),
        );
      }
    }
    const file = await put('five.jsonl', lines.join('\n'));
    const { splits } = await prepared({
      p: { source: 'jsonl', file, validationPercent: 10, testPercent: 20 },
    });
    const rows = Object.values(splits).flat();
    expect(rows).toHaveLength(40);
    for (const { texts } of rows) {
      const n = /field (\d+),/u.exec(texts?.[0] ?? '')?.[1] ?? '';
      expect(texts).toEqual([0, 1, 2, 3, 4].map((v) => `field ${n}, version ${v}`));
    }
    expect(Object.keys(splits)).toEqual(['train', 'validation', 'test']);
  });

  it('keeps equal images on one side, whatever they are called and whichever source has them', async () => {
    const lines: string[] = [];
    for (let n = 0; n < 60; n += 1) {
      await put(`a/${n}.svg`, image(n % 12));
      lines.push(`${n}.svg,image ${n}`);
    }
    await put('b/held.svg', image(3));
    const file = await put('a.csv', ['image,caption', ...lines].join('\n'));
    const held = await put('b.csv', 'image,caption\nheld.svg,held out\n');
    const { splits } = await prepared({
      p: { source: 'captions-csv', file, images: at('a'), validationPercent: 20, testPercent: 30 },
      more: { source: 'captions-csv', file: held, images: at('b'), dataset: 'p', split: 'test' },
    });
    const sides = new Map<number, Set<string>>();
    for (const [split, rows] of Object.entries(splits)) {
      for (const { id } of rows) {
        const content = id === 'more/held.svg' ? 3 : Number.parseInt(id, 10) % 12;
        sides.set(content, (sides.get(content) ?? new Set()).add(split));
      }
    }
    expect([...sides.values()].every((set) => set.size === 1)).toBe(true);
    // What a source holds out for testing is nowhere in training, even under another name.
    expect([...(sides.get(3) ?? [])]).toEqual(['test']);
  });

  it('draws once for equal images and texts of sources that put different shares aside', async () => {
    for (let n = 0; n < 40; n += 1)
      for (const folder of ['a', 'b']) await put(`${folder}/x/${n}.svg`, image(n));
    const few = { dataset: 'd', validationPercent: 5, testPercent: 10 };
    const many = { dataset: 'd', validationPercent: 30, testPercent: 30 };
    const images = await prepared({
      a: { source: 'image-folder', path: at('a'), ...few },
      b: { source: 'image-folder', path: at('b'), ...many },
    });
    const sides = new Map<string, Set<string>>();
    for (const [split, rows] of Object.entries(images.splits)) {
      for (const { id } of rows) {
        const name = id.replace(/^b\//u, '');
        sides.set(name, (sides.get(name) ?? new Set()).add(split));
      }
    }
    expect([sides.size, Math.max(...[...sides.values()].map((set) => set.size))]).toEqual([40, 1]);
    const lines = Array.from({ length: 40 }, (_, n) => `w${n} of many`);
    const one = await put('a.txt', lines.join('\n'));
    const two = await put('b.txt', lines.join('\n').toUpperCase());
    const words = await prepared({
      a: { source: 'plain-text', unit: 'line', files: [one], ...few },
      b: { source: 'plain-text', unit: 'line', files: [two], ...many },
    });
    const shown = Object.values(words.splits).map(
      (rows) => new Set(texts(rows).flatMap((row) => row?.join(' ').match(/w\d+/gu) ?? [])),
    );
    expect(shown.reduce((sum, set) => sum + set.size, 0)).toBe(40);
  });

  it('knows an image in another file: drawn on one side, told of in named splits and under another label', async () => {
    // A comment makes another file of the same image.
    const again = (n: number): string => `${image(n)}<!-- saved again -->`;
    for (let n = 0; n < 40; n += 1) {
      await put(`drawn/x/${n}.svg`, image(n));
      await put(`drawn/x/${n}-again.svg`, again(n));
    }
    const { splits } = await prepared({
      p: { source: 'image-folder', path: at('drawn'), validationPercent: 20, testPercent: 20 },
    });
    for (const rows of Object.values(splits)) {
      const names = new Set(ids(rows));
      expect(
        ids(rows).filter((id) => !names.has(id.replace('.svg', '-again.svg')) && !id.includes('again')),
      ).toEqual([]);
    }
    expect(Object.keys(splits)).toEqual(['train', 'validation', 'test']);
    await put('named/train/cat/0.svg', image(1));
    await put('named/test/dog/0.svg', again(1));
    const named = await prepared({ p: { source: 'image-folder', path: at('named') } });
    expect(named.overlaps).toEqual([
      { splits: ['test', 'train'], rows: 1, example: ['test/dog/0.svg', 'train/cat/0.svg'] },
    ]);
    expect(named.labelConflicts).toMatchObject({ rows: 1, labels: ['dog', 'cat'] });
  });

  it('warns of samples that one dataset holds out and another one trains on, and records them', async () => {
    for (let n = 0; n < 8; n += 1) await put(`a/x/${n}.svg`, image(n));
    const { overlaps, log } = await prepared({
      held: { source: 'image-folder', path: at('a'), split: 'test' },
      more: { source: 'image-folder', path: at('a'), ...none },
    });
    expect(overlaps).toEqual([
      { splits: ['test', 'train'], dataset: 'more', rows: 8, example: ['x/0.svg', 'x/0.svg'] },
    ]);
    expect(log.join('\n')).toContain(
      'prepare held: 8 samples of test and more/train show the same, such as x/0.svg and x/0.svg',
    );
  });

  it('warns of samples that two named splits share, and records them', async () => {
    for (let n = 0; n < 4; n += 1) {
      await put(`photos/train/cat/${n}.svg`, image(n));
      await put(`photos/test/cat/${n + 2}.svg`, image(n + 2));
    }
    const { overlaps, log } = await prepared({ p: { source: 'image-folder', path: at('photos') } });
    expect(overlaps).toEqual([
      { splits: ['test', 'train'], rows: 2, example: ['test/cat/2.svg', 'train/cat/2.svg'] },
    ]);
    expect(log.join('\n')).toContain(
      'prepare p: 2 samples of test and train show the same, such as test/cat/2.svg and train/cat/2.svg',
    );
  });

  it('refuses COCO files whose image ids repeat, and reads ids that are texts or beyond 2^53 as they are', async () => {
    for (let n = 0; n < 4; n += 1) await put(`i/${n}.svg`, image(n));
    const images = [1, 2, 1, 2].map((id, n) => ({ id, file_name: `${n}.svg` }));
    const annotations = [1, 2].map((id) => ({ id, image_id: id, caption: `caption ${id}` }));
    const joined = await put('joined.json', JSON.stringify({ images, annotations }));
    expect(
      await refused({ p: { source: 'coco-captions', annotations: joined, images: at('i'), ...none } }),
    ).toContain('expected ids that are there once, got id 1 in "images" twice ("0.svg" and "2.svg")');
    // 2^53 + 1 and 2^53 read as one number: neither is taken for the other.
    const exact = await put(
      'exact.json',
      '{"images":[{"id":9007199254740993,"file_name":"0.svg"},{"id":"7","file_name":"1.svg"},{"id":8,"file_name":"2.svg"}],' +
        '"annotations":[{"id":1,"image_id":9007199254740992,"caption":"wrong"},{"id":1,"image_id":7,"caption":"seven"},{"id":2,"image_id":"8","caption":"eight"}]}',
    );
    const { splits, quarantine } = await prepared({
      p: { source: 'coco-captions', annotations: exact, images: at('i'), ...none },
    });
    expect(splits['train']).toEqual([
      { id: '1.svg', texts: ['seven'] },
      { id: '2.svg', texts: ['eight'] },
    ]);
    expect(quarantine).toEqual({ 'bad-image-entry': 1, 'unknown-image': 1 });
  });

  it('gives rows of one id different ids, and keeps them', async () => {
    const lines = [0, 1, 2].map((n) => JSON.stringify({ image: `${n}.svg`, text: `image ${n}`, id: 'same' }));
    for (let n = 0; n < 3; n += 1) await put(`${n}.svg`, image(n));
    const file = await put('rows.jsonl', lines.join('\n'));
    const { splits } = await prepared({ p: { source: 'jsonl', file, ...none } });
    expect(ids(splits['train'])).toEqual(['same', 'same~2', 'same~3']);
  });
});
