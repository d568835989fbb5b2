/** Enemies: whole units on a sheet each. Families are held out together, since their members are drawn alike. */
import { bucketOf } from '../../splits/split.ts';
import { directionNames } from './animation.ts';
import { unitClips, type ActionName } from './sprite-actions.ts';
import { canvasOf, composeFrame } from './sprite-canvas.ts';
import type { SpriteClip } from './sprite-clip.ts';
import type { SpriteFiles } from './sprite-files.ts';

/** Families that are held out. */
const heldOut: ReadonlySet<string> = new Set(['zombie', 'minotaur', 'ant']);
/** Things that do nothing. */
const leftOut: ReadonlySet<string> = new Set(['boulder', 'goblin_minecart']);

/** The family of a unit: hobgoblins are goblins, ants of fire and ice are ants. */
export const familyOf = (name: string): string => {
  if (/(?:^|_)ant$/u.test(name)) return 'ant';
  if (name.includes('goblin')) return 'goblin';
  if (name.startsWith('cursed_grave')) return 'cursed grave';
  return name.split('_')[0] ?? name;
};

const verbs: Readonly<Record<ActionName, string>> = {
  stand: 'stands',
  run: 'runs',
  swing: 'strikes',
  shoot: 'shoots',
  hit: 'is hit',
  die: 'dies',
};

const withArticle = (words: string): string => `${/^[aeiou]/u.test(words) ? 'an' : 'a'} ${words}`;

/** All clips of all enemies; ids say unit, action and direction. */
export const enemyClips = async (files: SpriteFiles): Promise<readonly SpriteClip[]> => {
  const out: SpriteClip[] = [];
  for (const { name, image, actions } of await files.animations('enemies')) {
    if (leftOut.has(name)) continue;
    const clips = unitClips(actions);
    const canvas = canvasOf(clips.flatMap(({ frames }) => frames));
    const family = familyOf(name);
    const subject = withArticle(name.replaceAll('_', ' ').replace(/^(\w+) (elite|adult|weak)$/u, '$2 $1'));
    const counts = new Map<string, number>();
    for (const { action, direction, frames } of clips) {
      const facing = directionNames[direction] ?? '';
      const id = `${name}/${action}/${facing}`;
      const count = counts.get(id) ?? 0;
      counts.set(id, count + 1);
      out.push({
        id: count === 0 ? id : `${id}~${count + 1}`,
        action,
        direction,
        frames: frames.length,
        caption: `${subject} ${verbs[action]}, facing ${facing}`,
        slots: { subject, outfit: '', weapon: '' },
        sheet: image,
        unit: family,
        isEnemy: true,
        side: heldOut.has(family) ? 'unseen' : 'train',
        async frame(index) {
          const frame = frames[index];
          const pixels = composeFrame(frame ? [{ sheet: await files.sheet(image), frame }] : [], canvas);
          return { kind: 'pixels', pixels, width: canvas.side, height: canvas.side, channels: 4 };
        },
      });
    }
  }
  return out;
};

/** Whether a share of keys is put aside for use during training. */
export const isAside = (key: string, percent: number): boolean => bucketOf(`validation/${key}`) < percent;
