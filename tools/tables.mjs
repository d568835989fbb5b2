/**
 * The tables of README.md, packages/mini/README.md and pages of docs, generated from docs/results/*.json: `node tools/tables.mjs` writes them, `--check` fails when
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
  value === null || value === undefined
    ? ''
    : Number(value).toFixed(Math.min(digits, Math.abs(value) >= 100 ? 1 : digits));
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

/** An end that the samples do not tell is null. */
const intervalText = (interval) =>
  interval ? interval.map((end) => (end === null ? 'unknown' : number(end))).join(' to ') : '';

/** The main metrics of each task on held-out splits; the results file holds all. */
const shown = new Set([
  'top-1',
  'macro-F1',
  'token-F1',
  'text recall@10',
  'image recall@10',
  'accuracy',
  'perplexity',
]);

/** The scores of one demo run, with its conditions in the line below. */
const demoTable = (results) => {
  const held = results.scores.filter(
    ({ metric, split, task }) => shown.has(metric) && (split !== 'validation' || task.startsWith('text')),
  );
  const { untuned, tuned } = results.tuning ?? {};
  const clips = [
    [untuned, 'untuned'],
    [tuned, 'prompt-tuned'],
  ].flatMap(([score, how]) => (score ? [{ ...score, task: `${score.task}, ${how}` }] : []));
  const rows = [...held, ...clips].map((score) => [
    score.task ?? '',
    score.split ?? '',
    score.metric,
    number(score.value),
    intervalText(score.interval),
    number(score.chance),
    baselineText(score.baselines),
  ]);
  const head = ['task', 'split', 'metric', 'score', '95 % interval', 'chance', 'baselines'];
  return `${table(head, rows)}

${conditionsOfDemo(results)}`;
};

const conditionsOfDemo = ({ recipe, engine, measured }) =>
  `Seed ${recipe.seed}, ${recipe.steps}, engine ${engine.name} ${engine.precision}; \`${measured.command}\` took ${measured.minutes} minutes on ${measured.machine}, commit ${measured.commit}.`;

/** What a reader of the README asks first: one score of each task where it is hardest; docs/results/demo.md has all. */
const demoSummary = (results) => {
  const questions = [
    ['group of an emoji, new concept', 'emoji-group classification', 'unseen-concepts', 'top-1'],
    ['group of an emoji, new vendor', 'emoji-group classification', 'unseen-vendor', 'top-1'],
    ['caption to an image, both new', 'emoji-captions retrieval', 'unseen-both', 'text recall@10'],
    ['writing captions, new concept', 'emoji-captions captioning', 'unseen-concepts', 'token-F1'],
    ['handwritten digits', 'mnist classification', 'test', 'top-1'],
    ['masked tokens', 'text masked tokens', 'validation', 'accuracy'],
  ];
  const asked = questions.map(([question, task, split, metric]) => [
    question,
    results.scores.find((s) => s.task === task && s.split === split && s.metric === metric),
  ]);
  const { untuned, tuned } = results.tuning ?? {};
  const clips = [
    ['digits in clips, never seen: untuned', untuned],
    ['the same, prompt-tuned', tuned],
  ];
  const rows = [...asked, ...clips].flatMap(([question, score]) => {
    if (!score) return [];
    const { metric, value, interval, chance, baselines } = score;
    return [
      [
        question,
        metric,
        `${number(value)} (${intervalText(interval)})`,
        number(chance),
        baselineText(baselines),
      ],
    ];
  });
  const head = ['question', 'metric', 'score (95 % interval)', 'chance', 'baselines'];
  return `${table(head, rows)}

${conditionsOfDemo(results)}`;
};

/** The scores of a model that a package ships: held-out splits, the main metrics; in short those of what it was trained on. */
const modelScores = (results, { brief }) => {
  const trained = new Set(Object.values(results.recipe.tasks).map(({ dataset }) => dataset));
  const rows = results.scores
    .filter(
      ({ metric, split, task }) =>
        (brief ? briefly : shown).has(metric) &&
        (split !== 'validation' || task.endsWith('masked tokens')) &&
        (!brief || trained.has(task.split(' ')[0])),
    )
    .map(({ task, split, metric, value, interval, chance, baselines }) => [
      task,
      split,
      metric,
      `${number(value)} (${intervalText(interval)})`,
      number(chance),
      baselineText(baselines),
    ]);
  return table(['task', 'split', 'metric', 'score (95 % interval)', 'chance', 'baselines'], rows);
};
const briefly = new Set(['top-1', 'token-F1', 'text recall@10', 'accuracy']);
const conditionsOfModel = ({ recipe, engine, measured, parameters, limit }) =>
  `${(parameters / 1e6).toFixed(1)} M parameters, seed ${recipe.seed}, ${recipe.steps}, scored on engine ${engine.name} ${engine.precision}; \`${measured.command}\` took ${measured.minutes} minutes on ${measured.machine}, commit ${measured.commit}. At most ${limit} rows of a split are scored.`;
const modelTable = (results) => `${modelScores(results, { brief: false })}\n\n${conditionsOfModel(results)}`;
const modelSummary = (results) => `${modelScores(results, { brief: true })}\n\n${conditionsOfModel(results)}`;

const ratio = (line) =>
  `${number(line.ratioMedian, 2)} (${number(line.ratioMin, 2)} to ${number(line.ratioMax, 2)})`;
const conditionsOf = ({ measured: { command, machine, commit } }) =>
  `\`${command}\` on ${machine}, commit ${commit}. A and B take turns in one run, and their results are compared before they are timed.`;
const pairs = (lines) =>
  table(
    ['case', 'A', 'B', 'A, s', 'B, s', 'B / A, median (range)'],
    lines.map((line) => [
      line.case,
      line.a,
      line.b,
      number(line.aSeconds),
      number(line.bSeconds),
      ratio(line),
    ]),
  );
const casesOf = (results, ...prefixes) =>
  results.lines.filter((line) => prefixes.some((prefix) => line.case.startsWith(prefix)));

/** What a reader of the README asks first; docs/performance.md has all lines. */
const benchSummary = (results) => {
  const lineNamed = (name) => results.lines.find((line) => line.case === name);
  const questions = [
    ['training step, bf16: PyTorch / ours', 'peer-torch-bf16-batch16'],
    ['training step, f32: PyTorch / ours', 'peer-torch-f32-batch16'],
    ['training step: wasm / ours', 'engine-wasm-batch4'],
    ['training with 8 experts, top-2, by attribute / dense', 'moe-price-train-bf16-batch64'],
    ['inference with merged experts / dense', 'moe-price-infer-bf16-batch64'],
  ];
  const rows = questions.flatMap(([question, name]) => {
    const line = lineNamed(name);
    return line ? [[question, ratio(line)]] : [];
  });
  return `${table(['12 layers, width 192, 197 tokens', 'time ratio, median (range)'], rows)}

${conditionsOf(results)} All cases: [docs/performance.md](docs/performance.md).`;
};

/** Table 3 of the paper: training and inference time as multiples of the dense model's. */
const paperPrice = {
  task: ['1.4', '1.0'],
  modality: ['1.4', '1.0'],
  attribute: ['1.4', '1.0'],
  token: ['1.8', '2.2'],
  context: ['2.2', '2.6'],
};
const priceTable = (results) => {
  const lineOf = (kind, condition) => {
    const line = results.lines.find((each) => each.case === `conditions-price-${kind}-${condition}`);
    return line ? ratio(line) : '';
  };
  return table(
    ['condition', 'training', 'the paper’s', 'inference', 'the paper’s'],
    Object.entries(paperPrice).map(([condition, [training, inference]]) => [
      condition,
      lineOf('train', condition),
      training,
      lineOf('infer', condition),
      inference,
    ]),
  );
};

/** A prepared suite: its datasets, what its leakage rules found, and its numbers beside those that it was designed with. */
const suiteTables = ({ datasets, rules, counts, baselines, measured }) => {
  const rows = datasets.map(({ name, kind, splits, megabytes }) => [
    name,
    kind,
    Object.entries(splits)
      .map(([split, count]) => `${split} ${count.toLocaleString('en')}`)
      .join(', '),
    number(megabytes, 0),
  ]);
  const scores = datasets.flatMap(({ name, baselines: bySplit }) =>
    Object.entries(bySplit ?? {})
      .filter(([split]) => split !== 'validation')
      .map(([split, each]) => [name, split, baselineText(each)]),
  );
  const compared = (list, digits) =>
    list.map(({ what, designed, got, why }) => [
      what,
      number(designed, digits),
      number(got, digits),
      got === designed ? '' : (why ?? ''),
    ]);
  return [
    `\`${measured.command}\` fetched ${measured.fetched} and took ${measured.minutes} minutes (${measured.processorMinutes} of a processor) on ${measured.machine}, commit ${measured.commit}; the suite has ${measured.megabytes} MB.`,
    table(['dataset', 'kind', 'rows', 'MB'], rows),
    'Baselines on what is held out:',
    table(['dataset', 'split', 'baselines'], scores),
    'Leakage rules, checked on the rows:',
    table(
      ['rule', 'checked', 'violations'],
      rules
        .filter(({ checked }) => checked > 0)
        .map(({ summary, checked, violations }) => [
          summary,
          checked.toLocaleString('en'),
          String(violations),
        ]),
    ),
    'Rows and baselines beside those that were counted and measured before the suite was made:',
    table(['rows', 'designed', 'here', 'why'], compared(counts, 0)),
    table(['baseline', 'designed', 'here', 'why'], compared(baselines, 3)),
  ].join('\n\n');
};

const bench = readResults('bench.json');
const benchOnTiles = readResults('bench-amx.json');
const benchOnAvx2 = readResults('bench-avx2.json');
/** All of another machine's lines, in short. */
const otherMachine = (results) =>
  [
    pairs(casesOf(results, 'peer-torch', 'small-step', 'engine-wasm', 'moe-price', 'stream', 'scaling')),
    casesOf(results, 'conditions-price').length > 0 ? priceTable(results) : '',
    conditionsOf(results),
  ]
    .filter((part) => part !== '')
    .join('\n\n');
const pages = [
  [
    'README.md',
    [
      ['demo-summary', readResults('demo.json'), demoSummary],
      ['bench', bench, benchSummary],
    ],
  ],
  [
    'docs/results/demo.md',
    [
      ['demo', readResults('demo.json'), demoTable],
      ['demo-wasm', readResults('demo-wasm.json'), demoTable],
    ],
  ],
  ['packages/mini/README.md', [['mini-generalist', readResults('mini-generalist.json'), modelSummary]]],
  ['docs/results/mini-generalist.md', [['mini-generalist', readResults('mini-generalist.json'), modelTable]]],
  ['docs/results/mini-full.md', [['mini-full', readResults('mini-full.json'), suiteTables]]],
  [
    'docs/performance.md',
    [
      ['peers', bench, (results) => pairs(casesOf(results, 'peer-torch', 'small-step', 'engine-wasm'))],
      ['stream', bench, (results) => pairs(casesOf(results, 'stream'))],
      ['experts', bench, (results) => pairs(casesOf(results, 'moe-price'))],
      ['conditions', bench, priceTable],
      ['measured', bench, conditionsOf],
      ['avx2', benchOnAvx2, otherMachine],
      ['amx', benchOnTiles, otherMachine],
    ],
  ],
];

const drawn = (text, sections) =>
  sections.reduce((page, [name, results, draw]) => {
    if (!results) return page;
    const marks = new RegExp(`(<!-- ${name}:start -->)[\\s\\S]*?(<!-- ${name}:end -->)`, 'u');
    return page.replace(
      marks,
      (_, start, end) =>
        `${start}\n<!-- prettier-ignore-start -->\n\n${draw(results)}\n\n<!-- prettier-ignore-end -->\n${end}`,
    );
  }, text);

for (const [page, sections] of pages) {
  const path = join(root, page);
  if (!existsSync(path)) continue;
  const before = readFileSync(path, 'utf8');
  const text = drawn(before, sections);
  if (text === before) continue;
  if (process.argv.includes('--check')) {
    process.stderr.write(`${page}: its tables differ from docs/results; run node tools/tables.mjs\n`);
    process.exitCode = 1;
  } else writeFileSync(path, text);
}
