/**
 * Means and deviations of the numbers of a dataset, over its training split alone: inputs and targets are brought to mean 0
 * and deviation 1 by them. Missing numbers count nowhere.
 */
import { fixedListRow, listRow, openShards, type NumberStatistics, type StoredInput } from '@polygate/stream';
import type { KindSettings } from '../dataset-kind.ts';
import { formNamed } from './form-registry.ts';
import { storedInputs } from './multimodal-rows.ts';

/** Mean and deviation of what is added, one number after another (Welford). */
class Moments {
  #count = 0;
  #mean = 0;
  #squares = 0;

  add(value: number): void {
    this.#count += 1;
    const step = value - this.#mean;
    this.#mean += step / this.#count;
    this.#squares += step * (value - this.#mean);
  }

  /** What nothing was added to is left as it is. */
  get statistics(): NumberStatistics {
    if (this.#count === 0) return { mean: 0, deviation: 1 };
    return { mean: this.#mean, deviation: Math.sqrt(this.#squares / this.#count) };
  }
}

/** What is measured of one column. */
class ColumnMoments {
  readonly #byIndex: readonly Moments[];
  readonly #overall = new Moments();
  #hasGaps = false;
  #longest = 0;

  constructor(width: number) {
    this.#byIndex = Array.from({ length: width }, () => new Moments());
  }

  add(numbers: ArrayLike<number>): void {
    const width = this.#byIndex.length;
    this.#longest = Math.max(this.#longest, numbers.length);
    for (let i = 0; i < numbers.length; i += 1) {
      const value = numbers[i] ?? Number.NaN;
      if (Number.isNaN(value)) this.#hasGaps = true;
      else {
        this.#byIndex[i % width]?.add(value);
        this.#overall.add(value);
      }
    }
  }

  get statistics(): readonly NumberStatistics[] {
    return this.#byIndex.map(({ statistics }) => statistics);
  }

  get overall(): NumberStatistics {
    return this.#overall.statistics;
  }

  get gaps(): boolean {
    return this.#hasGaps;
  }

  /** Numbers of the longest row. */
  get longest(): number {
    return this.#longest;
  }
}

/** Numbers of a step of the first axis. */
const stepOf = ({ shape = [] }: StoredInput): number =>
  Math.max(
    1,
    shape.slice(1).reduce<number>((product, side) => product * (side ?? 1), 1),
  );

/** Indices of the last axis: of steps [T, F] and grids [H, W] alike. */
const widthOf = ({ columns, shape = [] }: StoredInput): number =>
  columns?.length ?? (shape.length > 1 ? stepOf({ modality: '', form: '', shape }) : 1);

/** The inputs with what the training split has of them. @param folder shards of the training split */
export const measureInputs = async (folder: string, settings: KindSettings): Promise<KindSettings> => {
  const inputs = Object.entries(storedInputs(settings));
  const measured = inputs.filter(([, { form }]) => formNamed(form).isMeasured);
  const moments = new Map(measured.map(([name, stored]) => [name, new ColumnMoments(widthOf(stored))]));
  const outputs = settings['outputs'] as readonly string[] | undefined;
  const targets = outputs && new ColumnMoments(outputs.length);
  const shards = await openShards(folder);
  try {
    for await (const batch of shards.batches()) {
      for (let row = 0; row < batch.numRows; row += 1) {
        for (const [name, each] of moments) each.add(listRow(batch, name, row) as ArrayLike<number>);
        targets?.add(fixedListRow(batch, 'targets', row) as ArrayLike<number>);
      }
    }
  } finally {
    await shards.close();
  }
  const told = inputs.map(([name, stored]): [string, StoredInput] => {
    const each = moments.get(name);
    if (!each) return [name, stored];
    const { statistics, overall, gaps } = each;
    const longest = Math.ceil(each.longest / stepOf(stored));
    return [name, { ...stored, statistics, overall, gaps, longest }];
  });
  return {
    ...settings,
    inputs: Object.fromEntries(told),
    ...(targets ? { outputStatistics: targets.statistics } : {}),
  };
};
