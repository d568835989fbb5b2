/** What is asked of multimodal samples as numbers, and how what simple systems say is scored. */
import { fixedListRow, listRow, values } from '@polygate/stream';
import type { AskedNumbers } from './multimodal-baselines.ts';

/** 1 where a class or label holds, -1 elsewhere: one against the rest. */
const signs = (count: number, holds: (at: number) => boolean): number[] =>
  Array.from({ length: count }, (_, at) => (holds(at) ? 1 : -1));

/** Position of the largest number, the first of equal ones. */
const argmax = (numbers: ArrayLike<number>): number => {
  let best = 0;
  for (let at = 1; at < numbers.length; at += 1) if ((numbers[at] ?? 0) > (numbers[best] ?? 0)) best = at;
  return best;
};

/** One class each: the share of right answers. */
export const askedClass = (classes: number): AskedNumbers => ({
  of: (batch, row) => signs(classes, (at) => at === Number(values(batch, 'label')[row] ?? -1)),
  score(said, asked, sums) {
    sums.add('rows', 1);
    sums.add('right', Number(argmax(said) === argmax(asked)));
  },
  scores: (sums) => ({ '': sums.of('right') / sums.of('rows') }),
});

/** Several labels each: micro-F1, and the share of right flags; majority says of each label what most training rows have. */
export const askedLabels = (classes: number): AskedNumbers => ({
  of(batch, row) {
    const labels = new Set(Array.from(listRow(batch, 'labels', row), Number));
    return signs(classes, (at) => labels.has(at));
  },
  constant: ['majority', (means) => means],
  score(said, asked, sums) {
    for (const [at, flag] of asked.entries()) {
      const holds = (said[at] ?? 0) > 0;
      sums.add('flags', 1);
      sums.add('right', Number(holds === flag > 0));
      sums.add('hits', Number(holds && flag > 0));
      sums.add('rest', Number(holds) + Number(flag > 0));
    }
  },
  scores(sums) {
    const rest = sums.of('rest');
    return {
      'micro-F1': rest === 0 ? 1 : (2 * sums.of('hits')) / rest,
      'label accuracy': sums.of('right') / sums.of('flags'),
    };
  },
});

/** Numbers each: mean squared and absolute errors over all of them. */
export const askedTargets = (): AskedNumbers => ({
  of: (batch, row) => Array.from(fixedListRow(batch, 'targets', row), Number),
  score(said, asked, sums) {
    for (const [at, number] of asked.entries()) {
      const error = (said[at] ?? 0) - number;
      sums.add('numbers', 1);
      sums.add('squares', error * error);
      sums.add('distances', Math.abs(error));
    }
  },
  scores: (sums) => ({
    MSE: sums.of('squares') / sums.of('numbers'),
    MAE: sums.of('distances') / sums.of('numbers'),
  }),
});
