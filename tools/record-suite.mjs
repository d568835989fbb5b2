/**
 * Writes docs/results/mini-full.json from a prepared suite: rows, sizes, baselines, what the leakage rules find, and how it
 * was made. `node tools/record-suite.mjs SUITE --minutes 30 --processor-minutes 12 --machine "..."`, then `npm run tables`.
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
const [directory] = positionals;
if (directory === undefined) throw new Error('name the folder of the suite');

const root = join(fileURLToPath(import.meta.url), '..', '..');
const megabytesOf = (folder) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0) / 1e6;

const suite = await readSuite(directory);
const { rules, counts, baselines } = await checkSuite(directory, (line) => console.error(line));
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
    fetched: `${Math.round(fetched)} MB of ${archives.length} packages, and took the others from node_modules,`,
    megabytes: Math.round(megabytesOf(directory)),
  },
  image: suite.image,
  textLength: suite.textLength,
  quarantine: suite.quarantine,
  datasets: suite.datasets.map(({ name, kind, splits, classes, baselines: scores }) => ({
    name,
    kind,
    splits: Object.fromEntries(Object.entries(splits).map(([split, { rows }]) => [split, rows])),
    ...(classes ? { classes: classes.length } : {}),
    megabytes: round(megabytesOf(join(directory, name))),
    ...(scores ? { baselines: scores } : {}),
  })),
  rules,
  counts,
  baselines,
};
writeFileSync(join(root, 'docs/results/mini-full.json'), `${JSON.stringify(results, null, 2)}\n`);
