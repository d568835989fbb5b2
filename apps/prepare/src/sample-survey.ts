/**
 * A first look at all samples of a dataset, before anything is written: what each shows, where its source puts it, and
 * how its split is to be drawn where the source says nothing.
 */
import { availableParallelism } from 'node:os';
import { type Budgets, ByteGate, resolveBudgets } from '@polygate/core';
import {
  contentKey,
  selectSamples,
  shownKey,
  type Sample,
  type ShownKeyOptions,
  type SplitOverlap,
  type SplitPercents,
} from '@polygate/datasets';
import { mapOrdered } from '@polygate/stream';
import type { ConflictFinder } from './label-conflicts.ts';
import type { PlanPart } from '@polygate/datasets';

interface Place {
  readonly split: string;
  readonly id: string;
}

/** What was found of the samples of one part, in order. */
export interface Settled {
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
export class OverlapFinder {
  readonly #first = new Map<string, Place>();
  readonly #overlaps = new Map<
    string,
    { splits: readonly [string, string]; rows: number; example: readonly [string, string] }
  >();

  add(key: string, occurrence: Place): void {
    const first = this.#first.get(key);
    if (!first) this.#first.set(key, occurrence);
    else if (first.split !== occurrence.split) {
      const splits = [first.split, occurrence.split].sort() as [string, string];
      const overlap = this.#overlaps.get(splits.join('\n'));
      if (overlap) overlap.rows += 1;
      else this.#overlaps.set(splits.join('\n'), { splits, rows: 1, example: [first.id, occurrence.id] });
    }
  }

  splitOf(key: string): string | undefined {
    return this.#first.get(key)?.split;
  }

  overlaps(): SplitOverlap[] {
    return [...this.#overlaps.values()].map((overlap) => ({ ...overlap }));
  }
}

/** How the split of something shown is drawn. */
interface Draw {
  /** The least of the keys of all files that show it, whichever comes first. */
  readonly key: string;
  /** Those of the first source that has it. */
  readonly percents: SplitPercents;
}

/** What is known of a dataset's samples while its parts are looked at. */
export interface Survey {
  readonly budgets: Partial<Budgets>;
  readonly taken: Set<string>;
  readonly overlaps: OverlapFinder;
  /** Of samples that the recipe puts into no split, by what they show. */
  readonly draws: Map<string, Draw>;
  readonly conflicts: ConflictFinder | undefined;
  readonly unique: boolean;
  /** Called after each sample, with how many there were of the dataset. */
  readonly onSample: (samples: number) => void;
  /** What a sample without an image shows, as its kind of dataset says. */
  readonly shown: NonNullable<ShownKeyOptions['shown']>;
}

interface Keyed {
  readonly sample: Sample;
  readonly shown: string;
  /** What a drawn split is a function of: the sample's group where it has one. */
  readonly content: string;
}

const heldBytes = ({ sample: { image } }: Keyed): number =>
  image?.kind === 'bytes' ? image.bytes.length : 0;

/** The samples of a part and their keys, in order; several images are decoded at once. */
const keyedSamples = (part: PlanPart, { budgets, shown }: Survey): AsyncIterable<Keyed> => {
  const { decodeBytes, sampleBytes } = resolveBudgets(budgets);
  const options = { budgets, gate: new ByteGate(decodeBytes), shown };
  return mapOrdered(
    selectSamples(part.reader, { accept: () => true }),
    async (sample) => ({
      sample,
      shown: await shownKey(sample, options),
      content: sample.group === undefined ? await contentKey(sample) : `group:${sample.group}`,
    }),
    { concurrency: availableParallelism() + 2, sizeOf: heldBytes, bytes: sampleBytes },
  );
};

export const survey = async (part: PlanPart, shared: Survey): Promise<Settled> => {
  const settled: Settled = { splits: [], labels: [], ids: new Map(), keys: [], names: [] };
  for await (const { sample, shown, content } of keyedSamples(part, shared)) {
    const index = settled.splits.length;
    let { id } = sample;
    if (shared.unique) {
      if (shared.taken.has(id)) settled.ids.set(index, (id = freshId(id, shared.taken)));
      shared.taken.add(id);
    }
    const split = ownSplit(part, sample);
    if (sample.label !== undefined) shared.conflicts?.add(shown, { label: sample.label, id });
    if (split !== undefined) shared.overlaps.add(shown, { split, id });
    // Those that a source names are drawn where all of them are train.
    if (split === undefined || part.draw?.split === undefined) {
      const { key, percents } = shared.draws.get(shown) ?? {
        key: content,
        percents: part.draw?.percents ?? {},
      };
      shared.draws.set(shown, { key: content < key ? content : key, percents });
    }
    settled.keys.push(shown);
    settled.names.push(id);
    settled.splits.push(split ?? '');
    settled.labels.push(sample.label);
    shared.onSample(settled.splits.length);
  }
  return settled;
};
