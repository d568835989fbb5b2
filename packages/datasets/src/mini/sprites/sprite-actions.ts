/**
 * What units do in clips. Some actions of Flare share their frames (a block is drawn as a hit, a cast as a shot), so that
 * they are one action here; the critical death repeats the other one.
 */
import type { ActionFrames, SpriteFrame } from './animation.ts';

/** Class names of actions, in label order. */
export const actionNames = ['stand', 'run', 'swing', 'shoot', 'hit', 'die'] as const;
export type ActionName = (typeof actionNames)[number];

/** Names of the data by action, the usual one first. */
const actionSources: Readonly<Record<ActionName, readonly string[]>> = {
  stand: ['stance'],
  run: ['run'],
  swing: ['swing'],
  shoot: ['shoot', 'cast'],
  hit: ['hit', 'block'],
  die: ['die'],
};

/** Frames of one action and direction. */
export interface UnitClip {
  readonly action: ActionName;
  readonly direction: number;
  readonly frames: readonly SpriteFrame[];
}

const placesOf = (frames: readonly SpriteFrame[]): ReadonlySet<string> =>
  new Set(frames.map(({ x, y }) => `${x},${y}`));

const isWithin = (a: ReadonlySet<string>, b: ReadonlySet<string>): boolean =>
  [...a].every((square) => b.has(square));

/**
 * The clips of a unit. Of actions that are one each with frames of its own counts. Where two actions have the same frames a
 * clip could be either, and neither is used; nor is one that shows only frames of standing. A hit may well be how dying
 * begins: there the clip's length tells.
 */
export const unitClips = (actions: ReadonlyMap<string, ActionFrames>): readonly UnitClip[] => {
  const clips: (UnitClip & { readonly places: ReadonlySet<string> })[] = [];
  for (const action of actionNames) {
    for (const source of actionSources[action]) {
      for (const [direction, list] of (actions.get(source) ?? []).entries()) {
        const frames = list.filter((frame) => frame !== undefined);
        if (frames.length === 0) continue;
        const places = placesOf(frames);
        const again = clips.some(
          (clip) => clip.action === action && clip.direction === direction && isWithin(places, clip.places),
        );
        if (!again) clips.push({ action, direction, frames, places });
      }
    }
  }
  return clips.filter(
    ({ action, direction, places }) =>
      !clips.some(
        (other) =>
          other.action !== action &&
          other.direction === direction &&
          isWithin(places, other.places) &&
          (other.action === 'stand' || isWithin(other.places, places)),
      ),
  );
};
