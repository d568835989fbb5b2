/** The promises of the palette, computed: contrast by WCAG 2, colour blindness by Machado, Oliveira and Fernandes (2009). */
import { describe, expect, it } from 'vitest';
import { dark, dashes, figureStyles, light, type Theme } from './theme.ts';

type Colour = readonly [number, number, number];

const linearOf = (hex: string): Colour => {
  const channel = (at: number): number => {
    const c = parseInt(hex.slice(at, at + 2), 16) / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  };
  return [channel(1), channel(3), channel(5)];
};

const luminance = ([r, g, b]: Colour): number => 0.2126 * r + 0.7152 * g + 0.0722 * b;

const contrast = (a: Colour, b: Colour): number => {
  const [low = 0, high = 0] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (high + 0.05) / (low + 0.05);
};

/** `share` of `over` laid on `under`, channel by channel as browsers do. */
const blend = (over: string, under: string, share: number): string =>
  `#${[1, 3, 5]
    .map(
      (at) =>
        share * parseInt(over.slice(at, at + 2), 16) + (1 - share) * parseInt(under.slice(at, at + 2), 16),
    )
    .map((channel) => Math.round(channel).toString(16).padStart(2, '0'))
    .join('')}`;

const visions: Readonly<Record<string, readonly number[]>> = {
  trichromacy: [1, 0, 0, 0, 1, 0, 0, 0, 1],
  protanopia: [0.152286, 1.052583, -0.204868, 0.114503, 0.786281, 0.099216, -0.003882, -0.048116, 1.051998],
  deuteranopia: [0.367322, 0.860646, -0.227968, 0.280085, 0.672501, 0.047413, -0.01182, 0.04294, 0.968881],
  tritanopia: [1.255528, -0.076749, -0.178779, -0.078411, 0.930809, 0.147602, 0.004733, 0.691367, 0.3039],
};

const seenBy = (matrix: readonly number[], [r, g, b]: Colour): Colour =>
  [0, 1, 2].map((row) =>
    Math.min(
      1,
      Math.max(
        0,
        (matrix[3 * row] ?? 0) * r + (matrix[3 * row + 1] ?? 0) * g + (matrix[3 * row + 2] ?? 0) * b,
      ),
    ),
  ) as unknown as Colour;

/** Oklab (Ottosson, 2020): distances there are near those that people see. */
const oklab = ([r, g, b]: Colour): Colour => {
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
  ];
};

const distance = (a: Colour, b: Colour): number => Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);

describe.each<[string, Theme]>([
  ['light', light],
  ['dark', dark],
])('the %s theme', (_, theme) => {
  const surface = linearOf(theme.surface);

  it('draws lines with a contrast of 3 : 1, words with 4.5 : 1', () => {
    for (const colour of [...theme.series, theme.heat, theme.positive, theme.negative]) {
      expect(contrast(linearOf(colour), surface), colour).toBeGreaterThan(3);
    }
    for (const colour of [theme.ink, theme.quiet]) {
      expect(contrast(linearOf(colour), surface), colour).toBeGreaterThan(4.5);
    }
  });

  it('keeps ink readable on the strongest cells of a matrix', () => {
    for (const colour of [theme.positive, theme.negative]) {
      expect(
        contrast(linearOf(theme.ink), linearOf(blend(colour, theme.surface, 0.55))),
        colour,
      ).toBeGreaterThan(4.5);
    }
  });

  it.each(Object.entries(visions))('keeps its series apart under %s', (__, matrix) => {
    const seen = theme.series.map((colour) => oklab(seenBy(matrix, linearOf(colour))));
    for (const [at, a] of seen.entries()) {
      for (const [other, b] of seen.slice(0, at).entries()) {
        expect(distance(a, b), `${theme.series[at] ?? ''} and ${theme.series[other] ?? ''}`).toBeGreaterThan(
          0.08,
        );
      }
    }
    const signs = [theme.positive, theme.negative].map((colour) => oklab(seenBy(matrix, linearOf(colour))));
    expect(distance(signs[0] as Colour, signs[1] as Colour)).toBeGreaterThan(0.15);
  });

  it('has a dash for each series', () => {
    expect(theme.series.length).toBe(dashes.length);
    expect(new Set(dashes).size).toBe(dashes.length);
  });
});

describe('figureStyles', () => {
  it('has a dark part only where media queries are known', () => {
    expect(figureStyles('light')).not.toContain('@media');
    expect(figureStyles()).toContain(
      `@media (prefers-color-scheme:dark){.pg-figure .pg-surface{fill:${dark.surface}}`,
    );
  });
});
