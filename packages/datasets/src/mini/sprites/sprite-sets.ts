/** Clips of sprites as parts of the mini suite: what a unit does, where it faces, and what is said of it. */
import { CLIP } from '../../kinds/clip-rows.ts';
import type { Sample } from '../../samples/sample.ts';
import type { PackageOptions } from '../fetch/package-files.ts';
import type { MiniSet } from '../mini-set.ts';
import { directionNames } from './animation.ts';
import { avatarClips } from './avatars.ts';
import { enemyClips } from './enemies.ts';
import { actionNames } from './sprite-actions.ts';
import type { SpriteClip } from './sprite-clip.ts';
import { openSpriteFiles } from './sprite-files.ts';

/** Splits of sprites. */
export type SpriteSide = 'train' | 'validation' | 'unseen-units' | 'unseen-outfits' | 'unseen-gallery';

export interface SpriteOptions {
  /** Clips of avatars in training, in validation, and of held-out pairs. */
  readonly avatars?: number;
  readonly validation?: number;
  readonly unseen?: number;
  /** Clips of held-out pairs whose captions all differ, beside those of `unseen`. @default 0 */
  readonly gallery?: number;
  readonly seed?: number;
}

interface SidedClip {
  readonly clip: SpriteClip;
  readonly side: SpriteSide;
}

/** All clips with their splits; the gallery takes what has a caption of its own. */
const sidedClips = async (
  options: SpriteOptions,
  packages: PackageOptions,
): Promise<readonly SidedClip[]> => {
  const { avatars = 5000, validation = 200, unseen = 500, gallery = 0, seed = 1 } = options;
  const files = await openSpriteFiles(packages);
  // Every second one has a caption that another one has.
  const counts = { train: avatars, validation, unseen: unseen + 2 * gallery };
  const all = [...(await enemyClips(files)), ...(await avatarClips(files, { counts, seed }))];
  const captions = new Set<string>();
  let rest = unseen;
  return all.flatMap((clip): SidedClip[] => {
    if (clip.side !== 'unseen') return [{ clip, side: clip.side }];
    if (clip.isEnemy) return [{ clip, side: 'unseen-units' }];
    if (captions.size < gallery && !captions.has(clip.caption)) {
      captions.add(clip.caption);
      return [{ clip, side: 'unseen-gallery' }];
    }
    rest -= 1;
    return rest < 0 ? [] : [{ clip, side: 'unseen-outfits' }];
  });
};

const spriteSet = (
  name: string,
  clips: readonly SidedClip[],
  tell: (clip: SpriteClip) => Partial<Sample>,
  classes?: readonly string[],
): MiniSet<SpriteSide> => ({
  reader: {
    name,
    ...(classes ? { classes } : {}),
    async *read(): AsyncGenerator<Sample> {
      for (const { clip, side } of clips) {
        const { id, frames, frame, sheet, unit, slots, action, direction } = clip;
        yield {
          kind: 'sample',
          id,
          contents: { [CLIP]: { kind: 'frames', frames, key: `sprites/${id}`, frame } },
          ...tell(clip),
          split: side,
          extra: { sheet, unit, ...slots, action, direction: directionNames[direction] ?? '' },
        };
      }
    },
  },
  splitOf: ({ split }) => split as SpriteSide,
});

/** Columns of all sprites, by which leakage is checked and slots of captions are scored. */
export const spriteColumns = ['sheet', 'unit', 'subject', 'outfit', 'weapon', 'action', 'direction'] as const;

/** Clips labelled by what the unit does, or by where it faces. */
export const loadSpriteClips = async (
  { label, ...options }: SpriteOptions & { readonly label: 'action' | 'direction' },
  packages: PackageOptions = {},
): Promise<MiniSet<SpriteSide>> =>
  spriteSet(
    `sprite-${label}`,
    await sidedClips(options, packages),
    ({ action, direction }) => ({ label: label === 'action' ? actionNames.indexOf(action) : direction }),
    label === 'action' ? actionNames : directionNames.map((name) => name.replace('-', ' ')),
  );

/** Clips with what is said of them. */
export const loadSpriteCaptions = async (
  options: SpriteOptions = {},
  packages: PackageOptions = {},
): Promise<MiniSet<SpriteSide>> =>
  spriteSet('sprite-captions', await sidedClips(options, packages), ({ caption }) => ({ texts: [caption] }));
