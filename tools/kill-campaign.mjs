/**
 * Kills a stage by SIGKILL again and again, at seeded moments, and starts it again until it is done:
 *
 *   node tools/kill-campaign.mjs pretrain 200 [seed]
 *   node tools/kill-campaign.mjs prepare 100 [seed]
 *
 * Half of the moments are times after the start, half are numbers of changes of the file system (kill-at.mjs): inside
 * the writing of a checkpoint, between two renames, while a lock is taken over. Every fourth start has a rival that
 * wants the same folder at the same time. A run must end with the metrics and the checkpoint of one that was never
 * killed, byte for byte; a suite that is prepared again must be the old or the new one, whole, after every kill.
 * Needs built packages (npm run build). Exits with 1 at the first difference.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cp, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRandom } from '@polygate/core';
import { readSuite } from '@polygate/datasets';
import { latestCheckpoint } from '@polygate/training';
import { prepareRecipe, put, writeRawFiles } from './campaign-suite.mjs';

const LOCKED = 75;
/** Far more than any start takes: only a hang meets it. */
const PATIENCE_MS = 120_000;
const REPORT_EVERY = 20;
/** Entries of a metrics line that are the machine's. */
const MACHINE = ['dataMs', 'computeMs', 'optimizerMs', 'tensors', 'rssMb'];

const [stage = '', count = '', seed = '1'] = process.argv.slice(2);
const kills = Number(count);
if (!['pretrain', 'prepare'].includes(stage) || !(kills > 0)) {
  console.error('usage: node tools/kill-campaign.mjs pretrain|prepare KILLS [SEED]');
  process.exit(2);
}

const random = createRandom(Number(seed));
const folder = await mkdtemp(join(tmpdir(), 'polygate-campaign-'));
const here = import.meta.dirname;

const trainRecipe = (suite) => ({
  name: 'small',
  suite,
  model: {
    preset: 'mini-moe',
    layers: 1,
    width: 12,
    heads: 2,
    hidden: 16,
    patchSize: 4,
    maxPositions: 32,
    moe: { experts: 3, topK: 2, noise: 1 },
  },
  tasks: {
    colours: { family: 'image-classification', dataset: 'colours', batchSize: 2 },
    lines: {
      family: 'masked-language-modelling',
      dataset: 'lines',
      batchSize: 2,
      candidates: { kind: 'sampled', negatives: 4 },
    },
  },
  optimizer: { learningRate: 3e-3 },
  seed: 7,
  engine: 'cpu',
  steps: '18 steps',
  checkpoint: { every: '3 steps', keep: 2 },
  validation: { every: '9 steps', limit: 2 },
});

/** Runs a stage to its end, or to a kill. */
const start = (options, { waitMs, change, counted } = {}) =>
  new Promise((resolve, reject) => {
    const began = performance.now();
    const child = spawn(
      process.execPath,
      ['--import', join(here, 'kill-at.mjs'), join(here, 'kill-campaign-child.mjs'), stage, options],
      {
        cwd: folder,
        stdio: ['ignore', 'ignore', 'pipe'],
        env: {
          PATH: process.env.PATH,
          OMP_NUM_THREADS: '1',
          ...(change === undefined ? {} : { KILL_AT: String(change) }),
          ...(counted === undefined ? {} : { KILL_COUNT: counted }),
        },
      },
    );
    let errors = '';
    let hung = false;
    const patience = setTimeout(() => {
      hung = true;
      child.kill('SIGKILL');
    }, PATIENCE_MS);
    const timer = waitMs === undefined ? undefined : setTimeout(() => child.kill('SIGKILL'), waitMs);
    child.stderr.setEncoding('utf8').on('data', (text) => (errors += text));
    child.once('error', reject);
    child.once('close', (code, signal) => {
      clearTimeout(patience);
      clearTimeout(timer);
      const ms = performance.now() - began;
      if (!hung && (signal === 'SIGKILL' || code === 0 || code === LOCKED)) {
        resolve({ killed: signal === 'SIGKILL', locked: code === LOCKED, ms });
      } else
        reject(
          new Error(
            `expected exit 0, ${LOCKED} or SIGKILL, got ${hung ? 'none' : (code ?? signal)}:\n${errors}`,
          ),
        );
    });
  });

/** Hashes of all files below a folder, by path. */
const hashesOf = async (root) => {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const pairs = await Promise.all(
    files.map(async (path) => [
      path.slice(root.length + 1),
      createHash('sha256')
        .update(await readFile(path))
        .digest('hex'),
    ]),
  );
  return JSON.stringify(pairs.sort(([a], [b]) => (a < b ? -1 : 1)));
};

const assertEqual = (got, expected, what) => {
  if (got !== expected) throw new Error(`${what}: expected\n${expected}\ngot\n${got}`);
};

/** Seeded moments of a process that takes so long and changes so much when nobody kills it. */
const drawMoment = ({ ms, changes }) =>
  random.integer(2) === 0 ? { waitMs: random.next() * ms } : { change: 1 + random.integer(changes) };

const tally = { kills: 0, starts: 0, finished: 0, rivals: 0, refused: 0 };
const began = performance.now();
const note = () => {
  if (tally.kills % REPORT_EVERY !== 0) return;
  const minutes = ((performance.now() - began) / 60_000).toFixed(1);
  console.log(`${tally.kills} of ${kills} kills, ${tally.finished} finished, ${minutes} min`);
};

/**
 * One start that may be killed, and now and then a rival beside it. Where the rival did the work of a killed one, what
 * that left is for the next start to clear away.
 * @returns whether the work is done
 */
const attempt = async (options, measure) => {
  const moment = tally.kills < kills ? drawMoment(measure) : {};
  const rival = random.integer(4) === 0;
  const results = await Promise.all([start(options, moment), ...(rival ? [start(options)] : [])]);
  tally.starts += results.length;
  if (rival) tally.rivals += 1;
  tally.refused += results.filter(({ locked }) => locked).length;
  if (results[0].killed) {
    tally.kills += 1;
    note();
  }
  const done = results.some(({ killed, locked }) => !killed && !locked);
  if (done && results[0].killed) await start(options);
  return done;
};

/** Time and changes of a start that nobody kills. */
const measureStart = async (options) => {
  const counted = join(folder, 'count');
  const { ms } = await start(options, { counted });
  return { ms, changes: Number(await readFile(counted, 'utf8')) };
};

/** What two runs must share. */
const runResult = async (run) => {
  const lines = (await readFile(join(run, 'metrics.jsonl'), 'utf8')).trimEnd().split('\n');
  const records = lines.map((line) =>
    JSON.stringify(JSON.parse(line), (key, value) => (MACHINE.includes(key) ? undefined : value)),
  );
  const names = (await readdir(run)).sort();
  const checkpoints = (await readdir(join(run, 'checkpoints'))).sort();
  const checkpoint = await latestCheckpoint(run);
  return [...records, names, checkpoints, await hashesOf(checkpoint.path)].join('\n');
};

const campaignPretrain = async () => {
  const { prepare } = await import('@polygate/app-prepare');
  const { directory } = await prepare({ recipe: prepareRecipe(8), workDirectory: folder });
  const optionsFor = (name) =>
    put(folder, `${name}.json`, JSON.stringify({ recipe: trainRecipe(directory), run: join(folder, name) }));
  const measure = await measureStart(await optionsFor('whole'));
  const expected = await runResult(join(folder, 'whole'));
  for (let i = 0; tally.kills < kills; i += 1) {
    const name = `run-${i}`;
    const options = await optionsFor(name);
    while (!(await attempt(options, measure)));
    tally.finished += 1;
    assertEqual(await runResult(join(folder, name)), expected, name);
    await rm(join(folder, name), { recursive: true });
  }
};

const campaignPrepare = async () => {
  const suites = [];
  for (const size of [8, 12]) {
    const recipe = prepareRecipe(size);
    const output = join(folder, `reference-${size}`);
    const options = await put(
      folder,
      `${size}.json`,
      JSON.stringify({ recipe, workDirectory: folder, output }),
    );
    const measure = await measureStart(options);
    const work = await put(
      folder,
      `${size}-work.json`,
      JSON.stringify({ recipe, workDirectory: folder, output: join(folder, 'data') }),
    );
    suites.push({ options: work, measure, hashes: await hashesOf(join(output, 'small')) });
    if (size === 8) await cp(output, join(folder, 'data'), { recursive: true });
  }
  const target = join(folder, 'data', 'small');
  for (let i = 1; tally.kills < kills; i += 1) {
    const before = suites[(i + 1) % 2];
    const after = suites[i % 2];
    for (let done = false; !done;) {
      done = await attempt(after.options, after.measure);
      // Reading puts back what a killed process had set aside.
      await readSuite(target);
      const hashes = await hashesOf(target);
      if (hashes !== before.hashes) assertEqual(hashes, after.hashes, `suite after ${tally.kills} kills`);
      if (done) assertEqual(hashes, after.hashes, 'finished suite');
    }
    tally.finished += 1;
    assertEqual((await readdir(join(folder, 'data'))).join(), 'small', 'folder of suites');
  }
};

try {
  await writeRawFiles(folder);
  await (stage === 'prepare' ? campaignPrepare() : campaignPretrain());
  console.log(
    `${stage}: ${tally.kills} kills over ${tally.starts} starts (seed ${seed}), ${tally.finished} finished, all equal to those never killed; ${tally.rivals} rivals, ${tally.refused} starts refused by a lock`,
  );
} catch (error) {
  console.error(error instanceof Error ? error.stack : error);
  process.exitCode = 1;
} finally {
  await rm(folder, { recursive: true, force: true });
}
