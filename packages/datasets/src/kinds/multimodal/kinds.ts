/** Samples of several inputs with one class, several labels, or numbers as what is asked of them. */
import type { FieldKind } from '@polygate/stream';
import { fault, type Fault, type Sample } from '../../samples/sample.ts';
import { splitFolder } from '../../suite/suite.ts';
import type { DatasetKind, KindSettings, SyntheticOptions } from '../dataset-kind.ts';
import { imageMetadata } from '../image-rows.ts';
import { labelBaselines } from '../label-baselines.ts';
import { batchRows, type Row } from '../row-batches.ts';
import { drawnLabels } from '../synthetic-rows.ts';
import { measureInputs } from './input-statistics.ts';
import { inputColumns, multimodalRows, storedInputs, syntheticInputs } from './multimodal-rows.ts';

/** What kinds of multimodal samples differ in: what is asked. */
interface Asked extends Pick<DatasetKind, 'name' | 'summary' | 'hasClasses' | 'subsetUnit'> {
  columns(settings: KindSettings): Readonly<Record<string, FieldKind>>;
  of(sample: Sample, settings: KindSettings): Row | Fault;
  synthetic(options: SyntheticOptions): Row;
  readonly baselines?: DatasetKind['baselines'];
}

const multimodalKind = ({ columns, of, synthetic, baselines, ...asked }: Asked): DatasetKind =>
  Object.freeze({
    ...asked,
    modalities: ['any'],
    modalitiesOf: (settings: KindSettings) =>
      Object.values(storedInputs(settings)).map(({ modality }) => modality),
    needsTokenizer: true,
    told: (settings: KindSettings) => settings,
    columns: (options) => ({ ...inputColumns(options), ...columns(options.settings) }),
    metadata: (options) =>
      Object.values(storedInputs(options.settings)).some(({ form }) => form === 'image')
        ? imageMetadata(options)
        : {},
    batches: (samples, options) =>
      batchRows(
        multimodalRows(samples, options, (sample) => of(sample, options.settings)),
        options,
      ),
    measured: ({ directory, dataset }) =>
      measureInputs(splitFolder(directory, dataset, 'train'), dataset.settings ?? {}),
    ...(baselines ? { baselines } : {}),
    synthetic: (options) => ({ ...syntheticInputs(options), ...synthetic(options) }) as never,
  } satisfies DatasetKind);

/** One class each. */
export const multimodalClasses = multimodalKind({
  name: 'multimodal-classes',
  summary: 'samples of one or several inputs (series, tables, sounds, images, texts), with one class each',
  hasClasses: true,
  columns: () => ({ label: 'int32' }),
  of: ({ id, label }) =>
    label === undefined ? fault(id, 'no-label', 'expected a label, got none') : { label },
  synthetic: (options) => ({ label: drawnLabels(options) }),
  baselines: async (context) => ({ baselines: await labelBaselines(context) }),
});
