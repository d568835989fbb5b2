/**
 * Numbers of samples of several inputs. A model is trained on numbers of mean 0 and deviation 1 over the training split; what
 * it says is brought back to theirs.
 */
import { reportMean } from '@polygate/evaluation';
import { fixedListRow, fixedListValues, type NumberStatistics } from '@polygate/stream';
import { defineTask } from '../../task.ts';
import { servedTask } from '../../serving.ts';
import { StateError } from '@polygate/core';
import { defineTaskFamily, type DescribedDataset } from '../family.ts';
import { FEATURES_NOTE } from '../report-notes.ts';
import {
  keptOfSettings,
  multimodalFields,
  namedTargets,
  readerOf,
  samplePredictor,
  scoreSplit,
  suiteBaselines,
} from './multimodal-family.ts';
import { signatureOf } from './task-inputs.ts';

const FAMILY = 'multimodal-regression';
const VERB = 'estimate-sample';

/** The numbers that a dataset asks, and how they are scaled. */
interface Outputs {
  readonly outputs: readonly string[];
  readonly outputStatistics: readonly NumberStatistics[];
}

const outputsOf = ({ settings = {} }: Pick<DescribedDataset, 'settings'>): Outputs => {
  const { outputs = ['output'], outputStatistics } = settings as Partial<Outputs>;
  return { outputs, outputStatistics: outputStatistics ?? outputs.map(() => ({ mean: 0, deviation: 1 })) };
};

/** Numbers that never change are left at their distance from the mean. */
const factorOf = (statistics: NumberStatistics | undefined): number => statistics?.deviation || 1;

const standardised = (value: number, statistics: NumberStatistics | undefined): number =>
  (value - (statistics?.mean ?? 0)) / factorOf(statistics);
const restored = (value: number, statistics: NumberStatistics | undefined): number =>
  value * factorOf(statistics) + (statistics?.mean ?? 0);

/** A number that is asked, as it is said of a sample. */
export interface NumberEstimate {
  readonly name: string;
  readonly value: number;
}

/** `predict estimate-sample`. */
const estimateSample = samplePredictor<NumberEstimate, object, typeof VERB>({
  verb: VERB,
  summary:
    'the numbers of samples of one or several inputs that a model was trained to estimate: JSON objects, files, rows of a table',
  family: FAMILY,
  key: 'numbers',
  asked: (model, { task: wanted }) => {
    const served = servedTask(model, FAMILY, { task: wanted });
    if (served?.family === FAMILY) return { names: outputsOf(served).outputs, served, task: served.name };
    throw new StateError(
      `${VERB}: expected a model that was trained to estimate numbers, got one of ${model.tasks.map(({ family }) => family).join(', ') || 'no task'}; ask a model of ${FAMILY}`,
      { code: 'no-outputs' },
    );
  },
  answers: (scores, { names, served }) => {
    const { outputStatistics } = outputsOf(served ?? {});
    return names.map((name, at) => ({
      name,
      value: restored(scores[at] ?? Number.NaN, outputStatistics[at]),
    }));
  },
  format: (answers) => answers.map(({ name, value }) => `${name}: ${value.toPrecision(6)}`).join('\n'),
});

export const multimodalRegression = defineTaskFamily({
  ...multimodalFields,
  name: FAMILY,
  summary: 'numbers of a sample of one or several inputs',
  kind: 'multimodal-numbers',
  defaults: { labelSmoothing: 0 },
  taskName: (dataset) => dataset,
  create(name, settings, { dataset, tokenizer, image }) {
    const { lossWeight, labelSmoothing } = settings;
    const kept = keptOfSettings(settings, dataset);
    const { outputs, outputStatistics } = outputsOf(dataset);
    const read = readerOf(kept, { image, tokenizer });
    const targets = namedTargets(`outputs:${name}`, outputs, { kept, tokenizer }).whole();
    const facts = { name, family: FAMILY, signature: signatureOf(kept), lossWeight, labelSmoothing };
    return defineTask(facts, (batch, collation) => ({
      inputs: read(batch, collation),
      queries: 'prefix',
      labels: new Int32Array(0),
      values: Float32Array.from(fixedListValues(batch, 'targets'), (value, i) =>
        standardised(Number(value), outputStatistics[i % outputs.length]),
      ),
      targets,
      loss: 'regression',
    }));
  },
  kept: (settings, dataset) => ({ ...keptOfSettings(settings, dataset), ...outputsOf(dataset) }),
  notes: ['trainingMean answers with the mean of each number over the training split.', FEATURES_NOTE],
  async evaluate(context) {
    const { dataset, split, seed } = context;
    const { outputs, outputStatistics } = outputsOf(dataset);
    const { scores, asked, groups, name } = await scoreSplit(context, FAMILY, {
      names: outputs,
      asked: (rows) =>
        Array.from({ length: rows.numRows }, (_, row) =>
          Array.from(fixedListRow(rows, 'targets', row), Number),
        ),
    });
    /** The mean over outputs of a measure of errors, for each row. */
    const errors = (
      saidOf: (row: number, at: number) => number,
      measure: (error: number) => number,
    ): number[] =>
      asked.map(
        (wanted, row) =>
          wanted.reduce((sum, value, at) => sum + measure(saidOf(row, at) - value), 0) / outputs.length,
      );
    const said = (row: number, at: number): number =>
      restored(scores[row * outputs.length + at] ?? Number.NaN, outputStatistics[at]);
    const mean = (_: number, at: number): number => outputStatistics[at]?.mean ?? 0;
    const measures = { MSE: (error: number) => error * error, MAE: Math.abs } as const;
    return Object.entries(measures).map(([metric, measure]) => {
      const simple = errors(mean, measure);
      const trainingMean = simple.reduce((sum, value) => sum + value, 0) / simple.length;
      return reportMean(
        {
          task: `${name} regression`,
          split,
          metric,
          better: 'lower',
          chance: null,
          baselines: { trainingMean, ...suiteBaselines(context, metric) },
        },
        errors(said, measure),
        { seed, groups: [...groups], range: [0, Number.POSITIVE_INFINITY] },
      );
    });
  },
  predict: estimateSample,
});
