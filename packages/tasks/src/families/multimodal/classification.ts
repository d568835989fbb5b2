/** Classes of samples of several inputs: the prefix of all inputs against that of each class name. */
import { values } from '@polygate/stream';
import { softmaxRows } from '../../scores.ts';
import { defineTask } from '../../task.ts';
import { classReports } from '../class-reports.ts';
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
import { FEATURES_NOTE, MAJORITY_NOTE } from '../report-notes.ts';
import {
  keptOfSettings,
  multimodalFields,
  readerOf,
  samplePredictor,
  scoreSplit,
  suiteBaselines,
} from './multimodal-family.ts';
import { signatureOf, targetRow } from './task-inputs.ts';

const FAMILY = 'multimodal-classification';
const VERB = 'classify-sample';

/** `predict classify-sample`. */
const classifySample = samplePredictor<LabelPrediction, LabelChoice, typeof VERB>({
  verb: VERB,
  summary:
    'the class of samples of one or several inputs, likeliest first: a JSON object of values and paths, a file of arrays, a recording; of a table, each row',
  family: FAMILY,
  options: [labelsOption],
  key: 'labels',
  asked: (model, options) => {
    const { labels, served, task } = chosenLabels(model, options, { verb: VERB, family: FAMILY });
    return { names: labels, served, task };
  },
  answers: (scores, { names }) => rankedLabels(names, softmaxRows(scores, names.length)),
  format: formatLabels,
});

export const multimodalClassification = defineTaskFamily({
  ...multimodalFields,
  name: FAMILY,
  summary: 'the class of a sample of one or several inputs, among the names of the classes',
  kind: 'multimodal-classes',
  defaults: { labelSmoothing: 0.1 },
  taskName: (dataset) => dataset,
  create(name, settings, { dataset, tokenizer, image }) {
    const { lossWeight, labelSmoothing } = settings;
    const { classes = [] } = dataset;
    const kept = keptOfSettings(settings, dataset);
    const read = readerOf(kept, { image, tokenizer });
    const choose = createClassCandidates({ name, classes, tokenizer, row: targetRow(kept) });
    const facts = { name, family: FAMILY, signature: signatureOf(kept), lossWeight, labelSmoothing };
    return defineTask(facts, (batch, collation) => ({
      inputs: read(batch, collation),
      queries: 'prefix',
      ...choose(classLabels(batch, { name, classes }), collation),
      loss: 'cross-entropy',
    }));
  },
  kept: (settings, dataset) => ({ ...keptOfSettings(settings, dataset) }),
  keepsClasses: true,
  tuning: { head: true },
  notes: [MAJORITY_NOTE, FEATURES_NOTE],
  async evaluate(context) {
    const { dataset, split, seed } = context;
    const { classes = [] } = dataset;
    const { scores, asked, groups, name } = await scoreSplit(context, FAMILY, {
      names: classes,
      asked: (rows) => Array.from(values(rows, 'label'), Number),
    });
    const { chance: _, ...baselines } = suiteBaselines(context);
    return classReports(
      { scores, labels: asked, groups, classes: classes.length },
      {
        task: `${name} classification`,
        split,
        seed,
        baselines,
        detailsOf: context.details ? classes : undefined,
      },
    );
  },
  predict: classifySample,
});
