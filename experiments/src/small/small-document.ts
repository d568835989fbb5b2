/** docs/results/<experiment>.md and .json of an experiment on small sets, and the part of docs/choosing.md that shows it. */
import { ConfigError } from '@polygate/core';
import { writeFileAtomic } from '@polygate/core/node';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { GENERATED_END, GENERATED_START, withGenerated } from '../document.ts';
import { RESULTS_FOLDER, writeResults } from '../results.ts';
import { runFacts } from '../run-facts.ts';
import type { SmallResults } from './small-results.ts';
import { differenceTable, setTable, smallTable } from './small-tables.ts';

/** The page for users that has the tables in it. */
const CHOOSING_PAGE = join('docs', 'choosing.md');

const facts = (results: SmallResults): string => {
  const { runs, base } = results;
  const told = runFacts(results, runs, {
    lengths: [
      `${Math.min(...runs.map(({ steps }) => steps))} to ${Math.max(...runs.map(({ steps }) => steps))} steps`,
    ],
    hours: runs.reduce((sum, { seconds }) => sum + seconds, 0) / 3600,
  });
  if (!base) return told;
  const made = base.steps === undefined ? '' : ` of ${base.steps} steps`;
  return `${told} The model that is tuned: the mini generalist${made}, SHA-256 ${base.sha256.slice(0, 16)}.`;
};

const SPREAD = 'Top-1 accuracy on the test split, mean ± sample deviation over seeds.';

/** The generated part of the document. */
const smallText = (results: SmallResults): string =>
  [
    GENERATED_START,
    '<!-- prettier-ignore-start -->',
    '',
    `# ${results.title}`,
    '',
    results.question,
    '',
    setTable(results),
    '',
    smallTable(results),
    '',
    SPREAD,
    '',
    differenceTable(results),
    '',
    'Differences are run by run of one set and seed, with Student’s 95 % interval over seeds where there are several.',
    '',
    facts(results),
    '',
    '<!-- prettier-ignore-end -->',
    GENERATED_END,
  ].join('\n');

const markersOf = (experiment: string): readonly [string, string] => [
  `<!-- ${experiment}:start -->`,
  `<!-- ${experiment}:end -->`,
];

/** The page with the table of an experiment between its markers. @throws ConfigError where it has no such markers */
export const withTable = (page: string, results: SmallResults): string => {
  const [start, end] = markersOf(results.experiment);
  const [from, to] = [page.indexOf(start), page.indexOf(end)];
  if (from < 0 || to < from) {
    throw new ConfigError(
      `document: expected ${start} and after it ${end} in ${CHOOSING_PAGE}; restore both lines`,
    );
  }
  const shown = [
    '<!-- prettier-ignore-start -->',
    '',
    smallTable(results),
    '',
    SPREAD,
    '',
    '<!-- prettier-ignore-end -->',
  ];
  return `${page.slice(0, from + start.length)}\n${shown.join('\n')}\n${page.slice(to)}`;
};

/** What the files that show the results should hold, by path; what people wrote stays. */
export const smallFiles = async (
  results: SmallResults,
  { folder = RESULTS_FOLDER, page = CHOOSING_PAGE } = {},
): Promise<ReadonlyMap<string, string>> => {
  const path = join(folder, `${results.experiment}.md`);
  const before = await readFile(path, 'utf8').catch(() => '');
  return new Map([
    [path, withGenerated(before, smallText(results))],
    [page, withTable(await readFile(page, 'utf8'), results)],
  ]);
};

/** Writes results, document and page. @returns the path of the results */
export const writeSmall = async (results: SmallResults): Promise<string> => {
  const written = await writeResults(results);
  for (const [path, content] of await smallFiles(results)) await writeFileAtomic(path, content);
  return written;
};
