/** Images as families see them. */
import { resolveImageInput, type ImageInput, type ImagePatches } from '@polygate/modalities';
import { fixedListRow } from '@polygate/stream';
import { patchesOf } from '../image-patches.ts';
import { createImageReader } from '../images.ts';
import type { Clip } from './clip-patches.ts';
import type { VisualSource } from './visual-source.ts';

const settings = {};

const patches = (samples: readonly Clip[], image: ImageInput): ImagePatches =>
  patchesOf(
    samples.map(({ pixels }) => pixels),
    resolveImageInput(image),
  );

export const images: VisualSource<typeof settings> = Object.freeze({
  name: 'image',
  noun: 'image',
  still: 'image',
  kinds: { labelled: 'labelled-image', captioned: 'captioned-image' },
  settings,
  frames: () => 1,
  reader: createImageReader,
  samples: (batch) =>
    Array.from({ length: batch.numRows }, (_, row) => ({
      pixels: Uint8Array.from(fixedListRow(batch, 'image', row)),
      frames: 1,
    })),
  shown: () => ({
    count: 1,
    patches,
    views: (sample, image) => patches([sample], image),
  }),
} satisfies VisualSource<typeof settings>);
