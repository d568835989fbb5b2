/**
 * Animations of the game Flare as its data has them: `image=SHEET`, sections of actions, and in each the lines
 * `frame=INDEX,DIRECTION,X,Y,WIDTH,HEIGHT,OFFSETX,OFFSETY`: a rectangle of the sheet, and where in it the anchor is (the
 * place where the unit stands). Directions count clockwise from the west.
 */
import { FormatError } from '@polygate/core';

/** Directions on the screen, in the order of their numbers. */
export const directionNames = [
  'west',
  'north-west',
  'north',
  'north-east',
  'east',
  'south-east',
  'south',
  'south-west',
] as const;

/** A part of a sheet, in pixels, with the anchor counted from its corner. */
export interface SpriteFrame {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly anchorX: number;
  readonly anchorY: number;
}

/** One action of an animation: for each direction its frames in order; undefined where nothing of it is seen. */
export type ActionFrames = readonly (readonly (SpriteFrame | undefined)[])[];

export interface Animation {
  /** Path of the sheet below the mod. */
  readonly image: string;
  /** By name, in the order of the file. Those without listed frames are left out. */
  readonly actions: ReadonlyMap<string, ActionFrames>;
}

/** Most frames of an action, and pixels of a side. */
const MAX_FRAMES = 64;
const MAX_SIDE = 16_384;

const parseFrame = (
  value: string,
  name: string,
): { readonly index: number; readonly direction: number; readonly frame: SpriteFrame } => {
  const numbers = value.split(',').map(Number);
  const [index = -1, direction = -1, x = -1, y = -1, width = -1, height = -1, anchorX = 0, anchorY = 0] =
    numbers;
  const sides = [x, y, width, height];
  if (
    numbers.length !== 8 ||
    numbers.some((number) => !Number.isInteger(number)) ||
    index < 0 ||
    index >= MAX_FRAMES ||
    direction < 0 ||
    direction >= directionNames.length ||
    sides.some((side) => side < 0 || side > MAX_SIDE)
  ) {
    throw new FormatError(
      `${name}: expected frame=index,direction,x,y,width,height,offset x,offset y, got "${value.slice(0, 80)}"`,
      { code: 'sprite-frame' },
    );
  }
  return { index, direction, frame: { x, y, width, height, anchorX, anchorY } };
};

/** Reads an animation's text. @throws FormatError for a frame that is none, or no sheet */
export const parseAnimation = (text: string, name: string): Animation => {
  let image: string | undefined;
  let frames: SpriteFrame[][] | undefined;
  const actions = new Map<string, SpriteFrame[][]>();
  for (const line of text.split(/\r?\n/u)) {
    const section = /^\[(\w+)\]\s*$/u.exec(line)?.[1];
    const [, key, value = ''] = /^(\w+)=(.*)$/u.exec(line) ?? [];
    if (section !== undefined) {
      frames = directionNames.map(() => []);
      actions.set(section, frames);
    } else if (key === 'image') image ??= value.trim();
    else if (key === 'frame' && frames) {
      const { index, direction, frame } = parseFrame(value, name);
      const list = frames[direction];
      if (list) list[index] = frame;
    }
  }
  if (image === undefined) {
    throw new FormatError(`${name}: expected a line image=, got none`, { code: 'sprite-sheet' });
  }
  const listed = [...actions]
    .map(([action, all]) => [action, all.map((list) => Array.from(list))] as const)
    .filter(([, all]) => all.some((list) => list.length > 0));
  return { image, actions: new Map(listed) };
};
