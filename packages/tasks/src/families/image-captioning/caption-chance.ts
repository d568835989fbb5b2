/**
 * What captions score that look at no image: the expectation of a random caption of a random training image.
 * Of a mean over images it is exact where all captions fit the budget, each weighed by how often it is drawn; beyond it,
 * and of BLEU, which is of a corpus, it is the mean over seeded draws of a caption for every image.
 */
import { createRandom } from '@polygate/core';
import {
  bleuCounts,
  bleuOfCounts,
  sumBleuCounts,
  type BleuCounts,
  type CaptionPair,
} from '@polygate/evaluation';

/** Pairs of an image and a caption that are scored for one metric: half a second to two. */
const MOST_PAIRS = 20_000;
/** Draws of the whole split, however few its images are. */
const MOST_DRAWS = 500;

export interface CaptionChance {
  /** Expectation of a mean over images. */
  readonly mean: (score: (pairs: readonly CaptionPair[]) => { readonly value: number }) => number;
  /** Mean BLEU-4 of the draws. */
  readonly bleu4: () => number;
}

/**
 * @param training captions of each training image
 * @param references captions of each image of the split
 * @param options.mostPairs pairs that are scored for one metric @default 20,000
 */
export const captionChance = (
  training: readonly (readonly string[])[],
  references: readonly (readonly string[])[],
  options: { readonly seed: number; readonly mostPairs?: number },
): CaptionChance => {
  const { seed, mostPairs = MOST_PAIRS } = options;
  const captioned = training.filter((captions) => captions.length > 0);
  const shares = new Map<string, number>();
  for (const captions of captioned) {
    const share = 1 / (captioned.length * captions.length);
    for (const text of captions) shares.set(text, (shares.get(text) ?? 0) + share);
  }
  const pairsOf = (textOf: (image: number) => string): CaptionPair[] =>
    references.map((captions, image) => ({ candidate: textOf(image), references: captions }));
  const draws = Math.min(MOST_DRAWS, Math.ceil(mostPairs / Math.max(1, references.length)));
  const drawn = function* (): Generator<readonly CaptionPair[]> {
    const random = createRandom(seed).fork('chance');
    for (let draw = 0; draw < draws; draw += 1) {
      yield pairsOf(() => {
        const captions = captioned[random.integer(captioned.length)] ?? [];
        return captions[random.integer(captions.length)] ?? '';
      });
    }
  };
  return {
    mean: (score) => {
      let sum = 0;
      if (shares.size * references.length <= mostPairs) {
        for (const [text, share] of shares) sum += share * score(pairsOf(() => text)).value;
        return sum;
      }
      for (const pairs of drawn()) sum += score(pairs).value;
      return sum / draws;
    },
    bleu4: () => {
      const cached = references.map(() => new Map<string, BleuCounts>());
      let sum = 0;
      for (const pairs of drawn()) {
        const counts = pairs.map((pair, image) => {
          const bleuCount = cached[image]?.get(pair.candidate) ?? bleuCounts(pair);
          cached[image]?.set(pair.candidate, bleuCount);
          return bleuCount;
        });
        sum += bleuOfCounts(sumBleuCounts(counts)).bleu[3];
      }
      return sum / draws;
    },
  };
};
