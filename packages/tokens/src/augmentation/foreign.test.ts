/** Parity with torchvision, timm and Pillow where the draw is given; make_augmentations.py made the fixture. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { cutBox, cutMixed, mixedUp } from './mix.ts';
import { operations } from './rand-augment-operations.ts';
import { resizedCrop } from './resize.ts';
import { withBrightness, withContrast, withHue, withSaturation } from './tones.ts';

interface Parameters {
  readonly box: readonly [number, number, number, number];
  readonly to: readonly [number, number];
  readonly factor: number;
  readonly magnitude: number;
  readonly sign: number;
  readonly share: number;
  readonly left: number;
  readonly centre: readonly [number, number];
}
interface Fixture {
  readonly width: number;
  readonly height: number;
  readonly image: string;
  readonly other: string;
  readonly cases: readonly {
    readonly operation: string;
    readonly parameters: Parameters;
    readonly pixels: string;
  }[];
}

const fixture = JSON.parse(
  readFileSync(new URL('../../test/fixtures/augmentations.json', import.meta.url), 'utf8'),
) as Fixture;
const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'base64'));
const shape = { height: fixture.height, width: fixture.width, channels: 3 };
const image = bytes(fixture.image);
const pair = Uint8Array.of(...image, ...bytes(fixture.other));
const rows = { size: 2, partners: Int32Array.of(1, 0), shape };
const fill = [124, 116, 104];

const computed = (operation: string, given: Parameters): Uint8Array => {
  const {
    box: [top, left, height, width] = [0, 0, 0, 0],
    to = [0, 0],
    factor,
    magnitude,
    sign,
    share,
  } = given;
  const named = operations[operation.replace('rand-augment ', '')];
  if (operation.startsWith('rand-augment ') && named) return named(image, { shape, magnitude, sign, fill });
  switch (operation) {
    case 'resized-crop':
      return resizedCrop(image, shape, {
        box: { top, left, height, width },
        to: { height: to[0], width: to[1] },
      });
    case 'brightness':
      return withBrightness(image, factor);
    case 'contrast':
      return withContrast(image, factor);
    case 'saturation':
      return withSaturation(image, factor);
    case 'hue':
      return withHue(image, factor);
    case 'mixup':
      return mixedUp(pair, rows, share);
    case 'cutmix': {
      const box = cutBox(shape, share, { y: given.centre[0], x: given.centre[1] });
      expect(1 - (box.height * box.width) / (shape.height * shape.width)).toBeCloseTo(given.left, 6);
      return cutMixed(pair, rows, box);
    }
    default:
      throw new Error(`no operation ${operation}`);
  }
};

describe('augmentations', () => {
  it('have every operation of RandAugment in the fixture', () => {
    const tested = new Set(fixture.cases.map(({ operation }) => operation.replace('rand-augment ', '')));
    expect(Object.keys(operations).filter((name) => !tested.has(name))).toEqual([]);
    expect(Object.keys(operations)).toHaveLength(15);
  });

  it.each(
    fixture.cases.map(
      (each, i) => [`${i} ${each.operation} ${JSON.stringify(each.parameters)}`, each] as const,
    ),
  )('%s: the pixels of torchvision or timm, within one level', (_, { operation, parameters, pixels }) => {
    const expected = bytes(pixels);
    const got = computed(operation, parameters);
    expect(got).toHaveLength(expected.length);
    const off = got.reduce((most, value, at) => Math.max(most, Math.abs(value - (expected[at] ?? 0))), 0);
    expect(off).toBeLessThanOrEqual(1);
  });
});
