/**
 * Which samples a subset of a split has: by the published rules of 1 % (Uni-Perceiver-MoE, section 4.4, and its code), or
 * k of each class.
 *
 * Each sample has a draw that is a function of the subset's seed and the sample's id alone; those of the smallest draws are
 * taken. So a subset depends neither on the order of the rows nor on other samples, and the smaller of two subsets of one
 * seed is a part of the larger one.
 */
import { ConfigError, createRandom } from '@polygate/core';

/** What a share of a kind of dataset is a share of. */
export type SubsetUnit = 'classes' | 'samples' | 'captions';

/** One of `share` and `perClass`. */
export interface SubsetRule {
  /** Above 0, at most 1. */
  readonly share?: number | undefined;
  /** Samples of each class. */
  readonly perClass?: number | undefined;
  readonly seed: number;
}

/** What is known of a row when it is chosen or not. */
export interface SubsetCandidate {
  readonly id: string;
  /** Index into the classes. */
  readonly label?: number;
  /** Number of its captions. */
  readonly captions?: number;
}

/** Rows of a split in their order. */
export interface ChosenRows {
  readonly rows: readonly number[];
  /** Numbers of the captions that are kept of each row. @default all */
  readonly captions?: readonly (readonly number[])[];
}

export interface ChooseSubsetOptions {
  /** In messages: `DATASET, SPLIT`. */
  readonly name: string;
  readonly unit: SubsetUnit;
  /** Names of the classes, where the dataset has some. */
  readonly classes?: readonly string[] | undefined;
}

interface Drawn {
  readonly row: number;
  readonly caption: number;
  readonly key: string;
  readonly draw: number;
}

/** Those of the smallest draws; equal draws by key, so that the order of rows changes nothing. */
const smallest = (drawn: readonly Drawn[], count: number): readonly Drawn[] =>
  [...drawn]
    .sort((a, b) => a.draw - b.draw || (a.key < b.key ? -1 : a.key > b.key ? 1 : 0) || a.row - b.row)
    .slice(0, count);

const inOrder = (drawn: readonly Drawn[]): number[] => drawn.map(({ row }) => row).sort((a, b) => a - b);

/** The published count of images and of pairs; at least one. */
const countOf = (share: number, size: number): number => Math.max(1, Math.floor(share * size));

/** Of each class as many as the rule says. */
const ofClasses = (
  drawn: readonly Drawn[],
  labels: readonly number[],
  { rule, name, classes }: { readonly rule: SubsetRule } & ChooseSubsetOptions,
): number[] => {
  const groups = new Map<number, Drawn[]>();
  (classes ?? []).forEach((_, label) => groups.set(label, []));
  for (const each of drawn) {
    const label = labels[each.row] ?? 0;
    const group = groups.get(label);
    if (group) group.push(each);
    else groups.set(label, [each]);
  }
  const { share, perClass } = rule;
  const taken: Drawn[] = [];
  for (const [label, group] of groups) {
    const { length } = group;
    const called = `class "${classes?.[label] ?? label}"`;
    if (length === 0) {
      throw new ConfigError(
        `subset of ${name}: expected samples of every class, got none of ${called}; prepare the data without that class, or give a list of the samples to learn from (subset.list)`,
        { code: 'subset-class-empty', fields: { name, label } },
      );
    }
    if (perClass !== undefined && perClass > length) {
      throw new ConfigError(
        `subset of ${name}: expected ${perClass} samples of each class, got ${length} of ${called}; choose perClass of at most ${length}`,
        { code: 'subset-too-large', fields: { name, label } },
      );
    }
    const count = perClass ?? Math.min(length, Math.floor((share ?? 1) * length) + 1);
    taken.push(...smallest(group, count));
  }
  return inOrder(taken);
};

const ofCaptions = (drawn: readonly Drawn[]): ChosenRows => {
  const kept = new Map<number, number[]>();
  for (const { row, caption } of drawn) kept.set(row, [...(kept.get(row) ?? []), caption]);
  const rows = [...kept.keys()].sort((a, b) => a - b);
  return { rows, captions: rows.map((row) => (kept.get(row) ?? []).sort((a, b) => a - b)) };
};

/**
 * Rows of a subset: of each class `floor(share * n) + 1` samples, or `perClass`; of samples without classes
 * `floor(share * n)`, with all of their captions; of pairs `floor(share * pairs)`, whose other captions are left out.
 * @throws ConfigError for an empty split, a class without samples, and more samples than there are
 */
export const chooseSubset = (
  candidates: readonly SubsetCandidate[],
  rule: SubsetRule,
  options: ChooseSubsetOptions,
): ChosenRows => {
  const { name, unit } = options;
  const { share = 1, perClass, seed } = rule;
  if (candidates.length === 0) {
    throw new ConfigError(
      `subset of ${name}: expected samples to choose from, got none; name a split that has some`,
    );
  }
  if (perClass !== undefined && unit !== 'classes') {
    throw new ConfigError(
      `subset of ${name}: expected a dataset with classes for perClass, got one without; choose a share of it, such as subset.share=0.01`,
      { code: 'subset-no-classes', fields: { name } },
    );
  }
  const random = createRandom(seed).fork('subset');
  const drawOf = (row: number, key: string, caption = 0): Drawn => ({
    row,
    caption,
    key,
    draw: random.fork(key).next(),
  });
  if (unit === 'captions') {
    const pairs = candidates.flatMap(({ id, captions = 1 }, row) =>
      Array.from({ length: captions }, (_, caption) => drawOf(row, `${id}#${caption}`, caption)),
    );
    return ofCaptions(smallest(pairs, countOf(share, pairs.length)));
  }
  const drawn = candidates.map(({ id }, row) => drawOf(row, id));
  if (unit === 'samples') return { rows: inOrder(smallest(drawn, countOf(share, drawn.length))) };
  const labels = candidates.map(({ label = 0 }) => label);
  return { rows: ofClasses(drawn, labels, { ...options, rule }) };
};
