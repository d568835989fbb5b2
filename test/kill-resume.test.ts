/**
 * A pre-training that is killed by SIGKILL at random moments and resumed gives the losses, weights and moments of one
 * that never was, bit for bit on the wasm engine.
 *
 * Moments are of three kinds: while the process starts (modules, engine, claiming the run, restoring), some steps
 * later, and from the step before a checkpoint on, while it is being written. The seed fixes kinds and waits; where in
 * the program a wait ends is up to the machine, so no two runs of this test kill at the same instructions.
 * `POLYGATE_KILLS` sets the number of kills (6), `POLYGATE_KILL_SEED` the seed.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { access, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { createRandom, type Random } from '@polygate/core';
import { sha256File } from '@polygate/core/node';
import { METRICS_FILE, latestCheckpoint } from '@polygate/training';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { prepareSmallSuite, smallTrainingRecipe } from './small-suite.ts';

const KILLS = Number(process.env['POLYGATE_KILLS'] ?? 6);
const SEED = Number(process.env['POLYGATE_KILL_SEED'] ?? 1);
const STEPS = 18;
const CHECKPOINT_EVERY = 3;
/** For each process and for each kill; far more than a loaded machine takes, so only a hang meets it. */
const PATIENCE_MS = 120_000;

const root = join(import.meta.dirname, '..');
const script = join(import.meta.dirname, 'kill-resume-child.mjs');

let folder = '';
let recipe = '';
/** Children that a failed test may leave. */
const alive = new Set<ChildProcess>();

beforeAll(async () => {
  const built = join(root, 'apps/pretrain/dist/index.js');
  await access(built).catch(() => {
    throw new Error(`expected built packages, got no ${built}; run npm run build first`);
  });
  folder = await mkdtemp(join(tmpdir(), 'polygate-kills-'));
  const { directory } = await prepareSmallSuite(folder);
  recipe = join(folder, 'recipe.json');
  const content = {
    ...smallTrainingRecipe(directory),
    steps: `${STEPS} steps`,
    checkpoint: { every: `${CHECKPOINT_EVERY} steps`, keep: 2 },
    validation: { every: '10 steps', limit: 2 },
  };
  await writeFile(recipe, JSON.stringify(content));
});

afterAll(async () => {
  for (const child of alive) child.kill('SIGKILL');
  await rm(folder, { recursive: true, force: true });
});

/** A moment to kill at: `waitMs` after the line that `at` accepts, or after the process began where there is no `at`. */
interface Moment {
  readonly at?: (line: string, updates: number) => boolean;
  readonly waitMs: number;
}

/** Lines that a child has said, and when, in ms after it began. */
type Said = readonly { readonly line: string; readonly ms: number }[];

/** Runs a child to its end, or to the moment. @throws Error when it ends in a third way, or not at all */
const runChild = (run: string, moment?: Moment): Promise<{ readonly killed: boolean; readonly said: Said }> =>
  new Promise((resolve, reject) => {
    const began = performance.now();
    const child = spawn(process.execPath, [script, recipe, run], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env['PATH'], OMP_NUM_THREADS: '1' },
    });
    alive.add(child);
    const said: { line: string; ms: number }[] = [];
    let errors = '';
    let updates = 0;
    let timer: NodeJS.Timeout | undefined;
    const arm = (): void => {
      timer ??= setTimeout(() => child.kill('SIGKILL'), moment?.waitMs);
    };
    const patience = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`expected an end within ${PATIENCE_MS} ms, got none after "${said.at(-1)?.line}"`));
    }, PATIENCE_MS);
    if (moment && !moment.at) arm();
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      errors += text;
    });
    createInterface({ input: child.stdout }).on('line', (line) => {
      said.push({ line, ms: performance.now() - began });
      if (line.startsWith('step ')) updates += 1;
      if (moment?.at?.(line, updates)) arm();
    });
    child.once('error', reject);
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      clearTimeout(patience);
      alive.delete(child);
      if (signal === 'SIGKILL' || code === 0) resolve({ killed: signal === 'SIGKILL', said });
      else reject(new Error(`expected exit 0 or SIGKILL, got ${code ?? signal}:\n${errors}`));
    });
  });

interface Pace {
  readonly startMs: number;
  readonly stepMs: number;
  readonly checkpointMs: number;
}

/** How long the parts of a run take, in the mean, from one that nobody killed. */
const paceOf = (said: Said): Pace => {
  const at = (wanted: string): number => said.find(({ line }) => line === wanted)?.ms ?? NaN;
  const writing = said.flatMap(({ line, ms }, i) =>
    line === 'checkpoint' ? [ms - (said[i - 1]?.ms ?? ms)] : [],
  );
  return {
    startMs: at('step 1'),
    stepMs: (at(`step ${STEPS}`) - at('step 1')) / (STEPS - 1),
    checkpointMs: writing.reduce((sum, ms) => sum + ms, 0) / writing.length,
  };
};

/** Whether a checkpoint is due after what the line says. */
const isDue = (line: string): boolean =>
  line.startsWith('step ') && Number(line.slice('step '.length)) % CHECKPOINT_EVERY === 0;

const drawMoment = (random: Random, pace: Pace): Moment => {
  const kind = random.integer(4);
  if (kind === 0) return { waitMs: random.next() * pace.startMs };
  if (kind === 1) {
    const wanted = 1 + random.integer(2 * CHECKPOINT_EVERY);
    return { at: (_, updates) => updates === wanted, waitMs: random.next() * pace.stepMs };
  }
  // The first or second checkpoint of this process.
  const wanted = 1 + random.integer(2);
  let seen = 0;
  return {
    at: (line) => {
      if (isDue(line)) seen += 1;
      return seen === wanted;
    },
    waitMs: random.next() * pace.checkpointMs,
  };
};

/** What two runs of the same recipe must share. Times and memory are the machine's. */
const resultOf = async (run: string) => {
  const lines = (await readFile(join(run, METRICS_FILE), 'utf8')).trimEnd().split('\n');
  const records = lines.map((line) => {
    const {
      dataMs: _d,
      computeMs: _c,
      optimizerMs: _o,
      tensors: _t,
      rssMb: _r,
      ...values
    } = JSON.parse(line) as Record<string, unknown>;
    return values;
  });
  const checkpoint = await latestCheckpoint(run);
  const path = checkpoint?.path ?? '';
  const files = await readdir(path);
  const hashes = await Promise.all(
    files.map(async (name) => [name, await sha256File(join(path, name))] as const),
  );
  return { records, step: checkpoint?.step, files: Object.fromEntries(hashes) };
};

const halfWritten = async (run: string): Promise<string[]> =>
  (await readdir(run, { recursive: true }).catch(() => [])).filter((name) => name.includes('.tmp'));

describe('a pre-training that is killed', () => {
  it(
    `equals one that never was, bit for bit, after ${KILLS} kills`,
    { timeout: 60_000 + KILLS * 30_000 },
    async () => {
      const whole = join(folder, 'whole');
      const pace = paceOf((await runChild(whole)).said);
      const expected = await resultOf(whole);
      expect(expected.step).toBe(STEPS);
      expect(expected.records.filter(({ kind }) => kind === 'train').map(({ step }) => step)).toEqual(
        Array.from({ length: STEPS }, (_, i) => i + 1),
      );
      // All four families took part, so that each has state to lose.
      expect(new Set(expected.records.flatMap(({ task }) => task ?? [])).size).toBe(4);
      expect(Object.keys(expected.files)).toEqual(
        expect.arrayContaining(['model.safetensors', 'optimizer.safetensors', 'state.json']),
      );

      const random = createRandom(SEED);
      let kills = 0;
      let duringCheckpoints = 0;
      let halves = 0;
      let resumptions = 0;
      let runs = 0;
      while (kills < KILLS) {
        const run = join(folder, `killed-${runs}`);
        let finished = false;
        while (!finished) {
          const { killed, said } = await runChild(run, kills < KILLS ? drawMoment(random, pace) : undefined);
          const first = said.find(({ line }) => line.startsWith('step '));
          if (first && first.line !== 'step 1') resumptions += 1;
          if (killed) {
            kills += 1;
            if (isDue(said.at(-1)?.line ?? '')) duringCheckpoints += 1;
            if ((await halfWritten(run)).length > 0) halves += 1;
          }
          finished = !killed;
        }
        runs += 1;
        const got = await resultOf(run);
        expect(got.records).toEqual(expected.records);
        expect(got).toEqual(expected);
        expect(await halfWritten(run)).toEqual([]);
      }
      console.log(
        `${kills} kills over ${runs} runs of ${STEPS} steps: ${duringCheckpoints} between an update and its checkpoint (${halves} left half-written files), ${resumptions} processes went on from a checkpoint`,
      );
      // If every process had begun anew, nothing would be shown; a kill or two may all come before the first checkpoint.
      if (KILLS >= 5) expect(resumptions).toBeGreaterThan(0);
    },
  );
});
