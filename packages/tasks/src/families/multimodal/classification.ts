/** Classes of samples of several inputs: the prefix of all inputs against that of each class name. */
import { createRandom } from '@polygate/core';
import { nameCandidates } from '../../candidates.ts';
import { groupsOf } from '../../evaluation/context.ts';
import { scoredTask } from '../../evaluation/scored-task.ts';
import { splitBatches } from '../../evaluation/split-rows.ts';
import { softmaxRows } from '../../scores.ts';
import { defineTask } from '../../task.ts';
import { classReports, joinScores } from '../class-reports.ts';
import { classLabels, createClassCandidates } from '../class-targets.ts';
import { defineTaskFamily } from '../family.ts';
import {
  chosenLabels,
  formatLabels,
  labelsOption,
  rankedLabels,
  type LabelChoice,
  type LabelPrediction,
} from '../label-answers.ts';
import type { FilePredictor } from '../predictor.ts';
import { MAJORITY_NOTE } from '../report-notes.ts';
import { maximumTokens } from '../settings.ts';
import { sampleSequences } from './sample-files.ts';
import {
  inputReader,
  inputSettings,
  keptInputs,
  keptOf,
  LONGEST_TEXT,
  multimodalInputs,
  multimodalSegments,
  signatureOf,
  targetRow,
} from './task-inputs.ts';
import { sizeOfInputs } from './task-size.ts';

const FAMILY = 'multimodal-classification';
const VERB = 'classify-sample';

/** `predict classify-sample`. */
const samplePredictor: FilePredictor<LabelPrediction, LabelChoice, typeof VERB> = {
  verb: VERB,
  summary:
    'the class of a sample of one or several inputs, likeliest first; a file of NumPy (.npz) with an array for each',
  input: 'files',
  argument: 'sample',
  options: [labelsOption],
  key: 'labels',
  async predict(model, path, options) {
    const { labels, served, task } = chosenLabels(model, options, { verb: VERB, family: FAMILY });
    const kept = keptOf(served?.settings);
    const set = nameCandidates('labels', labels, {
      tokenizer: model.tokenizer,
      row: targetRow(kept),
      maximum: model.maximumTokens,
    });
    const inputs = await sampleSequences(path, { model, served, reading: options.reading });
    const batch = { inputs, queries: 'prefix', targets: set.whole(), temperature: FAMILY } as const;
    return rankedLabels(labels, softmaxRows(await model.scores(batch, { task }), labels.length));
  },
  format: formatLabels,
};

export const multimodalClassification = defineTaskFamily({
  name: FAMILY,
  summary: 'the class of a sample of one or several inputs, among the names of the classes',
  kind: 'multimodal-classes',
  settings: { inputs: inputSettings, maximumTokens },
  defaults: { labelSmoothing: 0.1 },
  segments: multimodalSegments,
  inputs: multimodalInputs,
  taskName: (dataset) => dataset,
  longestText: LONGEST_TEXT,
  create(
    name,
    { inputs, lossWeight, labelSmoothing, maximumTokens: longest },
    { dataset, tokenizer, image },
  ) {
    const kept = {
      inputs: keptInputs(inputs, dataset),
      ...(longest === undefined ? {} : { maximumTokens: longest }),
    };
    const { classes = [] } = dataset;
    const read = inputReader(multimodalInputs(kept as never, { image, tokenizer }));
    const choose = createClassCandidates({ name, classes, tokenizer, row: targetRow(kept) });
    const facts = { name, family: FAMILY, signature: signatureOf(kept), lossWeight, labelSmoothing };
    return defineTask(facts, (batch, collation) => ({
      inputs: read(batch, collation),
      queries: 'prefix',
      ...choose(classLabels(batch, { name, classes }), collation),
      loss: 'cross-entropy',
    }));
  },
  kept: ({ inputs, maximumTokens: longest }, dataset) => ({
    inputs: keptInputs(inputs, dataset),
    ...(longest === undefined ? {} : { maximumTokens: longest }),
  }),
  keepsClasses: true,
  tuning: { head: true },
  size: sizeOfInputs,
  notes: [MAJORITY_NOTE],
  async evaluate(context) {
    const { model, data, dataset, split, seed } = context;
    const { classes = [] } = dataset;
    const { task, serving, name } = scoredTask(context, FAMILY);
    const kept =
      task?.dataset === dataset.name ? keptOf(task.settings) : { inputs: keptInputs(undefined, dataset) };
    const { tokenizer, image } = model;
    const read = inputReader(multimodalInputs(kept as never, { image, tokenizer }));
    const choose = createClassCandidates({ name, classes, tokenizer, row: targetRow(kept) });
    const collation = { random: createRandom(seed), training: false };
    const scores: Float32Array[] = [];
    const labels: number[] = [];
    const groups: string[] = [];
    for await (const rows of splitBatches(await data.shards(dataset.name, split), context)) {
      const chosen = choose(classLabels(rows, { name, classes }), collation);
      const inputs = read(rows, collation);
      const batch = { inputs, queries: 'prefix', targets: chosen.targets, temperature: FAMILY } as const;
      scores.push(await model.scores(batch, { task: serving }));
      labels.push(...chosen.labels);
      groups.push(...groupsOf(rows));
    }
    const { chance: _, ...baselines } = dataset.baselines?.[split] ?? {};
    return classReports(
      { scores: joinScores(scores), labels, groups, classes: classes.length },
      {
        task: `${name} classification`,
        split,
        seed,
        baselines,
        detailsOf: context.details ? classes : undefined,
      },
    );
  },
  predict: samplePredictor,
});
