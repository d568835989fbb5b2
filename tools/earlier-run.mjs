/**
 * Makes the files of test/fixtures/run-VERSION with a built tree of that version: a prepared suite, two stopped runs, an
 * exported model, and the scores, predictions and losses which the version gives of them (expected.json).
 *
 *   git worktree add ../old 3076950 && (cd ../old && npm ci && npm run build)
 *   node tools/earlier-run.mjs ../old test/fixtures/run-0.1.0
 *
 * Those of 0.1.0 were made with commit 3076950, Node 20, engine cpu. `four` is trained on all four families with attribute
 * experts; in `steady` hardly anything is drawn: its one task sees every row in every step, so that its losses say whether a
 * resumed run goes on with the same weights, moments and schedule, whatever draws rows.
 */
import { cp, mkdir, readFile, readlink, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const [tree, output] = process.argv.slice(2).map((path) => resolve(path));
const load = (path) => import(pathToFileURL(join(tree, path)).href);
const { main, memoryTerminal } = await load('apps/polygate/dist/index.js');
const { pretrain } = await load('apps/pretrain/dist/index.js');
const sharp = createRequire(join(tree, 'package.json'))('sharp');

for (const name of ['suite', 'runs', 'exported', 'images']) {
  await rm(join(output, name), { recursive: true, force: true });
}
await mkdir(join(output, 'images'), { recursive: true });
process.chdir(output);

/** Runs a command line. @returns what it printed */
const polygate = async (...argv) => {
  const terminal = memoryTerminal();
  const code = await main(argv, terminal);
  if (code !== 0) throw new Error(`polygate ${argv.join(' ')}: code ${code}\n${terminal.log.join('\n')}`);
  return terminal.out.join('\n');
};
const json = async (path) => JSON.parse(await readFile(path, 'utf8'));

// Raw files: bars of four colours in three positions and two widths, a table of captions, lines of text.
const colours = ['red', 'green', 'blue', 'white'];
const positions = { left: () => 0, middle: (width) => 6 - width / 2, right: (width) => 12 - width };
await mkdir('raw', { recursive: true });
const table = ['image,caption'];
const lines = [];
for (const colour of colours) {
  await mkdir(join('raw/images', colour), { recursive: true });
  for (const [position, left] of Object.entries(positions)) {
    lines.push(`The bar on the ${position} is ${colour}.`);
    for (const width of [2, 4]) {
      const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="12" height="12"><rect width="12" height="12"/><rect x="${left(width)}" width="${width}" height="12" fill="${colour}"/></svg>`;
      const file = `${colour}/${position}-${width}.png`;
      const png = await sharp(Buffer.from(svg)).png().toBuffer();
      await writeFile(join('raw/images', file), png);
      if (width === 4 && position === 'left') await writeFile(join('images', `${colour}.png`), png);
      table.push(`${file},a ${colour} bar on the ${position}`);
    }
  }
}
await writeFile('raw/captions.csv', `${table.join('\n')}\n`);
await writeFile('raw/book.txt', `${lines.join('\n')}\n`);
const splits = { validationPercent: 15, testPercent: 25 };
await writeFile(
  'raw/prepare.json',
  JSON.stringify({
    name: 'suite',
    image: { size: 8 },
    text: { length: 16 },
    tokenizer: { vocabularySize: 280 },
    sources: {
      colours: { source: 'image-folder', path: 'raw/images', ...splits },
      bars: { source: 'captions-csv', file: 'raw/captions.csv', images: 'raw/images', ...splits },
      lines: { source: 'plain-text', files: ['raw/book.txt'], unit: 'line', ...splits },
    },
  }),
);
await polygate('prepare', '--recipe', 'raw/prepare.json', '--out', '.');

const model = {
  preset: 'mini-moe',
  layers: 1,
  width: 8,
  heads: 2,
  hidden: 8,
  patchSize: 4,
  maxPositions: 32,
  layerScale: 1,
};
const common = { suite: 'suite', engine: 'cpu', seed: 7, optimizer: { learningRate: 3e-2 } };
const sampled = { kind: 'sampled', negatives: 4 };
const four = {
  ...common,
  name: 'four',
  model: { ...model, moe: { experts: 3, topK: 2 } },
  tasks: {
    colours: {
      family: 'image-classification',
      dataset: 'colours',
      batchSize: 4,
      augmentation: { shift: 0.2 },
    },
    captioning: {
      family: 'image-captioning',
      dataset: 'bars',
      batchSize: 4,
      maximumTokens: 8,
      candidates: sampled,
    },
    retrieval: { family: 'image-text-retrieval', dataset: 'bars', batchSize: 4, maximumTokens: 8 },
    lines: { family: 'masked-language-modelling', dataset: 'lines', batchSize: 4, candidates: sampled },
  },
  steps: '40 steps',
  checkpoint: { every: '15 steps', keep: 2 },
  validation: { every: '15 steps', limit: 8, best: { score: 'validation/loss' } },
  telemetry: { every: '15 steps' },
};
const rows = (await json('suite/suite.json')).datasets.find(({ name }) => name === 'colours').splits.train
  .rows;
const steady = {
  ...common,
  name: 'steady',
  model: { ...model, moe: { experts: 3, topK: 2, noise: 0 } },
  tasks: { colours: { family: 'image-classification', dataset: 'colours', batchSize: rows } },
  steps: '12 steps',
  checkpoint: { every: '100%', keep: 1 },
  validation: { every: '100%' },
  telemetry: { every: null },
};

/** Trains a recipe and stops it after so many steps. */
const trainUntil = async (recipe, run, step) => {
  const controller = new AbortController();
  const progress = {
    update: (report) => void (report.step === step && controller.abort()),
    note() {},
    stop() {},
  };
  await pretrain({ recipe, run }, { progress, signal: controller.signal });
};
await trainUntil(four, 'runs/four', 30);
await trainUntil(steady, 'runs/steady', 6);
// In the form for file systems without links, which every checkout keeps.
for (const run of ['runs/four', 'runs/steady']) {
  const latest = join(run, 'checkpoints/latest');
  const name = await readlink(latest);
  await rm(latest);
  await writeFile(latest, name);
}
await polygate('export', '--run', 'runs/four', '--out', 'exported', '--engine', 'cpu');
await rm('raw', { recursive: true });

// What this version says of them.
const scoresOf = async (run) => {
  await polygate('evaluate', '--run', run, '--suite', 'suite', '--out', 'scratch', '--engine', 'cpu');
  const { scores } = await json('scratch/evaluation.json');
  return Object.fromEntries(
    scores.map(({ task, split, metric, value }) => [`${task}/${split}/${metric}`, value]),
  );
};
const predictionsOf = async (run) => {
  const ask = async (...argv) =>
    JSON.parse(await polygate('predict', ...argv, '--run', run, '--engine', 'cpu', '--json'));
  return {
    classify: await ask('classify', 'images/red.png'),
    caption: await ask('caption', 'images/red.png'),
    retrieve: await ask('retrieve', 'a blue bar on the left', '--images', 'images'),
    fill: await ask('fill', 'the bar on the left is ___.'),
  };
};
const expected = { opened: {} };
for (const run of ['runs/four', 'exported']) {
  expected.opened[run] = { scores: await scoresOf(run), predictions: await predictionsOf(run) };
}
await cp('runs/steady', 'scratch/steady', { recursive: true });
const resumed = await pretrain({ recipe: steady, run: 'scratch/steady' });
const metrics = (await readFile('scratch/steady/metrics.jsonl', 'utf8'))
  .trimEnd()
  .split('\n')
  .map((line) => JSON.parse(line));
expected.resumed = {
  from: resumed.resumedFrom,
  losses: metrics.filter(({ kind }) => kind === 'train').map(({ loss }) => loss),
  scores: await scoresOf('scratch/steady'),
};
await rm('scratch', { recursive: true });
await writeFile('expected.json', `${JSON.stringify(expected, null, 2)}\n`);
