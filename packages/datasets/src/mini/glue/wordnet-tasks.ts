/** What the tasks of WordNet share: the side of a lemma, samples, a fixed order that mixes classes. */
import { hashText } from '@polygate/core';
import type { Sample } from '../../samples/sample.ts';
import type { MiniSet } from '../mini-set.ts';
import { sideOf } from './sides.ts';
import type { TaskSide } from './understanding-task.ts';

/** As for running text: these lemmas are in no training text. */
const TEST_PERCENT = 10;

/** One sample of a task, before it has an id. */
export interface TaskSample {
  readonly id: string;
  readonly texts: readonly string[];
  readonly label: number;
  /** What decides its side, by the column of this name. */
  readonly key: string;
}

/** The first `counts` samples of each side and class, in an order drawn by the hash of their ids. */
export const drawSamples = (
  samples: readonly TaskSample[],
  counts: {
    readonly perClass?: number;
    readonly testPerClass?: number;
    readonly sideOfKey: (key: string) => TaskSide;
  },
): readonly (TaskSample & { readonly side: TaskSide })[] => {
  const { perClass = Infinity, testPerClass = Infinity, sideOfKey } = counts;
  const taken = new Map<string, number>();
  const order = samples.map((sample) => ({ sample, at: hashText(`order/${sample.id}`) }));
  order.sort((a, b) => a.at - b.at || (a.sample.id < b.sample.id ? -1 : 1));
  return order.flatMap(({ sample }) => {
    const side = sideOfKey(sample.key);
    const cell = `${side === 'test' ? side : 'train'}/${sample.label}`;
    const count = taken.get(cell) ?? 0;
    if (count >= (side === 'test' ? testPerClass : perClass)) return [];
    taken.set(cell, count + 1);
    return [{ ...sample, side }];
  });
};

/** The side of a lemma. */
export const lemmaSide = (lemma: string): TaskSide => sideOf(lemma, TEST_PERCENT);

/** Samples as a part of the suite. @param column text column that keeps the key */
export const taskSet = (
  name: string,
  samples: readonly (TaskSample & { readonly side: TaskSide })[],
  {
    column,
    every,
    classes,
  }: { readonly column: string; readonly every: number; readonly classes: readonly string[] },
): MiniSet<TaskSide> => ({
  reader: {
    name,
    classes,
    async *read(): AsyncGenerator<Sample> {
      for (const [index, { id, texts, label, key, side }] of samples.entries()) {
        if (index % every !== 0) continue;
        yield { kind: 'sample', id, texts, label, split: side, extra: { [column]: key } };
      }
    },
  },
  splitOf: ({ split }) => split as TaskSide,
});

/** A number of samples by class, the same for all: that of the rarest. */
export const rarest = (samples: readonly TaskSample[], classes: number): number =>
  Math.min(
    ...Array.from(
      { length: classes },
      (_, label) => samples.filter((sample) => sample.label === label).length,
    ),
  );
