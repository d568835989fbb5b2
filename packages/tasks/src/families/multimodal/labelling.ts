/** Several labels of samples of several inputs: each label holds or not, whatever the others do. */
import { reportMean, reportStatistic } from '@polygate/evaluation';
import { listRow, type RecordBatch } from '@polygate/stream';
import { defineTask } from '../../task.ts';
import { defineTaskFamily } from '../family.ts';
import { chosenLabels, formatLabels, type LabelPrediction } from '../label-answers.ts';
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

const FAMILY = 'multimodal-labelling';
const VERB = 'label-sample';

/** [C] 1 where a label holds, of each row. */
const flagsOf = (batch: RecordBatch, classes: number): readonly Uint8Array[] =>
  Array.from({ length: batch.numRows }, (_, row) => {
    const flags = new Uint8Array(classes);
    for (const label of listRow(batch, 'labels', row)) flags[Number(label)] = 1;
    return flags;
  });

const sigmoid = (score: number): number => 1 / (1 + Math.exp(-score));

/** `predict label-sample`: every label with its own probability. */
const labelSample = samplePredictor<LabelPrediction, object, typeof VERB>({
  verb: VERB,
  summary:
    'the labels of samples of one or several inputs, each with a probability of its own: JSON objects, files, rows of a table',
  family: FAMILY,
  key: 'labels',
  asked: (model, { task: wanted }) => {
    const { labels, served, task } = chosenLabels(model, { task: wanted }, { verb: VERB, family: FAMILY });
    return { names: labels, served, task };
  },
  answers: (scores, { names }) =>
    names
      .map((label, at) => ({ label, probability: sigmoid(scores[at] ?? Number.NaN) }))
      .sort((a, b) => b.probability - a.probability),
  format: formatLabels,
});

/** Micro-F1 of some rows: 2 TP / (2 TP + FP + FN); 1 where nothing is asked and nothing said. */
const microF1 =
  (rows: readonly (readonly [hits: number, said: number, asked: number])[]) =>
  (indices: Int32Array): number => {
    let [hits, rest] = [0, 0];
    for (const at of indices) {
      const [right = 0, said = 0, asked = 0] = rows[at] ?? [];
      hits += right;
      rest += said + asked;
    }
    return rest === 0 ? 1 : (2 * hits) / rest;
  };

export const multimodalLabelling = defineTaskFamily({
  ...multimodalFields,
  name: FAMILY,
  summary: 'which labels hold of a sample of one or several inputs',
  kind: 'multimodal-labels',
  defaults: { labelSmoothing: 0 },
  taskName: (dataset) => dataset,
  create(name, settings, { dataset, tokenizer, image }) {
    const { lossWeight, labelSmoothing } = settings;
    const { classes = [] } = dataset;
    const kept = keptOfSettings(settings, dataset);
    const read = readerOf(kept, { image, tokenizer });
    const targets = namedTargets(`classes:${name}`, classes, { kept, tokenizer }).whole();
    const facts = { name, family: FAMILY, signature: signatureOf(kept), lossWeight, labelSmoothing };
    return defineTask(facts, (batch, collation) => ({
      inputs: read(batch, collation),
      queries: 'prefix',
      labels: new Int32Array(0),
      values: Float32Array.from(flagsOf(batch, classes.length).flatMap((flags) => [...flags])),
      targets,
      loss: 'multi-label',
    }));
  },
  kept: (settings, dataset) => ({ ...keptOfSettings(settings, dataset) }),
  keepsClasses: true,
  notes: [
    'A label is said to hold from a probability of 0.5 on. noLabels says that none does, majority of each label what most training samples have.',
    FEATURES_NOTE,
  ],
  async evaluate(context) {
    const { dataset, split, seed } = context;
    const { classes = [] } = dataset;
    const { scores, asked, groups, name } = await scoreSplit(context, FAMILY, {
      names: classes,
      asked: (rows) => flagsOf(rows, classes.length),
    });
    const rows = asked.map((flags, row) => {
      const said = flags.map((_, at) => Number((scores[row * classes.length + at] ?? Number.NaN) > 0));
      const hits = flags.reduce((sum, flag, at) => sum + flag * (said[at] ?? 0), 0);
      const sum = (each: Uint8Array) => each.reduce((total, flag) => total + flag, 0);
      return {
        counts: [hits, sum(said), sum(flags)] as const,
        right: flags.map((flag, at) => Number(flag === said[at])),
      };
    });
    const meanOf = (each: Uint8Array): number => each.reduce((total, flag) => total + flag, 0) / each.length;
    const report = { task: `${name} labels`, split } as const;
    const bootstrap = { seed, groups: [...groups], range: [0, 1] } as const;
    const none = asked.reduce((total, flags) => total + 1 - meanOf(flags), 0) / asked.length;
    return [
      reportStatistic(
        {
          ...report,
          metric: 'micro-F1',
          chance: null,
          baselines: suiteBaselines(context, 'micro-F1'),
        },
        { count: rows.length, statistic: microF1(rows.map(({ counts }) => counts)) },
        bootstrap,
      ),
      reportMean(
        {
          ...report,
          metric: 'label accuracy',
          chance: 0.5,
          baselines: { noLabels: none, ...suiteBaselines(context, 'label accuracy') },
        },
        rows.map(({ right }) => meanOf(right)),
        bootstrap,
      ),
    ];
  },
  predict: labelSample,
});
