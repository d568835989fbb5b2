/** Images that are drawn here: shapes by their signed distances, and tiles with a motif. Seeded, the same on every machine. */
import type { Random } from '@polygate/core';

/** Side of all images in pixels. */
export const SIDE = 48;
export const CHANNELS = 3;

type Colour = readonly [number, number, number];

/** Distance to the edge of a shape of unit size around the origin, negative inside. */
type Distance = (x: number, y: number) => number;

const box =
  (width: number, height: number): Distance =>
  (x, y) =>
    Math.max(Math.abs(x) - width, Math.abs(y) - height);
const disc = (x: number, y: number): number => Math.hypot(x, y) - 1;
const hollow =
  (outer: Distance, wall: number): Distance =>
  (x, y) =>
    Math.abs(outer(x, y) + wall) - wall;
const polygon =
  (corners: number, depth = 1): Distance =>
  (x, y) => {
    const turn = (2 * Math.PI) / corners;
    const angle = Math.abs((((Math.atan2(x, -y) % turn) + turn + turn / 2) % turn) - turn / 2);
    const radius = Math.hypot(x, y);
    // From a corner (radius 1) to the middle of a side, or to the inner corner of a star.
    const inner = Math.cos(turn / 2) * depth;
    const t = angle / (turn / 2);
    return radius - ((1 - t) * 1 + t * inner);
  };

/** By the name of their class. */
export const shapes: Readonly<Record<string, Distance>> = Object.freeze({
  disc,
  ring: hollow(disc, 0.18),
  square: box(0.85, 0.85),
  frame: hollow(box(0.9, 0.9), 0.16),
  bar: box(1, 0.32),
  triangle: polygon(3, 0.9),
  star: polygon(5, 0.5),
  burst: polygon(9, 0.7),
  cross: (x, y) => Math.min(box(1, 0.3)(x, y), box(0.3, 1)(x, y)),
  corner: (x, y) => Math.min(box(0.9, 0.28)(x, y - 0.62), box(0.28, 0.9)(x + 0.62, y)),
  'half disc': (x, y) => Math.max(disc(x, y), -y),
  dots: (x, y) => Math.hypot(Math.abs(x) - 0.62, Math.abs(y) - 0.62) - 0.34,
});

const colour = (random: Random): Colour => [random.integer(256), random.integer(256), random.integer(256)];
const light = ([r, g, b]: Colour): number => 0.3 * r + 0.59 * g + 0.11 * b;

/** Two colours that differ in lightness, so that a motif can be seen. */
const colours = (random: Random): readonly [Colour, Colour] => {
  for (;;) {
    const [one, other] = [colour(random), colour(random)];
    if (Math.abs(light(one) - light(other)) > 70) return [one, other];
  }
};

const range = (random: Random, least: number, most: number): number => least + (most - least) * random.next();

/** An image of two colours by how much of a pixel the motif covers, with noise. */
const painted = (cover: (x: number, y: number) => number, noise: number, random: Random): Uint8Array => {
  const [ground, ink] = colours(random);
  const pixels = new Uint8Array(SIDE * SIDE * CHANNELS);
  for (let y = 0; y < SIDE; y += 1) {
    for (let x = 0; x < SIDE; x += 1) {
      const share = Math.min(Math.max(cover(x + 0.5, y + 0.5), 0), 1);
      for (let c = 0; c < CHANNELS; c += 1) {
        const value = (1 - share) * (ground[c] ?? 0) + share * (ink[c] ?? 0) + noise * 255 * random.normal();
        pixels[(y * SIDE + x) * CHANNELS + c] = Math.round(Math.min(Math.max(value, 0), 255));
      }
    }
  }
  return pixels;
};

/** A shape somewhere, at some size, turned by up to 25 degrees. */
export const drawShape = (name: string, random: Random): Uint8Array => {
  const distance = shapes[name];
  if (!distance) throw new RangeError(`internal: no shape is called ${name}`);
  const radius = range(random, 9, 18);
  const angle = (range(random, -25, 25) * Math.PI) / 180;
  const [left, top] = [range(random, 18, 30), range(random, 18, 30)];
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  return painted(
    (x, y) => {
      const [dx, dy] = [(x - left) / radius, (y - top) / radius];
      return 0.5 - distance(cos * dx + sin * dy, cos * dy - sin * dx) * radius;
    },
    0.05,
    random,
  );
};

/** A tile that shows a motif (dark on white), recoloured and moved by up to 3 pixels. */
export const drawTile = (motif: Uint8Array, random: Random): Uint8Array => {
  const [right, down] = [random.integer(7) - 3, random.integer(7) - 3];
  return painted(
    (x, y) => {
      const [column, row] = [Math.floor(x) - right, Math.floor(y) - down];
      if (column < 0 || row < 0 || column >= SIDE || row >= SIDE) return 0;
      return 1 - (motif[(row * SIDE + column) * CHANNELS] ?? 255) / 255;
    },
    0.05,
    random,
  );
};
