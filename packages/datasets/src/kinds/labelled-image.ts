import type { DatasetKind } from './dataset-kind.ts';
import { imageColumn, imageMetadata, imageBatches } from './image-rows.ts';
import { labelBaselines } from './label-baselines.ts';
import { drawnLabels, noiseImages, rowIds } from './synthetic-rows.ts';
import { labelledThumbnails } from './thumbnails.ts';

/** Images with one class each. */
export const labelledImage: DatasetKind = Object.freeze({
  name: 'labelled-image',
  summary: 'images with one class each',
  modalities: ['visual'],
  hasClasses: true,
  needsTokenizer: false,
  pixelColumns: ['image'],
  columns: (options) => ({ id: 'utf8', image: imageColumn(options), label: 'int32' }),
  metadata: imageMetadata,
  thumbnails: labelledThumbnails,
  batches: (samples, options) => imageBatches(samples, { ...options, ...options.image }),
  baselines: async (context) => ({ baselines: await labelBaselines(context, { images: true }) }),
  synthetic: (options) => ({
    id: rowIds(options),
    image: noiseImages(options),
    label: drawnLabels(options),
  }),
} satisfies DatasetKind);
