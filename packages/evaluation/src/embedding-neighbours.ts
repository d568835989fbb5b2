/**
 * Classification by the nearest embeddings: what a frozen encoder knows of classes without any training. N training rows ·
 * Q queries · C classes · D values.
 */
import { ConfigError, requireWhole, unknownName } from '@polygate/core';
import {
  countEmbeddings,
  countLabelled,
  requireSameWidth,
  unitRows,
  type Embeddings,
  type LabelledEmbeddings,
} from './embeddings.ts';

const weightings = {
  /** Every neighbour counts the same. */
  uniform: () => 1,
  /** exp(cosine / temperature), as Wu et al. (2018) and DINO weigh neighbours. */
  similarity: (cosine: number, temperature: number) => Math.exp((cosine - 1) / temperature),
} as const;

export interface EmbeddingNeighboursOptions {
  readonly classes: number;
  /** Neighbours that vote, 1 to N. @default 20, or N where there are fewer */
  readonly k?: number;
  /** @default 'similarity' */
  readonly weighting?: keyof typeof weightings;
  /** Of the weights by similarity. @default 0.07 */
  readonly temperature?: number;
}

const DEFAULT_K = 20;

/**
 * Share of the votes of each class for each query, float64 [Q, C]: the k training rows with the largest cosine vote for
 * their classes. Of equal cosines the rows that come first vote, which is the order of the training set and no seed.
 * @throws ShapeError; ConfigError for k outside 1 to N, labels outside the classes, values that are not finite
 */
export const neighbourVotes = (
  train: LabelledEmbeddings,
  queries: Embeddings,
  options: EmbeddingNeighboursOptions,
): Float64Array => {
  const { classes, weighting = 'similarity', temperature = 0.07 } = options;
  const rows = countLabelled('neighbourVotes', train, classes);
  const count = countEmbeddings('neighbourVotes', queries);
  requireSameWidth('neighbourVotes', train, queries);
  const { k = Math.min(DEFAULT_K, rows) } = options;
  requireWhole('neighbourVotes: k', k, { most: rows });
  const weigh = Object.hasOwn(weightings, weighting) ? weightings[weighting] : undefined;
  if (!weigh) throw unknownName('weighting of neighbours', weighting, Object.keys(weightings));
  if (!(temperature > 0)) {
    throw new ConfigError(`neighbourVotes: expected a temperature above 0, got ${temperature}`);
  }
  const [references, points] = [unitRows(train), unitRows(queries)];
  const { width } = train;
  const votes = new Float64Array(count * classes);
  const cosines = new Float64Array(rows);
  for (let q = 0; q < count; q += 1) {
    for (let r = 0; r < rows; r += 1) {
      let sum = 0;
      for (let d = 0; d < width; d += 1) {
        sum += (points[q * width + d] as number) * (references[r * width + d] as number);
      }
      cosines[r] = sum;
    }
    // What the k-th largest cosine is: all above it vote, and of its equals the first.
    const least = Float64Array.from(cosines).sort()[rows - k] as number;
    let equals = k;
    for (const cosine of cosines) if (cosine > least) equals -= 1;
    let total = 0;
    for (let r = 0; r < rows; r += 1) {
      const cosine = cosines[r] as number;
      if (cosine < least) continue;
      if (cosine === least) {
        if (equals === 0) continue;
        equals -= 1;
      }
      const weight = weigh(cosine, temperature);
      const at = q * classes + (train.labels[r] as number);
      votes[at] = (votes[at] as number) + weight;
      total += weight;
    }
    for (let c = 0; c < classes; c += 1) votes[q * classes + c] = (votes[q * classes + c] as number) / total;
  }
  return votes;
};
