/** The report of an evaluation for people: what ran, and every score beside chance and simple baselines. */
import { beatsChance, formatScores, type ScoreReport } from '@polygate/evaluation';
import { detailTables } from './detail-tables.ts';
import { describeOverfitting, type Overfitting } from '@polygate/generalist';

export interface ReportFacts {
  readonly run: string;
  readonly suite: string;
  /** Names of its datasets with rows by split, as text. */
  readonly datasets: readonly string[];
  readonly engineLine: string;
  /** Scalars of the model. */
  readonly parameters: number;
  readonly recipe?: { readonly name: string; readonly seed: number; readonly steps: string };
  readonly state?: { readonly step: number; readonly samples: number; readonly tokens: number };
  /** Of masks, choice of rows and resampling. */
  readonly evaluationSeed: number;
  readonly limit?: number;
  /** Which checkpoint was scored, and by what it was chosen. */
  readonly checkpoint?: string;
  /** Tasks that the run overfits. @default none */
  readonly overfitting?: readonly Overfitting[];
  /** File name of the image sheet, if there is one. */
  readonly sheet?: string;
}

const millions = (count: number): string => `${(count / 1e6).toFixed(2)}M`;

const facts = (report: ReportFacts): readonly (readonly [string, string])[] => [
  ['run', report.run],
  ...(report.recipe
    ? ([
        ['recipe', report.recipe.name],
        ['training seed', String(report.recipe.seed)],
      ] as const)
    : []),
  ...(report.state
    ? ([
        [
          'trained',
          `${report.state.step} steps, ${report.state.samples} samples, ${millions(report.state.tokens)} positions`,
        ],
      ] as const)
    : []),
  ...(report.checkpoint === undefined ? [] : ([['checkpoint', report.checkpoint]] as const)),
  ['parameters', `${millions(report.parameters)} (${report.parameters})`],
  ['suite', `${report.suite}: ${report.datasets.join('; ')}`],
  ['engine', report.engineLine],
  [
    'evaluation',
    `seed ${report.evaluationSeed}, ${
      report.limit === undefined ? 'all rows of each split' : `at most ${report.limit} rows of each split`
    }`,
  ],
];

const summary = (scores: readonly ScoreReport[]): string => {
  const judged = scores.filter(({ chance }) => chance !== null);
  const better = judged.filter(beatsChance);
  const rest = judged.filter((score) => !beatsChance(score));
  const list = rest.map(({ task, split, metric }) => `${task}, ${split}, ${metric}`).join('; ');
  return `${better.length} of ${judged.length} scores are better than chance with their whole interval.${
    rest.length === 0 ? '' : ` Not so: ${list}.`
  }`;
};

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');

/** Markdown of a report. @param details scores that say more, after those of their task */
export const formatReport = (
  report: ReportFacts,
  scores: readonly ScoreReport[],
  details: readonly ScoreReport[] = [],
): string => {
  const tasks = [...new Set(scores.map(({ task }) => task))];
  return [
    '# Evaluation',
    '',
    '| | |',
    '| --- | --- |',
    ...facts(report).map(([name, value]) => `| ${name} | ${cell(value)} |`),
    '',
    summary(scores),
    '',
    ...(report.overfitting ?? []).flatMap((found) => [`${describeOverfitting(found)}.`, '']),
    ...(report.sheet === undefined ? [] : [`![Held-out images with predictions](${report.sheet})`, '']),
    ...tasks.flatMap((task) => [
      `## ${task}`,
      '',
      formatScores(
        scores.filter((score) => score.task === task),
        { style: 'markdown' },
      ).trimEnd(),
      '',
      ...detailTables(details.filter((score) => score.task === task)),
    ]),
    'Shares have exact intervals, other means come from a studentized bootstrap, macro-F1 and BLEU from a BCa bootstrap;',
    'images of one concept count together. Chance is a uniform guess (captions: a random caption of a random training',
    'image; retrieval: a random order of the gallery), and equal scores count as the mean over their orders. Recall is over',
    'all captions of all images: one of an image’s own captions among the first k texts, or its image for each caption.',
    'BLEU-4, CIDEr-D and ROUGE-L take words as the captioning benchmarks do, token-F1 and exact match as SQuAD does, without',
    'articles. Baselines: majority answers the most frequent training class; pixelNearestNeighbour and "nearest image"',
    'answer with the training image that is nearest after both are shrunk to 16 x 16 pixels (Euclidean); unigram answers by',
    'the frequency of words in the training text; "most frequent" writes the most frequent training caption.',
    ...(details.length > 0
      ? [
          'Details: MRR is the mean of 1 / rank; NLL, the Brier score and ECE judge the probabilities of the classes.',
        ]
      : []),
    '',
  ].join('\n');
};
