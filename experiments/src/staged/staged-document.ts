/** docs/results/<experiment>.md and .json of a staged experiment. */
import { ConfigError, parseJson } from '@polygate/core';
import { writeFileAtomic } from '@polygate/core/node';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { GENERATED_END, GENERATED_START, withGenerated } from '../document.ts';
import { RESULTS_FOLDER } from '../results.ts';
import type { StagedResults } from './staged-results.ts';
import { summaryTable, taskTable } from './staged-tables.ts';

const facts = ({ runs, machine, command }: StagedResults): string => {
  const commits = [...new Set(runs.map(({ commit }) => commit))].join(', ');
  const seeds = [...new Set(runs.map(({ seed }) => seed))].sort((a, b) => a - b).join(', ');
  const hours = runs.reduce((sum, run) => sum + run.hours, 0);
  const lengths = [...new Set(runs.map(({ steps }) => steps))].join(', ');
  return `\`${command}\`: ${runs.length} runs of ${lengths}, seeds ${seeds}, commit ${commits}, ${hours.toFixed(2)} hours of one core. ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGigabytes} GB, Node ${machine.node}, ${machine.engine}.`;
};

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
  const json = join(folder, `${results.experiment}.json`);
  await writeFileAtomic(json, `${JSON.stringify(results, null, 1)}\n`);
  const path = join(folder, `${results.experiment}.md`);
  const before = await readFile(path, 'utf8').catch(() => '');
  await writeFileAtomic(path, withGenerated(before, stagedText(results)));
  return json;
};

/** @throws ConfigError where there are none yet */
export const readStaged = async (experiment: string, folder = RESULTS_FOLDER): Promise<StagedResults> => {
  const path = join(folder, `${experiment}.json`);
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new ConfigError(
      `results: expected ${path}, got no such file; run \`npm run experiment -- ${experiment}\` first`,
      { cause },
    );
  });
  return parseJson(text, path) as StagedResults;
};
