/** docs/results/<experiment>.md: a generated part between markers, and below it what people write. */
import { ConfigError } from '@polygate/core';
import { writeFileAtomic } from '@polygate/core/node';
import { renderFigure } from '@polygate/figures';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { dotPlot } from './dot-plot.ts';
import { RESULTS_FOLDER, type ExperimentResults } from './results.ts';
import { interferenceTable, updatesTable, updatesText } from './interference-tables.ts';
import { runFacts } from './run-facts.ts';
import { normalisedPercents, priceTable, scoreTable } from './tables.ts';

export const GENERATED_START = '<!-- generated:start -->';
export const GENERATED_END = '<!-- generated:end -->';

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

const facts = (results: ExperimentResults): string => {
  const { steps } = results.recipe as { readonly steps: string };
  // Runs that experiments share are of one key.
  const hours = sum([...new Map(results.runs.map((run) => [run.key, run.hours])).values()]);
  return runFacts(results, results.runs, { lengths: [steps], hours });
};

/** File of an experiment's figure, beside its document. */
const figureFile = (experiment: string): string => `${experiment}.svg`;

/** The generated part. */
export const generatedText = (results: ExperimentResults): string => {
  const withInterference = results.runs.some(({ interference }) => interference !== undefined);
  return [
    GENERATED_START,
    '<!-- prettier-ignore-start -->',
    '',
    `# ${results.title}`,
    '',
    results.question,
    '',
    scoreTable(results),
    '',
    'Mean ± sample deviation over seeds. The normalised mean is the mean over tasks of the relative improvement on the baseline’s run of the same seed, in percent, over the metrics without token-F1; its interval is Student’s over seeds.',
    '',
    ...(withInterference
      ? [
          interferenceTable(results),
          '',
          'Interference of a step of one task on the loss of another, in units of what a step of the loss’s own task does: below 0 the step hurts. First order from gradients (equations 1 and 2 of the paper, ratio of means), and the exact change of the loss. Mean ± deviation over seeds.',
          '',
          updatesTable(results),
          '',
          `The same over ${updatesText(results)}: ratio of means, mean ± deviation over seeds, in units of what its own updates do. The interval is Student’s over seeds.`,
          '',
        ]
      : [
          `![Normalised mean score of each variant](${figureFile(results.experiment)})`,
          '',
          priceTable(results),
          '',
          'Processor time of an update and of a pass over the same held-out batches, as ratios to the baseline’s run of the same seed. At this size most of an update is overhead that all variants share; the price at the paper’s width is measured by the bench case `conditions-price`.',
          '',
        ]),
    facts(results),
    '',
    '<!-- prettier-ignore-end -->',
    GENERATED_END,
  ].join('\n');
};

/** The figure: normalised scores by variant, a dot a seed. */
const figureText = (results: ExperimentResults): string =>
  `${renderFigure(
    dotPlot(
      results.variants
        .map(({ name, label }) => ({ label, values: normalisedPercents(results, name) }))
        .filter(({ values }) => values.length > 0),
      {
        title: `${results.title}: normalised mean score`,
        axis: `improvement on the ${results.baseline} model, mean over tasks, %`,
        reference: 0,
      },
    ),
    { id: results.experiment },
  )}\n`;

/** A document with its generated part replaced; what stands around the markers stays. */
export const withGenerated = (before: string, generated: string): string => {
  const start = before.indexOf(GENERATED_START);
  const end = before.indexOf(GENERATED_END);
  if (start < 0 && end < 0) return `${generated}\n\n## Reading\n\n${before}`;
  if (start < 0 || end < start) {
    throw new ConfigError(
      `document: expected ${GENERATED_START} and after it ${GENERATED_END}, got only one of them or another order; restore both lines`,
    );
  }
  return `${before.slice(0, start)}${generated}${before.slice(end + GENERATED_END.length)}`;
};

/** What the files of an experiment's document should hold, by path; documents keep what people wrote. */
export const documentFiles = async (
  results: ExperimentResults,
  folder = RESULTS_FOLDER,
): Promise<ReadonlyMap<string, string>> => {
  const path = join(folder, `${results.experiment}.md`);
  const before = await readFile(path, 'utf8').catch(() => '');
  const files = new Map([[path, withGenerated(before, generatedText(results))]]);
  if (!results.runs.some(({ interference }) => interference !== undefined)) {
    files.set(join(folder, figureFile(results.experiment)), figureText(results));
  }
  return files;
};

export const writeDocument = async (results: ExperimentResults, folder = RESULTS_FOLDER): Promise<void> => {
  for (const [path, content] of await documentFiles(results, folder)) await writeFileAtomic(path, content);
};
