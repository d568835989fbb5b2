/** Scores of text classification on a split: those that its task is known by, accuracy and macro-F1 over all classes. */
import { createRandom } from '@polygate/core';
import { accuracy, majorityBaseline, naiveBayesLabels, type ScoreReport } from '@polygate/evaluation';
import { hasColumn, listRow, values } from '@polygate/stream';
import { groupsOf, MOST_BASELINE_ROWS, type SplitContext } from '../../evaluation/context.ts';
import { splitBatches } from '../../evaluation/split-rows.ts';
import { classReports, joinScores } from '../class-reports.ts';
import { scoredTask } from '../../evaluation/scored-task.ts';
import type { TrainedTask } from '../../model.ts';
import { clozeFormOf, type TextScore } from './cloze-presets.ts';
import { createTextClassification, type TextClassificationOptions } from './collate.ts';
import { textScoreReport } from './text-scores.ts';

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

/** [N] Answers of the majority class, and of naive Bayes over the tokens of the training split. */
const simpleAnswers = async (context: SplitContext): Promise<Readonly<Record<string, ArrayLike<number>>>> => {
  const { dataset, split, limit, model } = context;
  if (split === 'train' || !Object.hasOwn(dataset.splits, 'train')) return {};
  const train = await readTexts(context, 'train', MOST_BASELINE_ROWS);
  if (train.labels.length === 0) return {};
  const rows = await readTexts(context, split, limit);
  const { label } = majorityBaseline(train.labels, rows.labels);
  const naiveBayes = naiveBayesLabels(train, rows.tokens, {
    classes: dataset.classes?.length ?? 1,
    size: model.tokenizer.size,
  });
  return { majority: rows.labels.map(() => label), naiveBayes };
};

/** What a task keeps of its settings, as its patterns and scores need it. */
interface KeptForm extends Pick<TextClassificationOptions, 'pattern' | 'words' | 'maximumTokens'> {
  readonly scores?: readonly TextScore[];
}

/** Settings of the task that is scored; what another dataset's task says of words and pattern says nothing of these classes. */
const formOf = ({ dataset }: SplitContext, task: TrainedTask | undefined): KeptForm =>
  (task?.dataset === dataset.name ? task.settings : undefined) ?? clozeFormOf({}, dataset);

export const evaluateTextClassification = async (context: SplitContext): Promise<readonly ScoreReport[]> => {
  const { model, data, dataset, split, seed } = context;
  const { classes = [] } = dataset;
  const asked = scoredTask(context, FAMILY);
  const { scores: measured = [], ...form } = formOf(context, asked.task);
  const task = createTextClassification({
    name: asked.name,
    classes,
    tokenizer: model.tokenizer,
    ...form,
  });
  const scores: Float32Array[] = [];
  const labels: number[] = [];
  const groups: string[] = [];
  for await (const rows of splitBatches(await data.shards(dataset.name, split), context)) {
    const batch = task.collate(rows, { random: createRandom(seed), training: false });
    scores.push(await model.scores(batch, { task: asked.serving }));
    labels.push(...batch.labels);
    groups.push(...groupsOf(rows));
  }
  const name = { task: `${asked.name} text classification`, split };
  const answers = await simpleAnswers(context);
  const shares = Object.entries(answers).map(
    ([system, predicted]) => [system, accuracy(predicted, labels).value] as const,
  );
  const given = { scores: joinScores(scores), labels, groups, classes: classes.length };
  const others = measured.flatMap((score) =>
    score === 'accuracy' ? [] : [textScoreReport(score, given, { ...name, seed, answers })],
  );
  return [
    ...others,
    ...classReports(given, {
      ...name,
      seed,
      baselines: Object.fromEntries(shares),
      shares: [['accuracy', 1]],
      detailsOf: context.details ? classes : undefined,
    }),
  ];
};
