import type { ImageContent } from '../../samples/sample.ts';
import type { ActionName } from './sprite-actions.ts';

/** One clip of a unit or of a composed avatar. */
export interface SpriteClip {
  readonly id: string;
  readonly action: ActionName;
  /** Index into the names of directions. */
  readonly direction: number;
  readonly frames: number;
  readonly caption: string;
  /** What the caption says beside action and direction; empty where it does not. */
  readonly slots: { readonly subject: string; readonly outfit: string; readonly weapon: string };
  /** Sheet of an enemy; empty for avatars, whose layers are in many clips. */
  readonly sheet: string;
  /** What is held out: the family of an enemy, the pair of weapon and outfit of an avatar. */
  readonly unit: string;
  readonly isEnemy: boolean;
  readonly side: 'train' | 'validation' | 'unseen';
  frame(index: number): Promise<ImageContent>;
}
