/** Clips with one class each. */
import { fault, type Sample } from '../samples/sample.ts';
import { clipBaselines } from './clip-baselines.ts';
import type { DatasetKind } from './dataset-kind.ts';
import {
  clipColumns,
  clipMetadata,
  clipRows,
  shownFrames,
  syntheticClips,
  videoSection,
} from './clip-rows.ts';
import { batchRows } from './row-batches.ts';
import { drawnLabels } from './synthetic-rows.ts';

const labelOf = ({ id, label }: Sample) =>
  label === undefined ? fault(id, 'no-label', 'expected a label, got none') : { label };

export const labelledVideo: DatasetKind = Object.freeze({
  name: 'labelled-video',
  summary: 'clips with one class each, as frames',
  modalities: ['visual'],
  hasClasses: true,
  needsTokenizer: false,
  pixelColumns: ['frames'],
  section: videoSection,
  columns: () => ({ id: 'utf8', ...clipColumns, label: 'int32' }),
  metadata: clipMetadata,
  shown: shownFrames,
  batches: (samples, options) => batchRows(clipRows(samples, options, labelOf), options),
  baselines: async (context) => ({ baselines: await clipBaselines(context) }),
  synthetic: (options) => ({ ...syntheticClips(options), label: drawnLabels(options) }),
} satisfies DatasetKind);
