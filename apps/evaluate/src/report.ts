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
  /** What its scores can't say, in sentences without a full stop. @default nothing */
  readonly cautions?: readonly string[];
  /** File name of the image sheet, if there is one. */
  readonly sheet?: string;
}

/** What was scored. */
export interface ReportScores {
  readonly scores: readonly ScoreReport[];
  /** Scores that say more, after those of their task. */
  readonly details: readonly ScoreReport[];
  /** What the families say of their scores. */
  readonly notes: readonly string[];
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

/** Markdown of a report. */
export const formatReport = (report: ReportFacts, { scores, details, notes }: ReportScores): string => {
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
    ...(report.overfitting ?? []).flatMap((each) => [`${describeOverfitting(each)}.`, '']),
    ...(report.cautions ?? []).flatMap((each) => [`${each}.`, '']),
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
    'Shares have exact intervals, other means come from a studentized bootstrap, and scores of a split as a whole from a BCa',
    'bootstrap; samples of one concept count together. Chance is a uniform guess where nothing else is said, and equal',
    'scores count as the mean over their orders.',
    '',
    ...notes.map((note) => `- ${note}`),
    ...(details.length > 0
      ? [
          '- Details: MRR is the mean of 1 / rank; NLL, the Brier score and ECE judge the probabilities of the classes.',
        ]
      : []),
    '',
  ].join('\n');
};
