import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { placePackage } from '../../test/support/placed-package.ts';
import { readItems } from '../../test/support/read-items.ts';
import { loadClipArt, clipArtCategories, seriesOf } from './clip-art/clip-art.ts';
import { drawingMetadata, isCaption } from './clip-art/drawing-metadata.ts';
import { loadEmoji } from './emoji.ts';
import { fluentEmoji3d } from './sources/fluent-emoji-3d.ts';
import { fxemoji } from './sources/fxemoji.ts';
import { openClipart } from './sources/openclipart.ts';
import { tablerIcons } from './sources/tabler-icons.ts';
import { baseOf, loadTabler } from './tabler.ts';
import { withoutHeldOutImages } from './without-held-out-images.ts';

/** A file as Sodipodi wrote it: sides in millimetres, no view box, RDF in its metadata. */
const drawing = (title: string, tags: readonly string[], content: string): string => `<?xml version="1.0"?>
<svg height="297mm" width="210mm" xmlns="http://www.w3.org/2000/svg" xmlns:rdf="r" xmlns:dc="d" xmlns:cc="c">
  <metadata><rdf:RDF><cc:Work rdf:about=""><dc:title>${title}</dc:title><dc:subject><rdf:Bag>
    <rdf:li>hash</rdf:li><rdf:li></rdf:li>${tags.map((tag) => `<rdf:li>${tag}</rdf:li>`).join('')}
  </rdf:Bag></dc:subject><dc:publisher><cc:Agent><dc:title>A publisher</dc:title></cc:Agent></dc:publisher></cc:Work></rdf:RDF></metadata>
  ${content}</svg>`;
const square = '<rect x="100" y="100" width="300" height="500" fill="#c00"/>';

let root = '';
const packages = (): { cacheDirectory: string } => ({ cacheDirectory: root });
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'polygate-drawings-'));
  const path = (name: string): string => `usr/share/openclipart/svg/${name}.svg`;
  await placePackage(root, openClipart, {
    ...Object.fromEntries(
      Array.from({ length: 40 }, (_, i) => [
        path(`animals/beast_${'abcdefghijklmnopqrst'[i % 20]}x_0${1 + Math.floor(i / 20)}`),
        drawing(`Beast ${i}`, ['animal', 'wild'], square),
      ]),
    ),
    [path('food/croissant')]: drawing('croissant', ['food', 'carbohydrate'], square),
    [path('people/untitled')]: drawing('Untitled', ['people'], square),
    [path('plants/blank')]: drawing('Blank', [], '<rect width="9" height="9" fill="#fff"/>'),
    [path('plants/broken')]:
      '<svg xmlns="http://www.w3.org/2000/svg"><metadata><title>Broken</title></metadata><rect',
    [path('people/smilies/happy')]: drawing('Happy', [], square),
    [path('signs_and_symbols/flags/fr')]: drawing('France', [], square),
    [path('recreation/games/cards/simple/s_a')]: drawing('Ace', [], square),
    [path('education/book')]: drawing('A book', [], square),
  });
  const svg =
    '<svg xmlns="http://www.w3.org/2000/svg" width="24" height="24" viewBox="0 0 24 24" fill="none" stroke="currentColor"><path d="M4 6h16"/></svg>';
  const icons = ['bell', 'bell-off', 'bell-2', 'bell-filled', 'brand-x', 'circle-check', '123', 'gone'];
  await placePackage(root, tablerIcons, {
    'icons.json': JSON.stringify(
      Object.fromEntries(
        icons.map((name) => [
          name,
          {
            name,
            category: name.startsWith('brand') ? 'Brand' : 'System',
            tags: ['ring', 'alarm', 12, 'sound', 'bell'],
          },
        ]),
      ),
    ),
    ...Object.fromEntries(
      icons.filter((name) => name !== 'gone').map((name) => [`icons/outline/${name}.svg`, svg]),
    ),
  });
  await placePackage(root, fxemoji, {
    'icons.json': JSON.stringify({ icons: { grinningface: { body: '<g/>' }, u1f436: { body: '<p/>' } } }),
    'chars.json': JSON.stringify({ '1f436': 'u1f436' }),
  });
  const webp = await sharp({ create: { width: 8, height: 8, channels: 4, background: '#ff000080' } })
    .webp()
    .toBuffer();
  await placePackage(root, fluentEmoji3d, { 'assets/1f600.webp': webp, 'assets/2764-fe0f.webp': webp });
});
afterAll(() => rm(root, { recursive: true, force: true }));

describe('clip art', () => {
  it('has titles and tags as captions; what has none, fails or shows nothing is left out', async () => {
    const { splits, faults } = await readItems(await loadClipArt({}, packages()));
    const all = Object.values(splits).flat();
    expect(all.find(({ id }) => id === 'food/croissant')?.texts).toEqual(['croissant', 'food, carbohydrate']);
    expect(all.find(({ id }) => id.startsWith('animals/'))?.texts?.[1]).toBe('animal, wild');
    expect(
      all
        .map(({ id }) => id)
        .filter((id) => !id.startsWith('animals/'))
        .sort(),
    ).toEqual(['education/book', 'food/croissant']);
    expect(faults.map(({ id, code }) => [id, code])).toEqual([
      ['plants/blank', 'blank-drawing'],
      ['plants/broken', 'corrupt-image'],
    ]);
  });

  it('keeps series on one side, and draws what is seen at the drawing’s own size', async () => {
    const { splits } = await readItems(await loadClipArt({ size: 32 }, packages()));
    const sides = new Map<string, Set<string>>();
    for (const [split, samples] of Object.entries(splits)) {
      for (const { extra } of samples)
        sides.set(extra?.['series'] ?? '', (sides.get(extra?.['series'] ?? '') ?? new Set()).add(split));
    }
    expect(sides.size).toBeGreaterThan(20);
    expect([...sides.values()].every(({ size }) => size === 1)).toBe(true);
    expect(Object.keys(splits)).toContain('unseen-series');
    const image = splits['train']?.find(({ id }) => id.startsWith('animals/'))?.image;
    if (image?.kind !== 'pixels') throw new Error('expected pixels');
    // 210 x 297 mm are 595 x 842 units: the red part is at 100 to 400 of 842 down, drawn 32 high: rows 4 to 22.
    const alpha = (x: number, y: number): number => image.pixels[(y * 32 + x) * 4 + 3] ?? 0;
    expect([alpha(12, 2), alpha(12, 12), alpha(12, 28)]).toEqual([0, 255, 0]);
    expect(image.pixels[(12 * 32 + 12) * 4]).toBe(0xcc);
  });

  it('has categories as labels', async () => {
    const set = await loadClipArt({ kind: 'labelled-image' }, packages());
    const { splits } = await readItems(set);
    const labels = Object.values(splits)
      .flat()
      .map(({ id, label }) => [id.split('/')[0], clipArtCategories[label ?? -1]]);
    expect(new Set(labels.map((each) => each.join()))).toEqual(
      new Set(['animals,animals', 'food,food', 'people,people']),
    );
    expect(set.reader.classes).toHaveLength(11);
  });

  it('tells captions from other titles', () => {
    expect(['Dog on leash', 'Juice Glass', 'Croissant (B and W)'].every(isCaption)).toBe(true);
    expect(
      [
        'Untitled',
        'Donna incinta',
        'drawing.svg',
        '1234',
        'caf\u00c3\u00a9',
        'Sedia e ombrelloni',
        'a/b cd',
      ].some(isCaption),
    ).toBe(false);
    expect(drawingMetadata(Buffer.from('<svg><title>a &amp; b_c</title></svg>'))).toEqual({
      title: 'a & b c',
      tags: [],
    });
    // Old files are Latin 1.
    expect(drawingMetadata(Buffer.from('<svg><title>caf\u00e9</title></svg>', 'latin1')).title).toBe(
      'caf\u00e9',
    );
    expect(seriesOf('animals/bugs/ant-12_b_03.svg')).toBe('ant_b');
  });
});

describe('images that another split shows', () => {
  it('are left out of training', async () => {
    const pixels = (value: number) =>
      ({ kind: 'pixels', pixels: new Uint8Array(12).fill(value), width: 2, height: 2, channels: 3 }) as const;
    const samples = [1, 2, 3, 2].map(
      (value, i) =>
        ({ kind: 'sample', id: `${i}`, image: pixels(value), split: i === 3 ? 'test' : 'train' }) as const,
    );
    const set = withoutHeldOutImages(
      {
        reader: {
          name: 'x',
          async *read() {
            yield* samples;
          },
        },
        splitOf: ({ split }) => split ?? '',
      },
      2,
    );
    const { splits, faults } = await readItems(set);
    expect(splits['train']?.map(({ id }) => id)).toEqual(['0', '2']);
    expect(splits['test']?.map(({ id }) => id)).toEqual(['3']);
    expect(faults).toEqual([
      {
        kind: 'fault',
        id: '1',
        code: 'shared-with-held-out',
        reason: 'expected an image of its own, got that of 3',
      },
    ]);
  });
});

describe('line icons', () => {
  it('have no brands, and variants of one icon on one side', async () => {
    const { splits, faults } = await readItems(await loadTabler({ unseenPercent: 50 }, packages()));
    const all = Object.values(splits).flat();
    expect(all.map(({ id }) => id)).not.toContain('brand-x');
    expect(faults.map(({ id }) => id)).toEqual(['gone']);
    const bells = Object.values(splits).filter((samples) => samples.some(({ id }) => id.startsWith('bell')));
    expect(bells).toHaveLength(1);
    expect(all.find(({ id }) => id === 'bell-off')?.texts).toEqual(['bell off', 'ring, alarm, sound']);
    expect(['bell-2', 'bell-off-filled', 'circle-check', '123'].map(baseOf)).toEqual([
      'bell',
      'bell',
      'circle',
      '123',
    ]);
    const image = all[0]?.image;
    if (image?.kind !== 'bytes') throw new Error('expected bytes');
    expect(Buffer.from(image.bytes).toString()).toContain('width="48" height="48" viewBox="0 0 24 24"');
  });
});

describe('emoji of further vendors', () => {
  it('are found by names without hyphens, and by files called by code points; no vendor is held out', async () => {
    const set = await loadEmoji(
      { vendors: ['fxemoji', 'fluent-emoji-3d'], heldOutVendor: 'none' },
      { ...packages(), workDirectory: import.meta.dirname },
    );
    const { splits } = await readItems(set);
    const ids = Object.values(splits)
      .flat()
      .map(({ id }) => id)
      .sort();
    expect(ids).toEqual(
      ['1F436/fxemoji', '1F600/fluent-emoji-3d', '1F600/fxemoji', '2764/fluent-emoji-3d'].sort(),
    );
    expect(
      Object.keys(splits).every((split) => ['train', 'validation', 'unseen-concepts'].includes(split)),
    ).toBe(true);
  });
});
