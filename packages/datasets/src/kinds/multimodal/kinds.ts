/** Samples of several inputs with one class, several labels, or numbers as what is asked of them. */
import type { FieldKind } from '@polygate/stream';
import { fault, type Fault, type Sample } from '../../samples/sample.ts';
import { splitFolder } from '../../suite/suite.ts';
import type { DatasetKind, KindSettings, SyntheticOptions } from '../dataset-kind.ts';
import { imageMetadata } from '../image-rows.ts';
import { labelBaselines } from '../label-baselines.ts';
import { batchRows, type Row } from '../row-batches.ts';
import { drawnLabels } from '../synthetic-rows.ts';
import { askedClass, askedLabels, askedTargets } from './asked-numbers.ts';
import { measureInputs } from './input-statistics.ts';
import { multimodalBaselines } from './multimodal-baselines.ts';
import { inputColumns, multimodalRows, storedInputs, syntheticInputs } from './multimodal-rows.ts';

/** Names of the numbers that are asked of samples. */
const outputsOf = (settings: KindSettings): readonly string[] =>
  (settings['outputs'] as readonly string[] | undefined) ?? ['output'];

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
  async baselines(context) {
    const simple = await multimodalBaselines(context, askedClass(context.dataset.classes?.length ?? 1));
    const byLabel = Object.entries(await labelBaselines(context));
    return {
      baselines: Object.fromEntries(
        byLabel.map(([split, scores]) => [split, { ...scores, ...simple[split] }]),
      ),
    };
  },
});

/** Several labels each, any number of the classes. */
export const multimodalLabels = multimodalKind({
  name: 'multimodal-labels',
  summary: 'samples of one or several inputs, with any number of labels each',
  hasClasses: true,
  subsetUnit: 'samples',
  columns: () => ({ labels: { list: 'int32' } }),
  of: ({ id, targets }) =>
    targets ? { labels: Int32Array.from(targets) } : fault(id, 'no-label', 'expected labels, got none'),
  baselines: async (context) => ({
    baselines: await multimodalBaselines(context, askedLabels(context.dataset.classes?.length ?? 0)),
  }),
  synthetic: ({ rows, classes, random }) => ({
    labels: Array.from({ length: rows }, () => [random.integer(classes.length)]) as never,
  }),
});

/** Numbers each. */
export const multimodalNumbers = multimodalKind({
  name: 'multimodal-numbers',
  summary: 'samples of one or several inputs, with one or several numbers that are asked',
  hasClasses: false,
  columns: (settings) => ({ targets: { fixedList: 'float32', size: outputsOf(settings).length } }),
  of({ id, targets }, settings) {
    const count = outputsOf(settings).length;
    return targets?.length === count && targets.every(Number.isFinite)
      ? { targets: Float32Array.from(targets) }
      : fault(
          id,
          'no-target',
          `expected ${count} finite numbers that are asked, got ${targets?.join(', ') ?? 'none'}`,
        );
  },
  baselines: async (context) => ({ baselines: await multimodalBaselines(context, askedTargets()) }),
  synthetic: ({ rows, random, settings }) => ({
    targets: Float32Array.from({ length: rows * outputsOf(settings).length }, () => random.normal()),
  }),
});
