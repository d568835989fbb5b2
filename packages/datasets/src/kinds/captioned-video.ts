/**
 * Clips with one or several captions each; `captions` are token ids without end token. `concept` names what clips belong
 * together by, such as the video that they were cut from; empty where a clip stands for itself.
 */
import type { Sample } from '../samples/sample.ts';
import { captionBaselines } from './caption-baselines.ts';
import {
  clipColumns,
  clipMetadata,
  clipRows,
  shownFrames,
  syntheticClips,
  videoSection,
} from './clip-rows.ts';
import type { DatasetKind, KindRowOptions } from './dataset-kind.ts';
import { captionsOf, noCaption } from './image-rows.ts';
import { batchRows } from './row-batches.ts';
import { drawnPhrase, rowIds } from './synthetic-rows.ts';

const othersOf =
  ({ tokenizer, onFault }: KindRowOptions) =>
  (sample: Sample) => {
    const captions = captionsOf(sample, tokenizer, onFault);
    return captions.length === 0 ? noCaption(sample) : { captions, concept: sample.group ?? '' };
  };

export const captionedVideo: DatasetKind = Object.freeze({
  name: 'captioned-video',
  summary: 'clips with one or several captions each, as frames',
  modalities: ['visual', 'text'],
  hasClasses: false,
  needsTokenizer: true,
  pixelColumns: ['frames'],
  subsetUnit: 'captions',
  section: videoSection,
  columns: () => ({
    id: 'utf8',
    ...clipColumns,
    captions: { list: { list: 'int32' } },
    concept: 'utf8',
  }),
  metadata: clipMetadata,
  shown: shownFrames,
  batches: (samples, options) => batchRows(clipRows(samples, options, othersOf(options)), options),
  baselines: captionBaselines,
  synthetic: (options) => ({
    ...syntheticClips(options),
    captions: rowIds(options).map(() => [drawnPhrase(options)]),
    concept: rowIds(options),
  }),
} satisfies DatasetKind);
