/**
 * Made-up suites in the shape of the three task groups of SM^4 (PMLR 280, tables 1 and 15): the same modalities in the same
 * tasks, patterns under much noise in place of robots, screens and recordings. `conflict`, `prototypes` and `noise` are the
 * dials: see docs/sm4.md.
 * Command: npx polygate prepare --recipe sm4-small
 */
import type { PrepareRecipeInput } from '../recipe.ts';

type Inputs = Readonly<Record<string, { readonly shape: readonly number[]; readonly prototypes?: number }>>;

const image = { shape: [16, 16], prototypes: 4 } as const;
const force = { shape: [16, 3] } as const;
const proprioception = { shape: [16, 4], prototypes: 2 } as const;
const control = { shape: [16, 4] } as const;

const suite = (
  name: string,
  datasets: Readonly<Record<string, Inputs>>,
  classes: number,
): PrepareRecipeInput =>
  ({
    name,
    tokenizer: { vocabularySize: 300, lowercase: true },
    sources: Object.fromEntries(
      Object.entries(datasets).map(([dataset, inputs], at) => [
        dataset,
        { source: 'synthetic-modalities', inputs, classes, conflict: 0.5, noise: 2, seed: at + 1 },
      ]),
    ),
  }) as unknown as PrepareRecipeInput;

/** Images are given as depth: one channel of numbers. */
const touching = {
  push: { depth: image, force, proprioception, control },
  touch: { depth: image, force, proprioception, control },
} as const;
const looking = {
  screens: { depth: image, set: { shape: [12, 6], prototypes: 2 } },
  digits: { depth: image, audio: { shape: [28, 28], prototypes: 4 } },
} as const;
const people = {
  humour: {
    'time-series': { shape: [20, 8], prototypes: 3 },
    depth: image,
    audio: { shape: [28, 28], prototypes: 2 },
  },
  health: { 'time-series': { shape: [24, 12], prototypes: 4 }, table: { shape: [5] } },
} as const;

export const sm4Suites: Readonly<Record<string, PrepareRecipeInput>> = {
  'sm4-small': suite('sm4-small', touching, 4),
  'sm4-medium': suite('sm4-medium', { push: touching.push, ...looking }, 6),
  'sm4-large': suite('sm4-large', { ...people, digits: looking.digits }, 4),
};
