/** Whether the images of a survey are animations: clips, if somebody wants them to be. */
import { animationFrames } from '../video/clip-decode.ts';
import { animatedExtensions } from '../video/clip-names.ts';
import type { PathSurvey, SurveyedFile } from './path-survey.ts';

/** Files that are looked at. */
const MAX_LOOKED = 16;

/** What a look at some of the images says. */
export interface AnimatedImages {
  /** Images that may be animations, by their names. */
  readonly candidates: number;
  readonly looked: number;
  /** Of those that were looked at, those of several frames. */
  readonly animated: number;
  /** Whether all images that were looked at are animations, and no other images are there. */
  readonly all: boolean;
}

/** Looks at some files, evenly over all of them: at least the first and the last. */
const spread = <T>(items: readonly T[], most: number): readonly T[] =>
  items.length <= most
    ? items
    : Array.from({ length: most }, (_, at) => Math.round((at * (items.length - 1)) / (most - 1))).map(
        (index) => items[index] as T,
      );

/** @param images files of the survey that are images by their names */
export const lookForAnimations = async (
  survey: PathSurvey,
  images: readonly SurveyedFile[],
): Promise<AnimatedImages> => {
  const candidates = images.filter(({ extension }) => animatedExtensions.has(extension));
  const looked = spread(candidates, MAX_LOOKED);
  let animated = 0;
  for (const { id } of looked) {
    // One that can't be read is the reader's to report.
    const frames = await animationFrames(survey.at(id)).catch(() => 1);
    if (frames > 1) animated += 1;
  }
  const all = animated > 0 && animated === looked.length && candidates.length === images.length;
  return { candidates: candidates.length, looked: looked.length, animated, all };
};

/** A number with its noun, for reasons. */
export const countOf = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;

/** Of many images what was seen of some, for reasons. */
export const animatedText = ({ candidates, looked, animated }: AnimatedImages): string =>
  candidates === looked
    ? countOf(animated, 'animated image')
    : `animated images (${animated} of ${looked} that were looked at, of ${candidates})`;
