/**
 * Which split each sample of a dataset is in, settled once before anything is written. A source says so itself (its
 * recipe, a folder, a column), or the hash of what the sample shows decides: equal pictures and equal texts are on one
 * side, whatever they are called and whichever source they come from.
 */
import { excerpt, type Logger, silentLogger, StateError } from '@polygate/core';
import {
  contentKey,
  orderSplits,
  splitByHash,
  type LabelConflicts,
  type Reader,
  type Sample,
  type SplitOverlap,
} from '@polygate/datasets';
import { ConflictFinder } from './label-conflicts.ts';
import type { DatasetPlan, PlanPart } from './plan.ts';
import type { SuiteOverlaps } from './suite-overlaps.ts';

interface Place {
  readonly split: string;
  readonly id: string;
}

/** What was found of the samples of one part, in order. */
interface Settled {
  /** Empty for a sample without split of its own, until it is settled. */
  readonly splits: string[];
  /** New ids of samples whose own id another one has, by place. */
  readonly ids: Map<number, string>;
  readonly labels: (number | undefined)[];
  /** What each sample shows, and its id in the dataset. */
  readonly keys: string[];
  readonly names: string[];
}

const ownSplit = (part: PlanPart, sample: Sample): string | undefined =>
  part.draw ? (part.draw.split ?? sample.split) : part.splitOf(sample);

const freshId = (id: string, taken: ReadonlySet<string>): string => {
  for (let n = 2; ; n += 1) if (!taken.has(`${id}~${n}`)) return `${id}~${n}`;
};

/** Finds equal samples in two splits that their sources name. */
class OverlapFinder {
  readonly #first = new Map<string, Place>();
  readonly #overlaps = new Map<
    string,
    { splits: readonly [string, string]; rows: number; example: readonly [string, string] }
  >();

  add(key: string, place: Place): void {
    const first = this.#first.get(key);
    if (!first) this.#first.set(key, place);
    else if (first.split !== place.split) {
      const splits = [first.split, place.split].sort() as [string, string];
      const known = this.#overlaps.get(splits.join('\n'));
      if (known) known.rows += 1;
      else this.#overlaps.set(splits.join('\n'), { splits, rows: 1, example: [first.id, place.id] });
    }
  }

  splitOf(key: string): string | undefined {
    return this.#first.get(key)?.split;
  }

  overlaps(): SplitOverlap[] {
    return [...this.#overlaps.values()].map((overlap) => ({ ...overlap }));
  }
}

const survey = async (
  part: PlanPart,
  shared: {
    readonly taken: Set<string>;
    readonly overlaps: OverlapFinder;
    readonly conflicts: ConflictFinder | undefined;
    readonly unique: boolean;
  },
): Promise<Settled> => {
  const settled: Settled = { splits: [], labels: [], ids: new Map(), keys: [], names: [] };
  for await (const item of part.reader.read()) {
    if (item.kind === 'fault') continue;
    const place = settled.splits.length;
    let { id } = item;
    if (shared.unique) {
      if (shared.taken.has(id)) settled.ids.set(place, (id = freshId(id, shared.taken)));
      shared.taken.add(id);
    }
    const split = ownSplit(part, item);
    const key = await contentKey(item);
    if (item.label !== undefined) shared.conflicts?.add(key, { label: item.label, id });
    if (split !== undefined) shared.overlaps.add(key, { split, id });
    settled.keys.push(key);
    settled.names.push(id);
    settled.splits.push(split ?? '');
    settled.labels.push(item.label);
  }
  return settled;
};

const settledReader = (part: PlanPart, settled: Settled): Reader => ({
  ...part.reader,
  async *read() {
    let place = 0;
    for await (const item of part.reader.read()) {
      if (item.kind === 'fault') {
        yield item;
        continue;
      }
      const split = settled.splits[place];
      if (split === undefined) {
        throw new StateError(
          `prepare ${part.reader.name}: expected ${settled.splits.length} samples as before, got more; the source changed while it was read: prepare again`,
          { code: 'source-changed' },
        );
      }
      const id = settled.ids.get(place) ?? item.id;
      place += 1;
      yield { ...item, id, split };
    }
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
    for (const [place, split] of splits.entries()) {
      const label = labels[place];
      if (split !== 'train') continue;
      samples += 1;
      if (label !== undefined) trained.add(label);
    }
  }
  return samples === 0 ? [] : classes.filter((_, label) => !trained.has(label));
};

/**
 * The plan with the split of every sample settled. Datasets of the mini suite have their own rules and stay.
 * @param suite learns what the dataset shows in which split
 */
export const settleSplits = async (
  plan: DatasetPlan,
  suite: SuiteOverlaps,
  logger: Logger = silentLogger,
): Promise<DatasetPlan> => {
  if (plan.parts.every((part) => part.draw === undefined)) return plan;
  const overlaps = new OverlapFinder();
  // Rows of text are packed anew and get their own ids.
  const labelled = plan.kind === 'labelled-image' || plan.kind === 'labelled-text';
  // A pair of sentences may well have another label in the other order, which its content does not tell.
  const conflicts = labelled && !plan.pairs ? new ConflictFinder() : undefined;
  const shared = { taken: new Set<string>(), overlaps, conflicts, unique: plan.kind !== 'text' };
  const all: Settled[] = [];
  for (const part of plan.parts) all.push(await survey(part, shared));
  // One draw for a thing that is shown, though sources put different shares aside: the first one's that shows it.
  const drawn = new Map<string, string>();
  const parts = plan.parts.map((part, index): PlanPart => {
    const settled = all[index] ?? { splits: [], labels: [], ids: new Map(), keys: [], names: [] };
    for (const [place, key] of settled.keys.entries()) {
      if (settled.splits[place] !== '') continue;
      const split = overlaps.splitOf(key) ?? drawn.get(key) ?? splitByHash(key, part.draw?.percents ?? {});
      drawn.set(key, split);
      settled.splits[place] = split;
    }
    suite.add(plan.name, { splits: settled.splits, keys: settled.keys, ids: settled.names });
    return { reader: settledReader(part, settled), splitOf: (sample) => sample.split ?? 'train' };
  });
  const found = overlaps.overlaps();
  for (const overlap of found) logger.warn(`prepare ${plan.name}: ${overlapWarning(overlap)}`);
  const labelConflicts = conflicts?.conflicts(plan.classes ?? []);
  if (labelConflicts) logger.warn(`prepare ${plan.name}: ${conflictWarning(labelConflicts)}`);
  const untrained = classesWithoutTraining(plan.classes ?? [], all);
  if (untrained.length > 0) {
    logger.warn(
      `prepare ${plan.name}: ${untrained.length} of ${plan.classes?.length ?? 0} classes have no training sample: ${excerpt(untrained, 160)}`,
    );
  }
  const used = all.flatMap(({ splits }) => [...new Set(splits)]);
  return {
    ...plan,
    parts,
    splits: orderSplits([...plan.splits, ...used]),
    ...(found.length > 0 ? { overlaps: found } : {}),
    ...(labelConflicts ? { labelConflicts } : {}),
  };
};
