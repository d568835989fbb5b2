/**
 * Scores of classification of images, and of clips, on a split: the probabilities of several views of a sample are averaged
 * (published code: four temporal views; its three spatial crops need frames that are not square, which prepared clips are).
 */
import { createRandom } from '@polygate/core';
import type { ScoreReport } from '@polygate/evaluation';
import { imageSequences } from '@polygate/modalities';
import { groupsOf, type SplitContext } from '../../evaluation/context.ts';
import { splitBatches } from '../../evaluation/split-rows.ts';
import { softmaxRows } from '../../scores.ts';
import { segmentRows } from '../../signatures.ts';
import { scoredTask } from '../../evaluation/scored-task.ts';
import { middleFrame } from '../../visual/clip-patches.ts';
import type { VisualSource } from '../../visual/visual-source.ts';
import { classBaselines } from '../class-baselines.ts';
import { classReports, joinScores } from '../class-reports.ts';
import { classLabels, createClassCandidates } from '../class-targets.ts';
import type { SettingFields } from '../family.ts';

/** How a family's splits are scored. */
export interface ClassEvaluation<Fields extends SettingFields> {
  readonly source: VisualSource<Fields>;
  /** Name of the task family. */
  readonly family: string;
  /** Behind the name of the dataset in reports. */
  readonly title: string;
}

/** The mean of the probabilities of several views; the scores of a single one as they are. */
const averageViews = (views: readonly Float32Array[], classes: number): Float32Array => {
  const [first = new Float32Array(0)] = views;
  if (views.length === 1) return first;
  const mean = new Float32Array(first.length);
  for (const scores of views) {
    softmaxRows(scores, classes).forEach((probability, i) => {
      mean[i] = (mean[i] ?? 0) + probability / views.length;
    });
  }
  return mean;
};

/** An evaluator of splits. */
export const classEvaluation =
  <Fields extends SettingFields>({ source, family, title }: ClassEvaluation<Fields>) =>
  async (context: SplitContext): Promise<readonly ScoreReport[]> => {
    const { model, data, dataset, split, seed } = context;
    const classes = dataset.classes ?? [];
    const { task, serving, name } = scoredTask(context, family);
    const shown = source.shown(task);
    const choose = createClassCandidates({ name, classes, tokenizer: model.tokenizer });
    const scores: Float32Array[] = [];
    const labels: number[] = [];
    const groups: string[] = [];
    for await (const rows of splitBatches(await data.shards(dataset.name, split), context)) {
      const samples = source.samples(rows);
      const chosen = choose(classLabels(rows, { name, classes }), {
        random: createRandom(seed),
        training: false,
      });
      const views: Float32Array[] = [];
      for (let view = 0; view < shown.count; view += 1) {
        const inputs = imageSequences(shown.patches(samples, model.image, view), segmentRows.image);
        const batch = { inputs, queries: 'prefix', targets: chosen.targets, temperature: family } as const;
        views.push(await model.scores(batch, { task: serving }));
      }
      scores.push(averageViews(views, classes.length));
      labels.push(...chosen.labels);
      groups.push(...groupsOf(rows));
    }
    const stills = (rows: Parameters<typeof source.samples>[0]): Uint8Array =>
      Buffer.concat(source.samples(rows).map(middleFrame));
    return classReports(
      {
        scores: joinScores(scores),
        labels,
        groups,
        classes: classes.length,
        areProbabilities: shown.count > 1,
      },
      {
        task: `${name} ${title}`,
        split,
        seed,
        baselines: await classBaselines(context, stills),
        detailsOf: context.details ? classes : undefined,
      },
    );
  };
