/** Scores of image classification on a split. */
import { createRandom } from '@polygate/core';
import type { ScoreReport } from '@polygate/evaluation';
import { fixedListValues } from '@polygate/stream';
import { groupsOf, type SplitContext } from '../../evaluation/context.ts';
import { splitBatches } from '../../evaluation/split-rows.ts';
import { servingTask } from '../../serving.ts';
import { classBaselines } from '../class-baselines.ts';
import { classReports, joinScores } from '../class-reports.ts';
import { createImageClassification } from './collate.ts';

export const evaluateClassification = async (context: SplitContext): Promise<readonly ScoreReport[]> => {
  const { model, data, dataset, split, seed } = context;
  const classes = dataset.classes ?? [];
  const task = createImageClassification({
    name: dataset.name,
    classes,
    tokenizer: model.tokenizer,
    image: model.image,
  });
  const serving = servingTask(model, 'image-classification', { dataset: dataset.name });
  const scores: Float32Array[] = [];
  const labels: number[] = [];
  const groups: string[] = [];
  for await (const rows of splitBatches(await data.shards(dataset.name, split), context)) {
    const batch = task.collate(rows, { random: createRandom(seed), training: false });
    scores.push(await model.scores(batch, { task: serving }));
    labels.push(...batch.labels);
    groups.push(...groupsOf(rows));
  }
  const baselines = await classBaselines(context, (rows) => fixedListValues(rows, 'image') as Uint8Array);
  return classReports(
    { scores: joinScores(scores), labels, groups, classes: classes.length },
    { task: `${dataset.name} classification`, split, seed, baselines },
  );
};
