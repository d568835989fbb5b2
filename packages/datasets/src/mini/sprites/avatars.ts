/**
 * Avatars: a man or a woman in layers of clothing with a weapon and perhaps a shield, put together from the game's sheets in
 * the game's order. There are some ten thousand that differ; as many as are asked for are drawn, each once.
 *
 * Some pairs of weapon and outfit, and one pair of headgear and shield, are held out: never seen together in training.
 */
import { createRandom, type Random } from '@polygate/core';
import { bucketOf } from '../../splits/split.ts';
import { directionNames } from './animation.ts';
import { isAside } from './enemies.ts';
import { actionNames, type ActionName } from './sprite-actions.ts';
import { composeFrame, type SpriteCanvas, type SpriteLayer } from './sprite-canvas.ts';
import type { SpriteClip } from './sprite-clip.ts';
import type { NamedAnimation, SpriteFiles } from './sprite-files.ts';

/** Nearly all of every layer is on it; the feet stand on the anchor. */
const CANVAS: SpriteCanvas = { side: 96, anchorX: 46, anchorY: 78 };
const HELD_OUT_PERCENT = 15;
const ASIDE_PERCENT = 4;

interface Outfit {
  /** As captions say it. */
  readonly name: string;
  readonly layers: Readonly<Record<'chest' | 'legs' | 'hands' | 'feet', string>>;
  /** Headgear that goes with it. */
  readonly head?: string;
}

const outfits: readonly Outfit[] = [
  {
    name: 'plain clothes',
    layers: { chest: 'default_chest', legs: 'default_legs', hands: 'default_hands', feet: 'default_feet' },
  },
  {
    name: 'a cloth shirt',
    layers: { chest: 'cloth_shirt', legs: 'cloth_pants', hands: 'cloth_gloves', feet: 'cloth_sandals' },
  },
  {
    name: 'leather armor',
    layers: { chest: 'leather_chest', legs: 'leather_pants', hands: 'leather_gloves', feet: 'leather_boots' },
    head: 'leather_hood',
  },
  {
    name: 'chain armor',
    layers: { chest: 'chain_cuirass', legs: 'chain_greaves', hands: 'chain_gloves', feet: 'chain_boots' },
    head: 'chain_coif',
  },
  {
    name: 'plate armor',
    layers: { chest: 'plate_cuirass', legs: 'plate_greaves', hands: 'plate_gauntlets', feet: 'plate_boots' },
    head: 'plate_helm',
  },
  ...[
    ['a mage robe', ''],
    ['a bright mage robe', '_alt1'],
    ['a dark mage robe', '_alt2'],
  ].map(([name = '', ending = '']) => ({
    name,
    layers: {
      chest: `mage_vest${ending}`,
      legs: `mage_skirt${ending}`,
      hands: `mage_sleeves${ending}`,
      feet: `mage_boots${ending}`,
    },
    head: `mage_hood${ending}`,
  })),
];

type Hold = 'melee' | 'heavy' | 'ranged' | 'magic';
/** Weapons with how they are held; the last word of a caption's phrase. */
const weapons: readonly (readonly [name: string, hold: Hold])[] = [
  ['battle_axe', 'heavy'],
  ['club', 'melee'],
  ['dagger', 'melee'],
  ['greatbow', 'ranged'],
  ['greatstaff', 'magic'],
  ['greatsword', 'heavy'],
  ['hand_axe', 'melee'],
  ['infantry_axe', 'melee'],
  ['longbow', 'ranged'],
  ['longsword', 'melee'],
  ['mace', 'melee'],
  ['maul', 'heavy'],
  ['reinforced_club', 'melee'],
  ['rod', 'magic'],
  ['shortbow', 'ranged'],
  ['shortsword', 'melee'],
  ['slingshot', 'ranged'],
  ['smith_hammer', 'melee'],
  ['staff', 'magic'],
  ['wand', 'magic'],
  ['war_hammer', 'heavy'],
  ['zweihander', 'heavy'],
];
const shields = ['buckler', 'iron_buckler', 'shield'];
/** Held out: this shield with covered heads. */
const HELD_OUT_SHIELD = 'iron_buckler';
const genders = [
  { name: 'a man', folder: 'male', heads: ['head_bald', 'head_short'] },
  { name: 'a woman', folder: 'female', heads: ['head_long'] },
];

const words = (name: string): string => name.replaceAll('_', ' ');

/** What one avatar is and does. */
interface Avatar {
  readonly gender: (typeof genders)[number];
  readonly outfit: Outfit;
  readonly weapon: string;
  readonly hold: Hold;
  readonly shield?: string;
  readonly head: string;
  readonly covered: boolean;
  readonly action: ActionName;
  /** Name of the action in the data. */
  readonly source: string;
  readonly direction: number;
}

const phrases: Readonly<Record<ActionName, (weapon: string, hold: Hold) => string>> = {
  stand: (weapon) => `stands with a ${weapon}`,
  run: (weapon) => `runs with a ${weapon}`,
  swing: (weapon) => `swings a ${weapon}`,
  shoot: (weapon, hold) => (hold === 'ranged' ? `shoots a ${weapon}` : `casts a spell with a ${weapon}`),
  hit: (weapon) => `is hit holding a ${weapon}`,
  die: (weapon) => `dies with a ${weapon}`,
};

const sourcesOf = (action: ActionName, hold: Hold): readonly string[] => {
  if (action === 'shoot') return hold === 'ranged' ? ['shoot'] : hold === 'magic' ? ['cast'] : [];
  if (action === 'swing') return hold === 'ranged' ? [] : ['swing'];
  if (action === 'hit') return ['hit', 'block'];
  return [action === 'stand' ? 'stance' : action];
};

const pick = <T>(list: readonly T[], random: Random): T => list[random.integer(list.length)] as T;

const drawAvatar = (random: Random): Avatar | undefined => {
  const action = pick(actionNames, random);
  const [weapon, hold] = pick(weapons, random);
  const sources = sourcesOf(action, hold);
  if (sources.length === 0) return undefined;
  const gender = pick(genders, random);
  const outfit = pick(outfits, random);
  const covered = outfit.head !== undefined && random.next() < 0.4;
  const shield = hold === 'melee' && random.next() < 0.5 ? pick(shields, random) : undefined;
  return {
    gender,
    outfit,
    weapon,
    hold,
    ...(shield === undefined ? {} : { shield }),
    head: covered && outfit.head !== undefined ? outfit.head : pick(gender.heads, random),
    covered,
    action,
    source: pick(sources, random),
    direction: random.integer(directionNames.length),
  };
};

const captionOf = ({ gender, outfit, weapon, hold, shield, action, direction }: Avatar): string => {
  const carried =
    shield === undefined ? '' : ` with ${/^[aeiou]/u.test(shield) ? 'an' : 'a'} ${words(shield)}`;
  const does = phrases[action](words(weapon), hold).replace(/ a (?=[aeiou])/u, ' an ');
  return `${gender.name} in ${outfit.name}${carried} ${does}, facing ${directionNames[direction] ?? ''}`;
};

const sideOf = ({
  weapon,
  outfit,
  covered,
  shield,
}: Avatar): { readonly side: SpriteClip['side']; readonly unit: string } => {
  const pair = `${words(weapon)} and ${outfit.name}`;
  if (bucketOf(`pair/${pair}`) < HELD_OUT_PERCENT) return { side: 'unseen', unit: pair };
  if (covered && shield === HELD_OUT_SHIELD)
    return { side: 'unseen', unit: `covered head and ${words(shield)}` };
  return { side: isAside(pair, ASIDE_PERCENT) ? 'validation' : 'train', unit: pair };
};

/** Makes the layers of an avatar's frames. */
const createComposer = (
  animations: ReadonlyMap<string, NamedAnimation>,
  order: readonly (readonly string[])[],
  files: SpriteFiles,
) => {
  const layersOf = ({
    gender,
    outfit,
    weapon,
    shield,
    head,
    direction,
  }: Avatar): readonly NamedAnimation[] => {
    const names: Readonly<Record<string, string | undefined>> = {
      ...outfit.layers,
      head,
      main: weapon,
      off: shield,
    };
    return (order[direction] ?? []).flatMap((layer) => {
      const animation = animations.get(`${gender.folder}/${names[layer] ?? ''}`);
      return animation ? [animation] : [];
    });
  };
  const frameOf = (animation: NamedAnimation, { source, direction }: Avatar, index: number) =>
    animation.actions.get(source)?.[direction]?.[index];
  return {
    frames: (avatar: Avatar): number =>
      Math.max(
        0,
        ...layersOf(avatar).map(({ actions }) => actions.get(avatar.source)?.[avatar.direction]?.length ?? 0),
      ),
    async compose(avatar: Avatar, index: number): Promise<Uint8Array> {
      const layers: SpriteLayer[] = [];
      for (const animation of layersOf(avatar)) {
        const frame = frameOf(animation, avatar, index);
        if (frame) layers.push({ sheet: await files.sheet(animation.image), frame });
      }
      return composeFrame(layers, CANVAS);
    },
  };
};

/** Wanted clips of each side. */
export interface AvatarCounts {
  readonly train: number;
  readonly validation: number;
  readonly unseen: number;
}

/** Draws for each wanted clip: sides are filled by what falls on them, and most fall on training. */
const MOST_DRAWS = 40;

/** Different avatars, so many of each side; fewer where there are none left. */
export const avatarClips = async (
  files: SpriteFiles,
  { counts, seed = 1 }: { readonly counts: AvatarCounts; readonly seed?: number },
): Promise<readonly SpriteClip[]> => {
  const animations = new Map((await files.animations('avatar')).map((each) => [each.name, each]));
  const composer = createComposer(animations, await files.layerOrder(), files);
  const left = { ...counts };
  const seen = new Set<string>();
  const out: SpriteClip[] = [];
  const random = createRandom(seed).fork('avatars');
  const draws = MOST_DRAWS * (counts.train + counts.validation + counts.unseen);
  for (let n = 0; n < draws && left.train + left.validation + left.unseen > 0; n += 1) {
    const avatar = drawAvatar(random.fork(n));
    if (!avatar) continue;
    const { side, unit } = sideOf(avatar);
    const { gender, outfit, weapon, shield = 'no shield', head, source, action, direction } = avatar;
    const id = ['avatar', gender.folder, outfit.name, weapon, shield, head, source, directionNames[direction]]
      .join('/')
      .replaceAll(' ', '-');
    const frames = composer.frames(avatar);
    if (left[side] === 0 || seen.has(id) || frames === 0) continue;
    seen.add(id);
    left[side] -= 1;
    out.push({
      id,
      action,
      direction,
      frames,
      caption: captionOf(avatar),
      slots: { subject: gender.name, outfit: outfit.name, weapon: words(weapon) },
      sheet: '',
      unit,
      isEnemy: false,
      side,
      async frame(index) {
        const pixels = await composer.compose(avatar, index);
        return { kind: 'pixels', pixels, width: CANVAS.side, height: CANVAS.side, channels: 4 };
      },
    });
  }
  return out;
};
