/**
 * Which split each sample of a dataset is in, settled once before anything is written. A source says so itself (its
 * recipe, a folder, a column), or the hash of its content decides: equal images (in files that differ, too) and equal
 * texts are on one side, whatever they are called and whichever source they come from.
 */
import { excerpt, type Logger, silentLogger, StateError } from '@polygate/core';
import {
  kindNamed,
  orderSplits,
  splitByHash,
  type LabelConflicts,
  type Reader,
  type SplitOverlap,
} from '@polygate/datasets';
import { ConflictFinder } from './label-conflicts.ts';
import type { DatasetPlan, PlanPart } from '@polygate/datasets';
import { kindSettings, type PrepareRecipe } from './recipe.ts';
import { OverlapFinder, survey, type Settled, type Survey } from './sample-survey.ts';
import type { SuiteOverlaps } from './suite-overlaps.ts';

const sourceChanged = ({ name }: Reader, expected: string, got: string): StateError =>
  new StateError(
    `prepare ${name}: expected ${expected} as before, got ${got}; the source changed while it was read, or is read in another order each time: prepare again`,
    { code: 'source-changed' },
  );

const settledReader = (part: PlanPart, settled: Settled): Reader => ({
  ...part.reader,
  async *read() {
    const { length } = settled.splits;
    let index = 0;
    for await (const item of part.reader.read()) {
      if (item.kind === 'fault') {
        yield item;
        continue;
      }
      const split = settled.splits[index];
      if (split === undefined) {
        throw sourceChanged(part.reader, `${length} samples`, 'more');
      }
      const id = settled.ids.get(index) ?? item.id;
      const before = settled.names[index] ?? id;
      if (id !== before)
        throw sourceChanged(part.reader, `sample ${index} to be ${excerpt(before)}`, excerpt(id));
      index += 1;
      yield { ...item, id, split };
    }
    if (index < length) throw sourceChanged(part.reader, `${length} samples`, `${index}`);
  },
});

/** What a person is told of an overlap. */
export const overlapWarning = (overlap: SplitOverlap): string =>
  `${overlap.rows} samples of ${overlap.splits[0]} and ${overlap.dataset === undefined ? '' : `${overlap.dataset}/`}${overlap.splits[1]} show the same, such as ${overlap.example.join(' and ')}: scores on them tell what was learned by heart`;

const conflictWarning = ({ rows, example, labels }: LabelConflicts): string =>
  `${rows} samples show the same as another one that has another label, such as ${example[0]} (${labels[0]}) and ${example[1]} (${labels[1]}): one of them is wrong`;

/** Classes that are tested and never trained; none where the dataset has no training split. */
const classesWithoutTraining = (classes: readonly string[], parts: readonly Settled[]): string[] => {
  const trained = new Set<number>();
  let samples = 0;
  for (const { splits, labels } of parts) {
    for (const [index, split] of splits.entries()) {
      const label = labels[index];
      if (split !== 'train') continue;
      samples += 1;
      if (label !== undefined) trained.add(label);
    }
  }
  return samples === 0 ? [] : classes.filter((_, label) => !trained.has(label));
};

/** Least number of classes by which labels are told from numbers and names of samples. */
const MIN_CLASSES_TO_JUDGE = 8;

/** Classes of one sample, where most are such: their labels may well be numbers, or names of the samples. */
const loneClasses = (classes: readonly string[], parts: readonly Settled[]): string[] => {
  const samples = new Map<number, number>();
  for (const label of parts.flatMap(({ labels }) => labels))
    if (label !== undefined) samples.set(label, (samples.get(label) ?? 0) + 1);
  const lone = classes.filter((_, label) => samples.get(label) === 1);
  return classes.length >= MIN_CLASSES_TO_JUDGE && lone.length * 2 > classes.length ? lone : [];
};

/** Splits that a source says it has, of which no sample is left. */
const splitsLeftEmpty = (parts: readonly PlanPart[], counts: ReadonlyMap<string, number>): string[] => {
  const named = parts.flatMap(({ draw, reader }) =>
    draw !== undefined && draw.split === undefined ? (reader.splits ?? []) : [],
  );
  return orderSplits(named).filter((split) => !counts.has(split));
};

/** Samples by split, in the order in which splits are written. */
const countSplits = (parts: readonly Settled[]): ReadonlyMap<string, number> => {
  const counts = new Map<string, number>();
  for (const { splits } of parts) for (const split of splits) counts.set(split, (counts.get(split) ?? 0) + 1);
  return new Map(orderSplits(counts.keys()).map((split) => [split, counts.get(split) ?? 0]));
};

/** Whether the sources name `train` for every sample, the recipe no split for any, and shares are to be put aside. */
const isTrainAlone = (parts: readonly PlanPart[], all: readonly Settled[]): boolean =>
  parts.every(({ draw }) => draw !== undefined && draw.split === undefined) &&
  parts.some(({ draw }) => (draw?.percents.validation ?? 0) + (draw?.percents.test ?? 0) > 0) &&
  all.some(({ splits }) => splits.length > 0) &&
  all.every(({ splits }) => splits.every((split) => split === 'train'));

export interface SettleContext {
  /** Learns what the dataset shows in which split. */
  readonly suite: SuiteOverlaps;
  readonly recipe: PrepareRecipe;
  readonly logger?: Logger | undefined;
  /** Told of the samples that were looked at so far. */
  readonly progress?: ((what: string, rows: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Samples from one word of progress to the next. */
const TOLD_EVERY = 500;

/** The plan with the split of every sample settled. Datasets of the mini suite have their own rules and stay. */
export const settleSplits = async (plan: DatasetPlan, context: SettleContext): Promise<DatasetPlan> => {
  if (plan.parts.every((part) => part.draw === undefined)) return plan;
  const { suite, recipe, logger = silentLogger, progress, signal } = context;
  const { budgets } = recipe;
  let overlaps = new OverlapFinder();
  const kind = kindNamed(plan.kind);
  const { hasClasses, keepsSamples = true } = kind;
  const settings = kindSettings(plan, recipe);
  // A pair of sentences may well have another label in the other order, which its content does not tell.
  const conflicts = hasClasses && plan.settings?.['pairs'] !== true ? new ConflictFinder() : undefined;
  const shared: Survey = {
    budgets,
    taken: new Set(),
    overlaps,
    draws: new Map(),
    conflicts,
    // Rows that are packed anew get ids of their own.
    unique: keepsSamples,
    onSample: (samples) => {
      signal?.throwIfAborted();
      if (samples % TOLD_EVERY === 0) progress?.(`${plan.name}: looking at samples`, samples);
    },
    shown: (sample) => kind.shown?.(sample, { settings, budgets }) ?? Promise.resolve(undefined),
  };
  const all: Settled[] = [];
  for (const part of plan.parts) all.push(await survey(part, shared));
  const trainAlone = isTrainAlone(plan.parts, all);
  if (trainAlone) {
    for (const { splits } of all) splits.fill('');
    // What is drawn anew overlaps with nothing that a source names.
    overlaps = new OverlapFinder();
  }
  const isDrawn = all.some(({ splits }) => splits.includes(''));
  const parts = plan.parts.map((part, index): PlanPart => {
    const settled = all[index] ?? { splits: [], labels: [], ids: new Map(), keys: [], names: [] };
    for (const [order, shown] of settled.keys.entries()) {
      const draw = shared.draws.get(shown);
      if (settled.splits[order] !== '' || !draw) continue;
      settled.splits[order] = overlaps.splitOf(shown) ?? splitByHash(draw.key, draw.percents);
    }
    suite.add(plan.name, { splits: settled.splits, keys: settled.keys, ids: settled.names });
    return { reader: settledReader(part, settled), splitOf: (sample) => sample.split ?? 'train' };
  });
  const overlapping = overlaps.overlaps();
  for (const overlap of overlapping) logger.warn(`prepare ${plan.name}: ${overlapWarning(overlap)}`);
  const labelConflicts = conflicts?.conflicts(plan.classes ?? []);
  if (labelConflicts) logger.warn(`prepare ${plan.name}: ${conflictWarning(labelConflicts)}`);
  const untrained = classesWithoutTraining(plan.classes ?? [], all);
  if (untrained.length > 0) {
    logger.warn(
      `prepare ${plan.name}: ${untrained.length} of ${plan.classes?.length ?? 0} classes have no training sample: ${excerpt(untrained, 160)}; a model can't learn them: add samples, or take them away (an empty folder, a name in classes)`,
    );
  }
  const lone = loneClasses(plan.classes ?? [], all);
  if (lone.length > 0) {
    logger.warn(
      `prepare ${plan.name}: ${lone.length} of ${plan.classes?.length ?? 0} classes have one sample each, such as ${excerpt(lone.slice(0, 3), 120)}: where the labels are numbers, or names of the samples, set labelColumn to another column, or ask for numbers by multimodal-table and its numberColumns`,
    );
  }
  const counts = countSplits(all);
  const gone = splitsLeftEmpty(plan.parts, counts);
  if (gone.length > 0 && counts.size > 0) {
    logger.warn(
      `prepare ${plan.name}: the source names the split ${gone.join(' and ')}, of which no sample is left${gone.includes('train') ? ', so nothing can be trained on it' : ''}: quarantine.jsonl says why`,
    );
  }
  const text = [...counts].map(([split, rows]) => `${split} ${rows}`).join(', ');
  if (counts.size === 1 && counts.has('train')) {
    logger.warn(
      `prepare ${plan.name}: nothing is held out (${text}), so evaluate will have nothing to score: set validationPercent and testPercent, or add a source of this dataset with "split": "test"`,
    );
  } else if (trainAlone) {
    logger.warn(
      `prepare ${plan.name}: the source names the split train alone: others are drawn from it (${text}); "split": "train" leaves all samples there`,
    );
  }
  // A source that names other splits alone is one to score on.
  if (isDrawn && counts.size > 0 && !counts.has('train')) {
    logger.warn(
      `prepare ${plan.name}: no sample is left to train on (${text}): lower validationPercent and testPercent, or add samples`,
    );
  }
  const single = [...counts].flatMap(([split, rows]) => (split !== 'train' && rows === 1 ? [split] : []));
  if (single.length > 0) {
    logger.warn(
      `prepare ${plan.name}: ${single.join(' and ')} ${single.length > 1 ? 'hold' : 'holds'} one sample (${text}): scores of one sample say nothing of others; hold out more (validationPercent and testPercent, or samples of that split)`,
    );
  }
  const used = counts.keys();
  return {
    ...plan,
    parts,
    splits: orderSplits([...plan.splits, ...used]),
    ...(overlapping.length > 0 ? { overlaps: overlapping } : {}),
    ...(labelConflicts ? { labelConflicts } : {}),
  };
};
