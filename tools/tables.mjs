/**
 * The tables of README.md, generated from docs/results/*.json: `node tools/tables.mjs` writes them, `--check` fails when
 * they differ. Results files say command, seeds, commit and machine; nothing in a table is typed by hand.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(fileURLToPath(import.meta.url), '..', '..');
const readResults = (name) => {
  const path = join(root, 'docs/results', name);
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : undefined;
};

const number = (value, digits = 3) =>
  value === null || value === undefined ? '' : Number(value).toFixed(Math.abs(value) >= 100 ? 1 : digits);
const table = (head, rows) =>
  [head, head.map((_, i) => (i === 0 ? '---' : '---:')), ...rows]
    .map((cells) => `| ${cells.join(' | ')} |`)
    .join('\n');

const baselineText = (baselines) => {
  const entries = Array.isArray(baselines)
    ? baselines.map(({ name, value }) => [name, value])
    : Object.entries(baselines ?? {});
  return entries.map(([name, value]) => `${name} ${number(value)}`).join(', ');
};

/** The README shows the main metric of each task on held-out splits; the results file holds all. */
const shown = new Set([
  'top-1',
  'macro-F1',
  'token-F1',
  'text recall@10',
  'picture recall@10',
  'accuracy',
  'perplexity',
]);

/** The scores of one demo run, with its conditions in the line below. */
const demoTable = (results) => {
  const held = results.scores.filter(
    ({ metric, split, task }) => shown.has(metric) && (split !== 'validation' || task.startsWith('text')),
  );
  const rows = held.map((score) => [
    score.task ?? '',
    score.split ?? '',
    score.metric,
    number(score.value),
    score.interval ? `${number(score.interval[0])} to ${number(score.interval[1])}` : '',
    number(score.chance),
    baselineText(score.baselines),
  ]);
  const { recipe, engine, measured } = results;
  const head = ['task', 'split', 'metric', 'score', '95 % interval', 'chance', 'baselines'];
  return `${table(head, rows)}

Seed ${recipe.seed}, ${recipe.steps}, engine ${engine.name} ${engine.precision}; \`${measured.command}\` took ${measured.minutes} minutes on ${measured.machine}, commit ${measured.commit}.`;
};

/** Pairs in one table; lines of other cases, such as memory, have no sides and no seconds. */
const benchTable = (results) => {
  const rows = results.lines.map((line) => [
    line.case,
    line.a ?? line.validated,
    line.b ?? '',
    number(line.aSeconds),
    number(line.bSeconds),
    `${number(line.ratioMedian, 2)} (${number(line.ratioMin, 2)} to ${number(line.ratioMax, 2)})`,
  ]);
  const { command, machine, commit } = results.measured;
  return `${table(['case', 'A', 'B', 'A, s', 'B, s', 'B / A, median (range)'], rows)}

\`${command}\` on ${machine}, commit ${commit}. A and B take turns in one run, and their results are compared before they are timed.`;
};

const sections = [
  ['demo', readResults('demo.json'), demoTable],
  ['bench', readResults('bench.json'), benchTable],
];

const path = join(root, 'README.md');
const before = readFileSync(path, 'utf8');
let text = before;
for (const [name, results, draw] of sections) {
  if (!results) continue;
  const marks = new RegExp(`(<!-- ${name}:start -->)[\\s\\S]*?(<!-- ${name}:end -->)`, 'u');
  text = text.replace(
    marks,
    (_, start, end) =>
      `${start}\n<!-- prettier-ignore-start -->\n\n${draw(results)}\n\n<!-- prettier-ignore-end -->\n${end}`,
  );
}

if (process.argv.includes('--check')) {
  if (text !== before) {
    process.stderr.write('README.md: its tables differ from docs/results; run node tools/tables.mjs\n');
    process.exitCode = 1;
  }
} else if (text !== before) {
  writeFileSync(path, text);
}
