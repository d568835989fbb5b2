/** docs/results/<experiment>.md and .json of a staged experiment. */
import { writeFileAtomic } from '@polygate/core/node';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { GENERATED_END, GENERATED_START, withGenerated } from '../document.ts';
import { RESULTS_FOLDER, writeResults } from '../results.ts';
import { runFacts } from '../run-facts.ts';
import type { StagedResults } from './staged-results.ts';
import { summaryTable, taskTable } from './staged-tables.ts';

const facts = (results: StagedResults): string =>
  runFacts(results, results.runs, {
    lengths: results.runs.map(({ steps }) => steps),
    hours: results.runs.reduce((sum, run) => sum + run.hours, 0),
  });

/** The generated part. */
const stagedText = (results: StagedResults): string =>
  [
    GENERATED_START,
    '<!-- prettier-ignore-start -->',
    '',
    `# ${results.title}`,
    '',
    results.question,
    '',
    'Tasks of pre-training:',
    '',
    taskTable(
      results,
      results.rows.filter(({ novel }) => !novel),
    ),
    '',
    'Novel tasks:',
    '',
    taskTable(
      results,
      results.rows.filter(({ novel }) => novel),
    ),
    '',
    'WT: without tuning. PT 1 %: prompts and heads, on 1 % of the training samples. FT 100 %: all weights, on all of them. Mean ± sample deviation over seeds; the simple system is the best of chance, majority, naive Bayes and nearest neighbours.',
    '',
    'Mean over tasks of the way from chance to perfect, (score - chance) / (1 - chance):',
    '',
    summaryTable(results),
    '',
    'Differences are seed by seed, with Student’s 95 % interval over seeds.',
    '',
    facts(results),
    '',
    '<!-- prettier-ignore-end -->',
    GENERATED_END,
  ].join('\n');

/** Writes results and document; what people wrote around the generated part stays. @returns the path of the results */
export const writeStaged = async (results: StagedResults, folder = RESULTS_FOLDER): Promise<string> => {
  const written = await writeResults(results, folder);
  const path = join(folder, `${results.experiment}.md`);
  const before = await readFile(path, 'utf8').catch(() => '');
  await writeFileAtomic(path, withGenerated(before, stagedText(results)));
  return written;
};
