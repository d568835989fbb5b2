/** Scores of text classification on a split: accuracy and macro-F1 over all classes. */
import { createRandom } from '@polygate/core';
import {
  chanceMacroF1,
  chanceTopK,
  labelRanks,
  macroF1Statistic,
  majorityBaseline,
  naiveBayesLabels,
  reportMean,
  reportStatistic,
  topK,
  type ScoreReport,
} from '@polygate/evaluation';
import { hasColumn, listRow, values } from '@polygate/stream';
import { groupsOf, MOST_BASELINE_ROWS, type SplitContext } from '../../evaluation/context.ts';
import { splitBatches } from '../../evaluation/split-rows.ts';
import { servedTask } from '../../serving.ts';
import { classDetails } from '../class-details.ts';
import { createTextClassification } from './collate.ts';

const FAMILY = 'text-classification';

interface Texts {
  /** Tokens of each row, of both texts of a pair. */
  readonly tokens: readonly Int32Array[];
  readonly labels: readonly number[];
}

const readTexts = async (context: SplitContext, split: string, limit: number): Promise<Texts> => {
  const { data, dataset, seed } = context;
  const tokens: Int32Array[] = [];
  const labels: number[] = [];
  const shards = await data.shards(dataset.name, split);
  for await (const batch of splitBatches(shards, { limit, seed, batchSize: 512 })) {
    const columns = hasColumn(batch, 'tokens_b') ? ['tokens', 'tokens_b'] : ['tokens'];
    for (let row = 0; row < batch.numRows; row += 1) {
      tokens.push(
        Int32Array.from(columns.flatMap((column) => Array.from(listRow(batch, column, row), Number))),
      );
    }
    labels.push(...Array.from(values(batch, 'label'), Number));
  }
  return { tokens, labels };
};

/** Accuracies of answering the majority class, and of naive Bayes over the tokens of the training split. */
const baselinesOf = async (context: SplitContext): Promise<Readonly<Record<string, number>>> => {
  const { dataset, split, limit, model } = context;
  if (split === 'train' || !Object.hasOwn(dataset.splits, 'train')) return {};
  const train = await readTexts(context, 'train', MOST_BASELINE_ROWS);
  if (train.labels.length === 0) return {};
  const rows = await readTexts(context, split, limit);
  const answers = naiveBayesLabels(train, rows.tokens, {
    classes: dataset.classes?.length ?? 1,
    size: model.tokenizer.size,
  });
  return {
    majority: majorityBaseline(train.labels, rows.labels).value,
    naiveBayes: answers.filter((label, i) => label === rows.labels[i]).length / rows.labels.length,
  };
};

export const evaluateTextClassification = async (context: SplitContext): Promise<readonly ScoreReport[]> => {
  const { model, data, dataset, split, seed } = context;
  const { classes = [] } = dataset;
  const trained = servedTask(model, FAMILY, { dataset: dataset.name });
  // Words and pattern of another dataset's task say nothing of these classes.
  const settings = trained?.dataset === dataset.name ? trained.settings : {};
  const task = createTextClassification({
    name: dataset.name,
    classes,
    tokenizer: model.tokenizer,
    ...settings,
  });
  const scores: Float32Array[] = [];
  const labels: number[] = [];
  const groups: string[] = [];
  for await (const rows of splitBatches(await data.shards(dataset.name, split), context)) {
    const batch = task.collate(rows, { random: createRandom(seed), training: false });
    scores.push(await model.scores(batch, { task: trained?.name }));
    labels.push(...batch.labels);
    groups.push(...groupsOf(rows));
  }
  const all = new Float32Array(labels.length * classes.length);
  scores.reduce((at, part) => {
    all.set(part, at);
    return at + part.length;
  }, 0);
  const name = { task: `${dataset.name} text classification`, split };
  const bootstrap = { seed, groups, range: [0, 1] } as const;
  return [
    reportMean(
      {
        ...name,
        metric: 'accuracy',
        chance: chanceTopK({ k: 1, classes: classes.length }),
        baselines: await baselinesOf(context),
      },
      topK(labelRanks(all, labels), 1).perSample,
      bootstrap,
    ),
    reportStatistic(
      { ...name, metric: 'macro-F1', chance: chanceMacroF1({ labels, classes: classes.length }) },
      { count: labels.length, statistic: macroF1Statistic(all, labels) },
      bootstrap,
    ),
    ...(context.details ? classDetails({ scores: all, labels, groups, classes }, { ...name, seed }) : []),
  ];
};
