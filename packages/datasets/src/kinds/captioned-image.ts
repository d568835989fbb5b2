import { captionBaselines } from './caption-baselines.ts';
import type { DatasetKind } from './dataset-kind.ts';
import { imageBatches, imageColumn, imageMetadata } from './image-rows.ts';
import { drawnPhrase, noiseImages, rowIds } from './synthetic-rows.ts';
import { captionedThumbnails } from './thumbnails.ts';

/** Images with one or several captions each; `captions` are token ids without end token. */
export const captionedImage: DatasetKind = Object.freeze({
  name: 'captioned-image',
  summary: 'images with one or several captions each',
  modalities: ['visual', 'text'],
  hasClasses: false,
  needsTokenizer: true,
  pixelColumns: ['image'],
  columns: (options) => ({
    id: 'utf8',
    image: imageColumn(options),
    captions: { list: { list: 'int32' } },
  }),
  metadata: imageMetadata,
  thumbnails: captionedThumbnails,
  batches: (samples, options) => imageBatches(samples, { ...options, ...options.image }),
  baselines: captionBaselines,
  synthetic: (options) => ({
    id: rowIds(options),
    image: noiseImages(options),
    captions: rowIds(options).map(() => [drawnPhrase(options)]),
  }),
} satisfies DatasetKind);
