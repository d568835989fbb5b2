/**
 * Writes docs/results/mini-full.json from a prepared suite, or from several that are its parts: rows, sizes, baselines, what
 * the leakage rules find, and how it was made.
 * `node tools/record-suite.mjs SUITE... --minutes 30 --processor-minutes 12 --machine "..."`, then `npm run tables`.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { checkSuite } from '@polygate/app-prepare';
import { dataSourceNamed, dataSourceNames, isArchive, readSuite } from '@polygate/datasets';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    minutes: { type: 'string' },
    'processor-minutes': { type: 'string' },
    machine: { type: 'string' },
    command: { type: 'string', default: 'npx polygate prepare --recipe mini-full' },
  },
});
if (positionals.length === 0) throw new Error('name the folder of the suite');

const root = join(fileURLToPath(import.meta.url), '..', '..');
const megabytesOf = (folder) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0) / 1e6;

const suites = [];
for (const directory of positionals) {
  const check = await checkSuite(directory, (line) => console.error(line));
  suites.push({ directory, suite: await readSuite(directory), ...check });
}
/** What a rule found in all suites together. */
const rules = suites[0].rules.map(({ rule, summary }) => {
  const each = suites.flatMap((suite) => suite.rules.filter((result) => result.rule === rule));
  const sum = (field) => each.reduce((total, result) => total + result[field], 0);
  return { rule, summary, checked: sum('checked'), violations: sum('violations') };
});
const archives = dataSourceNames()
  .map((name) => dataSourceNamed(name).pin)
  .filter(isArchive);
const fetched = archives.reduce((sum, { bytes }) => sum + bytes, 0) / 1e6;
const round = (value) => Math.round(value * 10) / 10;
const results = {
  measured: {
    command: values.command,
    minutes: Number(values.minutes),
    processorMinutes: Number(values['processor-minutes']),
    machine: values.machine,
    commit: execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: root, encoding: 'utf8' }).trim(),
    fetched: `${Math.round(fetched)} MB of ${archives.length} packages (the others were installed)`,
    megabytes: Math.round(suites.reduce((sum, { directory }) => sum + megabytesOf(directory), 0)),
  },
  suites: suites.map(({ suite: { name, image, textLength, quarantine } }) => ({
    name,
    image,
    textLength,
    quarantine,
  })),
  datasets: suites.flatMap(({ directory, suite }) =>
    suite.datasets.map(({ name, kind, splits, classes, baselines: scores }) => ({
      name,
      kind,
      splits: Object.fromEntries(Object.entries(splits).map(([split, { rows }]) => [split, rows])),
      ...(classes ? { classes: classes.length } : {}),
      megabytes: round(megabytesOf(join(directory, name))),
      ...(scores ? { baselines: scores } : {}),
    })),
  ),
  rules,
  counts: suites.flatMap(({ counts }) => counts),
  baselines: suites.flatMap(({ baselines }) => baselines),
};
writeFileSync(join(root, 'docs/results/mini-full.json'), `${JSON.stringify(results, null, 2)}\n`);
