import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { placePackage } from '../../../test/support/placed-package.ts';
import { readItems } from '../../../test/support/read-items.ts';
import { flare } from '../sources/flare.ts';
import { parseAnimation } from './animation.ts';
import { familyOf } from './enemies.ts';
import { unitClips } from './sprite-actions.ts';
import { canvasOf, composeFrame, type SpriteSheet } from './sprite-canvas.ts';
import { loadSpriteCaptions, loadSpriteClips } from './sprite-sets.ts';

const MODS = 'usr/share/games/flare/mods/';
const directions = [0, 1, 2, 3, 4, 5, 6, 7];

/** An animation of 8 directions; each action has two frames of 4 x 4 pixels in a row of its own, unless it shares one. */
const animation = (image: string, rows: Readonly<Record<string, number>>): string =>
  [
    `image=images/${image}.png`,
    ...Object.entries(rows).flatMap(([action, row]) => [
      '',
      `[${action}]`,
      'frames=2',
      'duration=800ms',
      'type=looped',
      ...[0, 1].flatMap((frame) =>
        directions.map(
          (direction) => `frame=${frame},${direction},${(frame * 8 + direction) * 4},${row * 4},4,4,2,3`,
        ),
      ),
    ]),
    '',
  ].join('\n');
const starts = { stance: 0, run: 1, swing: 2, shoot: 3, cast: 4, hit: 5, block: 6, die: 7 };

let root = '';
const packages = (): { cacheDirectory: string } => ({ cacheDirectory: root });
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'polygate-sprites-'));
  const sheet = await sharp({ create: { width: 64, height: 32, channels: 4, background: '#00ff00' } })
    .png()
    .toBuffer();
  const layers = [
    ...[
      'default_chest',
      'default_legs',
      'default_hands',
      'default_feet',
      'longsword',
      'longbow',
      'staff',
      'dagger',
    ],
    ...['mace', 'club', 'maul', 'shortbow', 'wand', 'shield', 'iron_buckler', 'buckler', 'leather_chest'],
  ];
  const avatar = ['male', 'female'].flatMap((gender) =>
    [...layers, gender === 'male' ? 'head_bald' : 'head_long'].map((layer) => `${gender}/${layer}`),
  );
  const enemies = [
    'goblin',
    'goblin_runner',
    'hobgoblin',
    'zombie',
    'fire_ant',
    'minotaur',
    'skeleton_mage',
    'boulder',
  ];
  await placePackage(root, flare, {
    ...Object.fromEntries(
      enemies.flatMap((name) => [
        [
          `${MODS}fantasycore/animations/enemies/${name}.txt`,
          animation(`enemies/${name === 'goblin_runner' ? 'goblin' : name}`, starts),
        ],
        [`${MODS}empyrean_campaign/images/enemies/${name}.png`, sheet],
      ]),
    ),
    [`${MODS}fantasycore/animations/enemies/zombie_ghost.txt`]:
      'color_mod=1,2,3\nINCLUDE animations/enemies/zombie.txt\n',
    ...Object.fromEntries(
      avatar.flatMap((name) => [
        [`${MODS}fantasycore/animations/avatar/${name}.txt`, animation(`avatar/${name}`, starts)],
        [`${MODS}fantasycore/images/avatar/${name}.png`, sheet],
      ]),
    ),
    [`${MODS}fantasycore/engine/hero_layers.txt`]: `# comment\n${directions.map((direction) => `layer=${direction},main,feet,legs,hands,chest,head,off`).join('\n')}\n`,
  });
});
afterAll(() => rm(root, { recursive: true, force: true }));

describe('animations', () => {
  it('are frames by action and direction, in order', () => {
    const { image, actions } = parseAnimation(
      'image=a.png\nrender_size=1,2\n[die]\nframe=1,0,9,8,7,6,5,4\nframe=0,0,1,2,3,4,-5,6\nframe=1,7,0,0,1,1,0,0\n[empty]\nframes=3\n',
      'x',
    );
    const first = { x: 1, y: 2, width: 3, height: 4, anchorX: -5, anchorY: 6 };
    expect(image).toBe('a.png');
    expect([...actions.keys()]).toEqual(['die']);
    expect(actions.get('die')?.[0]).toEqual([
      first,
      { x: 9, y: 8, width: 7, height: 6, anchorX: 5, anchorY: 4 },
    ]);
    // Nothing is seen of a layer in a frame that it does not list.
    expect(actions.get('die')?.[7]).toEqual([
      undefined,
      { x: 0, y: 0, width: 1, height: 1, anchorX: 0, anchorY: 0 },
    ]);
  });

  it('are refused without sheet, and with frames that are none', () => {
    expect(() => parseAnimation('[die]\n', 'x')).toThrow('x: expected a line image=, got none');
    for (const frame of [
      '1,2,3',
      '0,8,0,0,1,1,0,0',
      '99,0,0,0,1,1,0,0',
      '0,0,-1,0,1,1,0,0',
      'a,0,0,0,1,1,0,0',
    ])
      expect(() => parseAnimation(`image=a\n[x]\nframe=${frame}\n`, 'x')).toThrow(
        `x: expected frame=index,direction,x,y,width,height,offset x,offset y, got "${frame}"`,
      );
  });

  it('have actions of the same frames as one, and those that could be either left out', () => {
    const { actions } = parseAnimation(
      animation('a', {
        stance: 0,
        run: 1,
        swing: 2,
        shoot: 2,
        cast: 2,
        hit: 5,
        block: 5,
        die: 7,
        critdie: 7,
      }),
      'x',
    );
    const counts = new Map<string, number>();
    for (const { action } of unitClips(actions)) counts.set(action, (counts.get(action) ?? 0) + 1);
    expect([...counts]).toEqual([
      ['stand', 8],
      ['run', 8],
      ['hit', 8],
      ['die', 8],
    ]);
    // A block of frames of its own is a second hit; where it is drawn as standing neither is used.
    expect(
      unitClips(parseAnimation(animation('a', { stance: 0, hit: 1, block: 2 }), 'x').actions),
    ).toHaveLength(24);
    expect(
      unitClips(parseAnimation(animation('a', { stance: 0, hit: 1, block: 0 }), 'x').actions),
    ).toHaveLength(8);
  });
});

describe('canvases', () => {
  it('have room for all frames around one anchor', () => {
    const frame = { x: 0, y: 0, width: 4, height: 10, anchorX: 1, anchorY: 9 };
    // Left 3, right 4 - 1 = 3; top 9, bottom 1: 6 x 10, so that a square of 10 has 2 more on the left.
    expect(canvasOf([frame, { ...frame, width: 5, anchorX: 3 }])).toEqual({
      side: 10,
      anchorX: 5,
      anchorY: 9,
    });
  });

  it('show upper layers over lower ones, mixed where they are half transparent', () => {
    const sheetOf = (rgba: readonly number[]): SpriteSheet => ({
      pixels: Uint8Array.from(rgba),
      width: 1,
      height: 1,
    });
    const frame = { x: 0, y: 0, width: 1, height: 1, anchorX: 0, anchorY: 0 };
    const canvas = { side: 2, anchorX: 1, anchorY: 0 };
    const out = composeFrame(
      [
        { sheet: sheetOf([200, 0, 0, 255]), frame },
        { sheet: sheetOf([0, 100, 0, 51]), frame },
        // Beyond the canvas.
        { sheet: sheetOf([9, 9, 9, 255]), frame: { ...frame, anchorX: -5 } },
      ],
      canvas,
    );
    // A fifth of the green over the red: 200 * 0.8, 100 * 0.2.
    expect(Array.from(out)).toEqual([0, 0, 0, 0, 160, 20, 0, 255, 0, 0, 0, 0, 0, 0, 0, 0]);
  });
});

describe('clips of sprites', () => {
  const options = { avatars: 150, validation: 8, unseen: 30 };

  it('hold families of enemies and pairs of weapon and outfit out; no sheet is on both sides', async () => {
    const { splits } = await readItems(await loadSpriteClips({ label: 'action', ...options }, packages()));
    const valuesOf = (name: string, column: string): Set<string> =>
      new Set((splits[name] ?? []).map(({ extra }) => extra?.[column] ?? '').filter((value) => value !== ''));
    expect([...valuesOf('unseen-units', 'unit')].sort()).toEqual(['ant', 'minotaur', 'zombie']);
    expect(valuesOf('train', 'unit')).toContain('goblin');
    for (const column of ['unit', 'sheet']) {
      for (const held of ['unseen-units', 'unseen-outfits', 'validation']) {
        const trained = valuesOf('train', column);
        expect([...valuesOf(held, column)].filter((value) => trained.has(value))).toEqual([]);
      }
    }
    const ids = Object.values(splits)
      .flat()
      .map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.some((id) => /boulder|goblin_runner|ghost/u.test(id))).toBe(false);
    expect(splits['train']?.filter(({ extra }) => extra?.['sheet'] === '')).toHaveLength(150);
    expect(splits['unseen-outfits']?.length).toBe(30);
    // Three enemies in training have eight actions of their own in eight directions: the mage, goblins on two sheets.
    expect(splits['train']?.filter(({ extra }) => extra?.['sheet'] !== '')).toHaveLength(3 * 64);
  });

  it('hold one pair of headgear and shield out', async () => {
    const { splits } = await readItems(await loadSpriteClips({ label: 'direction', ...options }, packages()));
    const covered = (splits['train'] ?? []).filter(({ id }) => /iron_buckler\/(?!head_)/u.test(id));
    expect(covered).toEqual([]);
    expect((splits['train'] ?? []).some(({ id }) => /iron_buckler\/head_/u.test(id))).toBe(true);
  });

  it('are drawn by their captions, whose slots stand beside them', async () => {
    const { splits } = await readItems(await loadSpriteCaptions({ ...options, gallery: 20 }, packages()));
    for (const { texts: [caption = ''] = [], extra } of Object.values(splits).flat()) {
      for (const column of ['subject', 'outfit', 'weapon', 'direction'])
        expect(caption).toContain(extra?.[column]);
    }
    const gallery = splits['unseen-gallery']?.map(({ texts }) => texts?.[0]) ?? [];
    expect(gallery).toHaveLength(20);
    expect(new Set(gallery).size).toBe(20);
    const clip = splits['train']?.[0]?.contents?.['clip'];
    if (clip?.kind !== 'frames') throw new Error('expected frames');
    expect(clip.frames).toBe(2);
    const image = await clip.frame(1);
    if (image.kind !== 'pixels') throw new Error('expected pixels');
    expect(image.pixels.filter((value, i) => i % 4 === 3 && value === 255)).toHaveLength(16);
  });

  it('are the same each time', async () => {
    const ids = async (): Promise<string[]> => {
      const { splits } = await readItems(await loadSpriteClips({ label: 'action', ...options }, packages()));
      return Object.values(splits)
        .flat()
        .map(({ id }) => id);
    };
    expect(await ids()).toEqual(await ids());
  });

  it('have families by name', () => {
    expect(
      ['hobgoblin_archer', 'ice_ant', 'antlion_small', 'cursed_grave', 'wyvern_air_boss'].map(familyOf),
    ).toEqual(['goblin', 'ant', 'antlion', 'cursed grave', 'wyvern']);
  });
});
