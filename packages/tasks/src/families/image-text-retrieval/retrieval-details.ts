/** What more is said of a retrieval than recalls: median rank and mean reciprocal rank, both ways. */
import {
  expectedRanks,
  meanReciprocalRank,
  median,
  medianRank,
  reportMean,
  reportStatistic,
  type DirectionRanks,
  type RetrievalScores,
  type ScoreContext,
  type ScoreReport,
} from '@polygate/evaluation';

export interface RetrievalDetailsOptions {
  /** Stands in the reports. */
  readonly name: Pick<ScoreContext, 'task' | 'split' | 'gallery'>;
  /** Of the resampling. */
  readonly seed: number;
  /** What is found, by which ranks, and what its queries share. */
  readonly directions: readonly {
    readonly target: string;
    readonly of: 'imageToText' | 'textToImage';
    readonly groups: readonly string[];
  }[];
  /** Scores of a simple system, by its name. */
  readonly simple?: readonly [name: string, scores: RetrievalScores] | undefined;
}

const pick = (values: Float64Array, indices: Int32Array): Float64Array =>
  Float64Array.from(indices, (i) => values[i] ?? 0);

/** Reports on the ranks of a split, all of them details. */
export const retrievalDetails = (
  scores: RetrievalScores,
  { name, seed, directions, simple }: RetrievalDetailsOptions,
): readonly ScoreReport[] =>
  directions.flatMap(({ target, of, groups }) => {
    const { ranks, chance } = scores.ranks[of];
    const places = expectedRanks(ranks);
    const context = (
      metric: string,
      better: 'higher' | 'lower',
      score: (of: DirectionRanks['ranks']) => number,
    ): ScoreContext => ({
      ...name,
      metric: `${target} ${metric}`,
      better,
      detail: true,
      chance: score(chance),
      ...(simple ? { baselines: { [simple[0]]: score(simple[1].ranks[of].ranks) } } : {}),
    });
    return [
      reportStatistic(
        context('median rank', 'lower', medianRank),
        {
          count: places.length,
          statistic: (indices) => median(pick(places, indices)) + 1,
          perSample: places,
        },
        { seed, groups: [...groups], range: [1, Number.POSITIVE_INFINITY] },
      ),
      reportMean(
        context('MRR', 'higher', (samples) => meanReciprocalRank(samples).value),
        meanReciprocalRank(ranks).perSample,
        { seed, groups: [...groups], range: [0, 1] },
      ),
    ];
  });
