/**
 * Kills a random rank of a run on several processes by SIGKILL at seeded moments, and starts the run again until it is done:
 *
 *   node tools/rank-kill-campaign.mjs 20 [seed] [processes]
 *
 * Each start that is killed must end with one error that names the rank, within the time that ranks have to end; each run
 * must end with the losses and weights of one that was never killed, to the last bit. Every fifth blow is a SIGSTOP, which
 * the others must notice (POLYGATE_RANK_TIMEOUT). Needs built packages (npm run build) and c10d. Exits with 1 at the first
 * difference.
 */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRandom } from '@polygate/core';
import {
  ENDING_MS,
  errorsOf,
  outcomeOf,
  pretrainWords,
  RANK_TIMEOUT,
  require,
  writeSuite,
} from './rank-suite.mjs';

const [count = '', seed = '1', size = '2'] = process.argv.slice(2);
const [blows, processes] = [Number(count), Number(size)];
if (!(blows > 0) || !(processes > 1)) {
  console.error('usage: node tools/rank-kill-campaign.mjs KILLS [SEED] [PROCESSES]');
  process.exit(2);
}
const random = createRandom(Number(seed));
const folder = await mkdtemp(join(tmpdir(), 'polygate-ranks-'));

/** The process of a rank among the children of another one; undefined where it is not there yet. */
const rankOf = async (starter, rank) => {
  const children = await readFile(`/proc/${starter}/task/${starter}/children`, 'utf8').catch(() => '');
  for (const pid of children.trim().split(' ')) {
    const variables = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '');
    if (variables.split('\0').includes(`RANK=${rank}`)) return Number(pid);
  }
  return undefined;
};

/** A start, which a blow may meet. @returns how it ended, and how long after the blow */
const start = (recipe, run, blow) =>
  new Promise((resolve, reject) => {
    const began = performance.now();
    let struck;
    let errors = '';
    const words = [...pretrainWords(recipe, join(folder, run)), '--processes', String(processes)];
    const child = spawn(process.execPath, words, {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, OMP_NUM_THREADS: '1', POLYGATE_RANK_TIMEOUT: String(RANK_TIMEOUT) },
    });
    child.stderr.setEncoding('utf8').on('data', (text) => (errors += text));
    const timer =
      blow &&
      setTimeout(async () => {
        const pid = await rankOf(child.pid, blow.rank);
        if (pid === undefined) return;
        try {
          process.kill(pid, blow.signal);
          struck = performance.now();
        } catch {
          // It has ended by itself.
        }
      }, blow.waitMs);
    child.once('error', reject);
    child.once('close', (code) => {
      clearTimeout(timer);
      const now = performance.now();
      resolve({ code, errors, ms: now - began, ...(struck ? { afterMs: now - struck } : {}) });
    });
  });

try {
  const recipe = await writeSuite(folder);
  const whole = await start(recipe, 'whole');
  require(whole.code === 0, 'expected a whole run', whole.errors);
  const expected = await outcomeOf(join(folder, 'whole'));
  const tally = { SIGKILL: 0, SIGSTOP: 0, starts: 1, runs: 0 };
  const slowest = { SIGKILL: 0, SIGSTOP: 0 };
  for (let made = 0; made < blows;) {
    const run = `run-${tally.runs}`;
    for (let isDone = false; !isDone;) {
      const signal = made % 5 === 4 ? 'SIGSTOP' : 'SIGKILL';
      const rank = random.integer(processes);
      const blow = made < blows ? { rank, signal, waitMs: random.next() * whole.ms } : undefined;
      const { code, errors, afterMs } = await start(recipe, run, blow);
      tally.starts += 1;
      isDone = code === 0;
      if (isDone) continue;
      require(afterMs !== undefined, 'expected no error without a blow', errors);
      made += 1;
      tally[signal] += 1;
      slowest[signal] = Math.max(slowest[signal], afterMs);
      const told = errorsOf(errors);
      require(told.length === 1 &&
        told[0].includes(`rank ${rank}`), `expected one error of rank ${rank} after ${signal}`, errors);
      require(afterMs < ENDING_MS, `expected an end within ${ENDING_MS} ms, got ${afterMs}`, errors);
      console.log(`${made}: ${signal} of rank ${rank}, ended ${(afterMs / 1000).toFixed(1)} s later`);
    }
    require((await outcomeOf(join(folder, run))) ===
      expected, `expected ${run} to equal the whole run, got another`);
    tally.runs += 1;
    await rm(join(folder, run), { recursive: true });
  }
  const seconds = (ms) => `${(ms / 1000).toFixed(1)} s`;
  console.log(
    `${tally.SIGKILL} kills and ${tally.SIGSTOP} stops of a rank of ${processes} over ${tally.starts} starts (seed ${seed}); ${tally.runs} runs finished, all equal to one never killed; ended within ${seconds(slowest.SIGKILL)} of a kill, ${seconds(slowest.SIGSTOP)} of a stop (time-out ${RANK_TIMEOUT} s)`,
  );
} catch (error) {
  console.error(error instanceof Error ? error.stack : error);
  process.exitCode = 1;
} finally {
  await rm(folder, { recursive: true, force: true });
}
