/**
 * Clips as families see them: T frames, a stride apart, from a start that training draws for each sample; evaluation takes
 * one view or several, spread evenly (Uni-Perceiver-MoE, section 4.2; the published code's temporal views).
 */
import { rowRandom, sharedRandom } from '@polygate/core';
import { clipPatches, clipsOf } from './clip-patches.ts';
import { viewStart } from './clip-views.ts';
import { viewFields, viewSettingsOf } from './view-settings.ts';
import type { VisualSource } from './visual-source.ts';

export const clips: VisualSource<typeof viewFields> = Object.freeze({
  name: 'video',
  noun: 'clip',
  still: 'middle frame',
  kinds: { labelled: 'labelled-video', captioned: 'captioned-video' },
  settings: viewFields,
  frames: ({ frames }) => frames,
  kept: ({ frames, stride, views }, dataset) => ({
    frames,
    stride,
    views,
    ...(dataset.settings ? { sampling: dataset.settings } : {}),
  }),
  reader:
    ({ image, frames, stride, augmentation, view = { index: 0, of: 1 } }) =>
    (batch, { random, training }) =>
      clipPatches(clipsOf(batch), image, {
        view: { frames, stride },
        start: (i, last) =>
          training ? rowRandom(random, i, 'frames').integer(last + 1) : viewStart(last, view.index, view.of),
        ...(training
          ? {
              augmentation,
              rowRandom: (i: number) => rowRandom(random, i, 'augmentation'),
              stepRandom: sharedRandom(random).fork('augmentation'),
            }
          : {}),
      }),
  samples: clipsOf,
  shown(task) {
    const { frames, stride, views } = viewSettingsOf(task);
    const view = { frames, stride };
    return {
      count: views,
      patches: (samples, image, index) =>
        clipPatches(samples, image, { view, start: (_, last) => viewStart(last, index, views) }),
      views: (sample, image) =>
        clipPatches(
          Array.from({ length: views }, () => sample),
          image,
          { view, start: (index, last) => viewStart(last, index, views) },
        ),
    };
  },
} satisfies VisualSource<typeof viewFields>);
