/**
 * Made-up samples of many modalities, for questions about models of many modalities that no small real set answers: how
 * modalities that pull shared weights apart are learned together, and how much a modality needs that is harder than others.
 *
 * Every class k has some prototypes g, patterns that are functions of a place t of a signal (0 to 1) and a feature f,
 *   P[k, g](t, f) = sin(2 pi (a t + b f) + c),  a, b, c drawn for (k, g),
 * the same for all modalities. A sample of class k shows in modality m
 *   x_m[t, f] = P[class_m(k), g](t, f) + noise,  g drawn for the sample and modality among the prototypes of m.
 * Dials: `prototypes` of a modality are its complexity; `conflict` is the share of classes whose pattern stands for another
 * class in every other modality, so that what weights learn of one modality is wrong of the next; `noise` and `missing`.
 */
import { ConfigError, createRandom, type Random } from '@polygate/core';

/** A made-up modality. */
export interface PatternInput {
  /** Axes of its array; the last one counts features where there are two or more. */
  readonly shape: readonly number[];
  /** Patterns of a class: its complexity. @default 1 */
  readonly prototypes?: number;
  /** Deviation of the noise on every number, where the pattern has 0.7. @default that of all */
  readonly noise?: number;
}

/** A made-up set. */
export interface PatternOptions {
  /** Modalities by name of the input. */
  readonly inputs: Readonly<Record<string, PatternInput>>;
  readonly classes: number;
  /** Share of the classes whose patterns contradict each other between modalities, 0 to 1. @default 0 */
  readonly conflict?: number;
  /** @default 0.3 */
  readonly noise?: number;
  /** Share of samples that lack an input, each input by itself; never all. @default 0 */
  readonly missing?: number;
  readonly seed: number;
}

/** One sample: numbers by input, those that it lacks left out. */
export interface PatternSample {
  readonly label: number;
  readonly values: Readonly<Record<string, Float32Array>>;
}

/** Gives sample `index` of a split, a pure function of both and the seed. */
export type PatternSampler = (split: string, index: number) => PatternSample;

interface Pattern {
  readonly a: number;
  readonly b: number;
  readonly c: number;
}

const patternOf = (random: Random): Pattern => ({
  a: 0.5 + 2.5 * random.next(),
  b: random.next() - 0.5,
  c: random.next(),
});

/**
 * The class whose patterns stand for a class in a modality: of the first `conflict * classes` classes the one that lies as
 * many places on as the modality has in the list, of the others the class itself.
 */
export const shownClass = (
  label: number,
  index: number,
  { classes, conflict = 0 }: Pick<PatternOptions, 'classes' | 'conflict'>,
): number => {
  const turned = Math.round(conflict * classes);
  return label < turned ? (label + index) % turned : label;
};

/** @throws ConfigError for dials that can't be */
export const createPatternSampler = (options: PatternOptions): PatternSampler => {
  const { inputs, classes, conflict = 0, noise = 0.3, missing = 0, seed } = options;
  const named = Object.entries(inputs);
  if (named.length === 0 || !(conflict >= 0 && conflict <= 1) || !(missing >= 0 && missing < 1)) {
    throw new ConfigError(
      `synthetic modalities: expected one input or more, conflict in [0, 1] and missing in [0, 1), got ${named.length}, ${conflict} and ${missing}`,
      { fields: { inputs: named.length, conflict, missing } },
    );
  }
  const root = createRandom(seed);
  const patterns = new Map<string, Pattern>();
  const patternNamed = (key: string): Pattern => {
    const cached = patterns.get(key);
    if (cached) return cached;
    const made = patternOf(root.fork(`pattern ${key}`));
    patterns.set(key, made);
    return made;
  };
  const show = (random: Random, label: number, index: number): Float32Array => {
    const [, input] = named[index] as (typeof named)[number];
    const { shape, prototypes = 1, noise: inputNoise = noise } = input;
    const { a, b, c } = patternNamed(`${shownClass(label, index, options)}/${random.integer(prototypes)}`);
    const features = shape.length > 1 ? (shape.at(-1) ?? 1) : 1;
    const count = shape.reduce((product, side) => product * side, 1);
    const steps = count / features;
    return Float32Array.from({ length: count }, (_, i) => {
      const [t, f] = [Math.floor(i / features) / Math.max(1, steps - 1), i % features];
      return Math.sin(2 * Math.PI * (a * t + b * f + c)) + inputNoise * random.normal();
    });
  };
  return (split, index) => {
    const random = root.fork(`${split} ${index}`);
    const label = random.fork('label').integer(classes);
    // Never all: the first that is asked is always there.
    const first = random.fork('first').integer(named.length);
    const values = named.flatMap(([name], order) => {
      const inputRandom = random.fork(name);
      const lacks = inputRandom.next() < missing && order !== first;
      return lacks ? [] : [[name, show(inputRandom, label, order)] as const];
    });
    return { label, values: Object.fromEntries(values) };
  };
};
