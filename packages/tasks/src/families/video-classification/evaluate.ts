/**
 * Scores of video classification on a split: the probabilities of several views of each clip are averaged (published
 * code: four temporal views; its three spatial crops need frames that are not square, which prepared clips are).
 */
import { createRandom } from '@polygate/core';
import type { ScoreReport } from '@polygate/evaluation';
import { groupsOf, type SplitContext } from '../../evaluation/context.ts';
import { splitBatches } from '../../evaluation/split-rows.ts';
import { softmaxRows } from '../../scores.ts';
import { servedTask } from '../../serving.ts';
import { classBaselines } from '../class-baselines.ts';
import { classReports, joinScores } from '../class-reports.ts';
import { clipsOf, createVideoClassification } from './collate.ts';
import { viewSettingsOf } from './settings.ts';

/** The middle frame of each clip. */
const middleFrames = (batch: Parameters<typeof clipsOf>[0]): Uint8Array =>
  Buffer.concat(
    clipsOf(batch).map(({ pixels, frames }) => {
      const area = pixels.length / frames;
      const middle = Math.floor(frames / 2);
      return pixels.subarray(middle * area, (middle + 1) * area);
    }),
  );

export const evaluateVideoClassification = async (context: SplitContext): Promise<readonly ScoreReport[]> => {
  const { model, data, dataset, split, seed } = context;
  const classes = dataset.classes ?? [];
  const served = servedTask(model, 'video-classification', { dataset: dataset.name });
  const { frames, stride, views } = viewSettingsOf(served);
  const tasks = Array.from({ length: views }, (_, index) =>
    createVideoClassification({
      name: dataset.name,
      classes,
      tokenizer: model.tokenizer,
      image: model.image,
      frames,
      stride,
      view: { index, of: views },
    }),
  );
  const scores: Float32Array[] = [];
  const labels: number[] = [];
  const groups: string[] = [];
  for await (const rows of splitBatches(await data.shards(dataset.name, split), context)) {
    const sum = new Float32Array(rows.numRows * classes.length);
    for (const [index, task] of tasks.entries()) {
      const batch = task.collate(rows, { random: createRandom(seed), training: false });
      const probabilities = softmaxRows(await model.scores(batch, { task: served?.name }), classes.length);
      probabilities.forEach((probability, i) => {
        sum[i] = (sum[i] ?? 0) + probability / views;
      });
      if (index === 0) labels.push(...batch.labels);
    }
    scores.push(sum);
    groups.push(...groupsOf(rows));
  }
  return classReports(
    { scores: joinScores(scores), labels, groups, classes: classes.length },
    {
      task: `${dataset.name} video classification`,
      split,
      seed,
      baselines: await classBaselines(context, middleFrames),
    },
  );
};
