/**
 * Clips of handwritten digits that move across the frame in one of eight directions, turn and grow a little: real
 * digits, made-up motion, so that there are as many as are asked for. A clip's digit keeps the side that it has as a still.
 * Frames are drawn when they are asked for; what is drawn depends on seed and number of the clip alone.
 */
import { ConfigError, createRandom, type Random } from '@polygate/core';
import { CLIP } from '../kinds/clip-rows.ts';
import type { ImageContent, Reader, ReaderItem } from '../samples/sample.ts';
import type { MiniSet } from './mini-set.ts';
import { digitNames, type DigitSide, type HandwrittenDigit } from './digits.ts';

/** Side of a frame as it is drawn, pixels. */
const CANVAS = 56;
/** Side of a digit's own image. */
const SIDE = 28;
/** Steps to the right and down of each direction. */
const motions = [
  { name: 'left', right: -1, down: 0 },
  { name: 'up left', right: -1, down: -1 },
  { name: 'up', right: 0, down: -1 },
  { name: 'up right', right: 1, down: -1 },
  { name: 'right', right: 1, down: 0 },
  { name: 'down right', right: 1, down: 1 },
  { name: 'down', right: 0, down: 1 },
  { name: 'down left', right: -1, down: 1 },
] as const;

/** Names of the directions, in label order. */
export const motionNames: readonly string[] = motions.map(({ name }) => name);

export interface MovingDigitsOptions {
  /** What is to be told of a clip. @default 'digit' */
  readonly label?: 'digit' | 'motion';
  /** Clips by split. @default 10000, 500 and 1000 */
  readonly train?: number;
  readonly validation?: number;
  readonly test?: number;
  /** Frames of a clip. @default 8 */
  readonly frames?: number;
  /** @default 1 */
  readonly seed?: number;
}

/** How one digit moves: all in pixels of the canvas, angles in radians, by frame where it says so. */
export interface DigitMotion {
  readonly x: number;
  readonly y: number;
  readonly dx: number;
  readonly dy: number;
  readonly angle: number;
  readonly turn: number;
  readonly scale: number;
}

/** A frame with the digit at its place, by bilinear interpolation: [CANVAS, CANVAS] bytes. */
export const digitFrame = (digit: Uint8Array, motion: DigitMotion, frame: number): Uint8Array => {
  const out = new Uint8Array(CANVAS * CANVAS);
  const angle = motion.angle + frame * motion.turn;
  const [cos, sin] = [Math.cos(angle) / motion.scale, Math.sin(angle) / motion.scale];
  const [centreX, centreY] = [motion.x + frame * motion.dx, motion.y + frame * motion.dy];
  const at = (x: number, y: number): number =>
    x < 0 || y < 0 || x >= SIDE || y >= SIDE ? 0 : (digit[y * SIDE + x] ?? 0);
  for (let y = 0; y < CANVAS; y += 1) {
    for (let x = 0; x < CANVAS; x += 1) {
      const [right, down] = [x - centreX, y - centreY];
      const u = cos * right + sin * down + (SIDE - 1) / 2;
      const v = cos * down - sin * right + (SIDE - 1) / 2;
      const [left, top] = [Math.floor(u), Math.floor(v)];
      const [a, b] = [u - left, v - top];
      const upper = at(left, top) * (1 - a) + at(left + 1, top) * a;
      const lower = at(left, top + 1) * (1 - a) + at(left + 1, top + 1) * a;
      out[y * CANVAS + x] = Math.round(upper * (1 - b) + lower * b);
    }
  }
  return out;
};

/** A motion along a direction whose way lies inside the canvas, with its middle near the canvas's. */
const drawMotion = (direction: number, frames: number, random: Random): DigitMotion => {
  const { right = 0, down = 0 } = motions[direction] ?? {};
  const scale = 0.7 + 0.4 * random.next();
  const room = CANVAS - SIDE * scale;
  const steps = Math.max(1, frames - 1);
  // Between a third of the room and all of it, whatever the number of frames.
  const way = room * (0.35 + 0.55 * random.next());
  const start = (towards: number): number => {
    const slack = room - Math.abs(towards) * way;
    return CANVAS / 2 - (towards * way) / 2 + (random.next() - 0.5) * slack;
  };
  return {
    x: start(right),
    y: start(down),
    dx: (right * way) / steps,
    dy: (down * way) / steps,
    angle: (random.next() - 0.5) * 0.6,
    turn: ((random.next() - 0.5) * 0.8) / steps,
    scale,
  };
};

/**
 * Clips made of digits.
 * @throws ConfigError where a side has no digit
 */
export const createMovingDigits = (
  digits: readonly HandwrittenDigit[],
  options: MovingDigitsOptions = {},
): MiniSet<DigitSide> => {
  const { label = 'digit', frames = 8, seed = 1 } = options;
  const counts = {
    train: options.train ?? 10_000,
    validation: options.validation ?? 500,
    test: options.test ?? 1000,
  };
  const sides = Object.entries(counts) as [DigitSide, number][];
  const bySide = new Map(sides.map(([side]) => [side, digits.filter((digit) => digit.side === side)]));
  const empty = sides.find(([side, count]) => count > 0 && (bySide.get(side)?.length ?? 0) === 0);
  if (empty)
    throw new ConfigError(`moving digits: expected digits of the side ${empty[0]}, got none; set it to 0`);
  const reader: Reader = {
    name: 'moving-digits',
    classes: label === 'digit' ? digitNames : motionNames,
    async *read(): AsyncGenerator<ReaderItem> {
      for (const [side, count] of sides) {
        const pool = bySide.get(side) ?? [];
        for (let number = 0; number < count; number += 1) {
          const random = createRandom(seed).fork(side).fork(number);
          const digit = pool[random.integer(pool.length)] as HandwrittenDigit;
          // Each direction equally often.
          const direction = number % motions.length;
          const motion = drawMotion(direction, frames, random);
          const frame = (index: number): ImageContent => ({
            kind: 'pixels',
            pixels: digitFrame(digit.pixels, motion, index),
            height: CANVAS,
            width: CANVAS,
            channels: 1,
          });
          const id = `${side}/${String(number).padStart(6, '0')}`;
          yield {
            kind: 'sample',
            id,
            contents: { [CLIP]: { kind: 'frames', frames, key: `moving-digits/${seed}/${id}`, frame } },
            label: label === 'digit' ? digit.label : direction,
            split: side,
            extra: { digit: digit.id, motion: motionNames[direction] ?? '' },
          };
        }
      }
    },
  };
  return { reader, splitOf: ({ split }) => split as DigitSide };
};
