/** What is finished of a staged experiment: in the folders of its runs, and in the results that another machine wrote. */
import type { StagedBranch, StageOrder } from './staged-plan.ts';
import type { StagedRun } from './staged-results.ts';

type ResultOf = (order: StageOrder) => Promise<StagedRun | undefined>;

export interface FinishedOrders {
  /** The result of an order that is finished, here or elsewhere. */
  readonly resultOf: ResultOf;
  /** Whether nothing is to be done for it: a pre-training of elsewhere is made again where a tuning needs its weights. */
  readonly isFinished: (order: StageOrder) => Promise<boolean>;
}

export const finishedOrders = (
  branches: readonly StagedBranch[],
  recorded: ReadonlyMap<string, StagedRun>,
  stored: ResultOf,
): FinishedOrders => {
  const tuningsOf = new Map(branches.map(({ pretraining, tunings }) => [pretraining.key, tunings]));
  const resultOf: ResultOf = async (order) => (await stored(order)) ?? recorded.get(order.key);
  return {
    resultOf,
    isFinished: async (order) => {
      if (await stored(order)) return true;
      if (!recorded.has(order.key)) return false;
      const tunings = await Promise.all((tuningsOf.get(order.key) ?? []).map(resultOf));
      return tunings.every((result) => result !== undefined);
    },
  };
};
