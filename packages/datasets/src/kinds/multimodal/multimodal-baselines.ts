/** Simple systems on the features of multimodal samples: the nearest training sample, and ridge regression. */
import { fitRidge, nearestRow } from '@polygate/evaluation';
import { openShards, type RecordBatch } from '@polygate/stream';
import { splitFolder, type BaselineScores } from '../../suite/suite.ts';
import type { BaselineContext } from '../dataset-kind.ts';
import { storedInputs } from './multimodal-rows.ts';
import { rowFeatures, scaleRows } from './row-features.ts';

/** Training samples that are learned from; of more, evenly spread ones. */
const MAX_ROWS = 4000;
/** Differences of features beyond which the nearest training sample is left out. */
const MAX_DIFFERENCES = 8e9;

/** What is asked of rows, for systems that give numbers. */
export interface AskedNumbers {
  /** Numbers of a row: of classes 1 for its own and -1 for others, of labels 1 and -1, else those that are asked. */
  of(batch: RecordBatch, row: number): readonly number[];
  /** Adds what a system said of a row to its scores. */
  score(said: ArrayLike<number>, asked: readonly number[], scores: ScoreSums): void;
  /** What is said of every row, of the means of the training targets. @default no such system */
  readonly constant?: readonly [name: string, said: (means: readonly number[]) => ArrayLike<number>];
  /** Scores of the sums over rows. */
  scores(sums: ScoreSums): Readonly<Record<string, number>>;
}

/** Sums of a system over rows, by name. */
export class ScoreSums {
  readonly #sums = new Map<string, number>();

  add(name: string, value: number): void {
    this.#sums.set(name, this.of(name) + value);
  }

  of(name: string): number {
    return this.#sums.get(name) ?? 0;
  }
}

async function* rowsOf(
  folder: string,
): AsyncGenerator<{ readonly batch: RecordBatch; readonly row: number }> {
  const shards = await openShards(folder);
  try {
    for await (const batch of shards.batches())
      for (let row = 0; row < batch.numRows; row += 1) yield { batch, row };
  } finally {
    await shards.close();
  }
}

/** A system: what it says of scaled features [F]. */
type System = readonly [name: string, said: (features: Float64Array) => ArrayLike<number>];

/**
 * Scores of simple systems on the held-out splits, each named `METRIC/SYSTEM`, or `SYSTEM` where there is one metric.
 * @param context of a dataset that has a training split
 */
export const multimodalBaselines = async (
  { directory, dataset }: BaselineContext,
  asked: AskedNumbers,
): Promise<Record<string, BaselineScores>> => {
  const features = rowFeatures(storedInputs(dataset.settings ?? {}));
  const all = dataset.splits['train']?.rows ?? 0;
  const count = Math.min(all, MAX_ROWS);
  const width = features?.width ?? 0;
  const training = new Float64Array(count * width);
  const targets: number[] = [];
  const means: number[] = [];
  let [seen, taken] = [0, 0];
  for await (const { batch, row } of rowsOf(splitFolder(directory, dataset, 'train'))) {
    // The row whose turn it is, evenly over all of them.
    const isTaken = Math.floor((seen * count) / all) >= taken && taken < count;
    seen += 1;
    const numbers = asked.of(batch, row);
    for (const [at, number] of numbers.entries())
      means[at] = (means[at] ?? 0) + (number - (means[at] ?? 0)) / seen;
    if (!isTaken) continue;
    if (features) training.set(features.of(batch, row), taken * width);
    targets.push(...numbers);
    taken += 1;
  }
  if (taken === 0) return {};
  const outputs = targets.length / taken;
  const learned = training.subarray(0, taken * width);
  const scale = features && scaleRows(learned, width);
  const ridge = features && fitRidge({ features: learned, targets: Float64Array.from(targets) }, { width });
  const scores: Record<string, BaselineScores> = {};
  for (const [split, { rows }] of Object.entries(dataset.splits)) {
    if (split === 'train' || rows === 0) continue;
    const systems: System[] = [];
    if (asked.constant) {
      const [name, said] = asked.constant;
      const answer = said(means);
      systems.push([name, () => answer]);
    }
    if (ridge) systems.push(['ridge', (row) => ridge.answer(row)]);
    if (features && rows * taken * width <= MAX_DIFFERENCES) {
      systems.push([
        'nearestNeighbour',
        (row) => {
          const at = nearestRow(learned, row);
          return targets.slice(at * outputs, (at + 1) * outputs);
        },
      ]);
    }
    const sums = systems.map(() => new ScoreSums());
    for await (const { batch, row } of rowsOf(splitFolder(directory, dataset, split))) {
      const values = features?.of(batch, row) ?? new Float64Array(0);
      scale?.(values);
      const wanted = asked.of(batch, row);
      for (const [at, [, said]] of systems.entries())
        asked.score(said(values), wanted, sums[at] as ScoreSums);
    }
    scores[split] = Object.fromEntries(
      systems.flatMap(([name], at) =>
        Object.entries(asked.scores(sums[at] as ScoreSums)).map(([metric, value]) => [
          metric === '' ? name : `${metric}/${name}`,
          value,
        ]),
      ),
    );
  }
  return scores;
};
