/** Texts of samples by any method, from what decoders say of the next token. */
import { createRandom } from '@polygate/core';
import { beamSearch, type SearchOptions, type WrittenText } from './beam-search.ts';
import { sampleTexts } from './sampling.ts';
import type { TextDecoder } from './text-decoder.ts';
import type { TextRow } from './token-rules.ts';

/** What is written about. */
export interface GenerateOptions extends Omit<SearchOptions, 'next'> {
  /** Place of the first sample among all that are asked about: what draws are keyed by. @default 0 */
  readonly first?: number;
}

/** Logarithms of the means of probabilities that are given by their logarithms; those of one list alone as they are. */
const meanOfLogs = (lists: readonly Float32Array[]): Float32Array => {
  const [first = new Float32Array(0)] = lists;
  if (lists.length === 1) return first;
  return first.map((_, i) => {
    const most = Math.max(...lists.map((list) => list[i] ?? 0));
    if (most === Number.NEGATIVE_INFINITY) return most;
    const sum = lists.reduce((total, list) => total + Math.exp((list[i] ?? 0) - most), 0);
    return most + Math.log(sum / lists.length);
  });
};

/**
 * The texts of each sample, best first.
 * @param decoders one for each view of the samples: a token is as likely as in the mean of the views
 * @throws ConfigError where no token may be written; StateError (code `logits-not-finite`) for scores that have no softmax
 */
export const generate = async (
  decoders: readonly TextDecoder[],
  { first = 0, ...options }: GenerateOptions,
): Promise<readonly (readonly WrittenText[])[]> => {
  const next = async (rows: readonly TextRow[]): Promise<Float32Array> => {
    const views: Float32Array[] = [];
    for (const decoder of decoders) {
      views.push(await decoder.next(rows));
    }
    return meanOfLogs(views);
  };
  const search: SearchOptions = { ...options, next };
  const { rules } = options;
  if (rules.method !== 'sample') return beamSearch(search);
  const random = createRandom(rules.seed).fork('generation');
  return sampleTexts(search, (item, text) => random.fork(first + item).fork(text));
};
